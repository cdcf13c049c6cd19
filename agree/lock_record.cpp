#include "agree/lock_record.hpp"

#include <algorithm>

#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"

namespace starling::agree {

using namespace crdt;

namespace {

auto waiting_place(const LockRecord& record, const Claim& claim) {
    return std::find_if(record.waiting.begin(), record.waiting.end(), [&](const auto& w) { return w.claim == claim; });
}

bool sound_lock(const LockRecord& record) {
    if (record.waiting.size() > lock_waiting_max || record.note.size() > lock_note_bytes_max) return false;
    if (record.holder ? record.token == 0 : !record.note.empty()) return false;
    for (auto at = record.waiting.begin(); at != record.waiting.end(); ++at) {
        if (record.held_by(at->claim) || waiting_place(record, at->claim) != at) return false;
    }
    return true;
}

void write_contender(Writer& out, const Contender& contender) {
    out.replica(contender.claim.replica).uint(contender.claim.number).uint(contender.ttl_us);
}
Contender read_contender(Reader& in) {
    Contender contender;
    contender.claim.replica = in.replica();
    contender.claim.number = in.uint(count_max);
    contender.ttl_us = in.uint(lock_ttl_us_max);
    if (contender.ttl_us < lock_ttl_us_min) in.fail();
    return contender;
}

}  // namespace

bool LockRecord::awaited_by(const Claim& claim) const {
    return waiting_place(*this, claim) != waiting.end();
}

void LockRecord::check() const {
    STARLING_ASSERT(sound_lock(*this), "a lock's record keeps its invariants");
}

bool take(LockRecord& record, const Contender& me, const Bytes& note, const std::optional<Sighting>& expired,
          bool queue) {
    if (record.held_by(me.claim)) return renew(record, me.claim);  // an earlier attempt came through
    if (record.token >= count_max || record.renewal >= count_max) return false;
    bool turned = false;
    if (expired && (record.sighting() == *expired || mutant(Mutant::takeover_unseen))) {
        if (record.holder) {
            record.holder.reset();
            record.note.clear();
            turned = true;
        } else if (!record.waiting.empty() && record.waiting.front().claim != me.claim) {
            record.waiting.erase(record.waiting.begin());
            turned = true;
        }
    }
    const auto* turn = record.turn();
    bool joined = false;
    if (turn == nullptr || turn->claim == me.claim) {
        if (turn != nullptr) record.waiting.erase(record.waiting.begin());
        record.holder = me;
        record.note = note;
        if (!mutant(Mutant::token_stays) || record.token == 0) ++record.token;
        turned = true;
    } else if (queue && !record.awaited_by(me.claim) && record.waiting.size() < lock_waiting_max) {
        record.waiting.push_back(me);
        joined = true;
    }
    // Who joins gives no sign of life for whoever is awaited: else a stream of newcomers would keep a dead holder
    // alive.
    if (turned || (joined && mutant(Mutant::newcomers_renew))) ++record.renewal;
    return turned || joined;
}

bool renew(LockRecord& record, const Claim& claim) {
    if (!record.held_by(claim) || record.renewal >= count_max) return false;
    ++record.renewal;
    return true;
}

bool release(LockRecord& record, const Claim& claim) {
    const bool turned = record.turn() != nullptr && record.turn()->claim == claim;
    if (record.held_by(claim)) {
        record.holder.reset();
        record.note.clear();
    } else if (record.awaited_by(claim)) {
        record.waiting.erase(waiting_place(record, claim));
    } else {
        return false;
    }
    if (turned && record.renewal < count_max) ++record.renewal;
    return true;
}

Bytes encode(const LockRecord& record) {
    record.check();
    Writer out;
    out.array(5).uint(record.token).uint(record.renewal).bin(record.note);
    out.array(record.holder ? 3 : 0);
    if (record.holder) write_contender(out, *record.holder);
    out.array(3 * record.waiting.size());
    for (const auto& contender : record.waiting) write_contender(out, contender);
    return out.take();
}

std::optional<LockRecord> decode_lock(const std::optional<Bytes>& value) {
    LockRecord record;
    if (!value) return record;
    Reader in(*value);
    in.tuple(5);
    record.token = in.uint(count_max);
    record.renewal = in.uint(count_max);
    record.note = in.bin(lock_note_bytes_max);
    const auto holders = in.array(3);
    if (holders == 3) {
        record.holder = read_contender(in);
    } else if (holders != 0) {
        in.fail();
    }
    const auto items = in.array(3 * lock_waiting_max);
    if (items % 3 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 3) record.waiting.push_back(read_contender(in));
    return in.done() && sound_lock(record) ? std::optional(std::move(record)) : std::nullopt;
}

}  // namespace starling::agree
