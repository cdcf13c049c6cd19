#include "agree/lock.hpp"

#include <algorithm>

#include "crdt/mutant.hpp"

namespace starling::agree {

using namespace crdt;

namespace {

/// The clock that turns are watched by.
std::uint64_t watch_us(gossip::Now now) {
    return mutant(Mutant::takeover_by_wall_clock) ? now.wall_us : now.mono_us;
}

}  // namespace

Lock::Lock(Proposer& proposer, Bytes key, const ReplicaId& self, const LockLimits& limits,
           std::function<std::uint64_t()> random)
    : proposer_(proposer), key_(std::move(key)), limits_(limits), random_(std::move(random)) {
    me_.claim.replica = self;
}

void Lock::acquire(LockWish wish, gossip::Now now) {
    STARLING_ASSERT(idle(), "one wish at a time");
    wish.ttl_us = std::clamp(wish.ttl_us, lock_ttl_us_min, lock_ttl_us_max);
    STARLING_ASSERT(wish.note.size() <= lock_note_bytes_max, "a note within its limit");
    wish_ = std::move(wish);
    me_.claim.number = mutant(Mutant::claims_count_by_lock) ? me_.claim.number + 1 : proposer_.draw_number();
    me_.ttl_us = wish_.ttl_us;
    stage_ = Stage::wanting;
    answered_ = left_traces_ = false;
    sighting_.reset();
    look(now);
}

void Lock::release(gossip::Now now) {
    if (!idle()) let_go(now);
}

void Lock::observe(gossip::Now now) {
    const auto id = proposer_.submit({.key = key_, .deadline_us = now.mono_us + limits_.step_us}, now.mono_us);
    if (id) observing_ = *id;
}

bool Lock::submit(ChangeFunction change, gossip::Now now) {
    Operation operation{.key = key_, .change = std::move(change)};
    const auto last = stage_ == Stage::holding ? until_us() : wish_.deadline_us;
    operation.deadline_us = std::min(now.mono_us + limits_.step_us, last);
    next_us_ = UINT64_MAX;
    asked_us_ = now.mono_us;
    const auto id = proposer_.submit(std::move(operation), now.mono_us);
    if (id) pending_ = *id;
    return bool(id);
}

// -- wanting

void Lock::look(gossip::Now now) {
    if (!submit({}, now)) fail(LockFailure::refused, now);
}

void Lock::try_to_take(gossip::Now now) {
    std::optional<Sighting> expired;
    if (turn_us_ > 0 && watch_us(now) >= sighted_us_ + turn_us_) expired = sighting_;
    auto move = [me = me_, note = wish_.note, expired, queue = wish_.fair && !wish_.once](LockRecord& record) {
        return take(record, me, note, expired, queue);
    };
    left_traces_ = true;
    if (!submit(lock_change(move), now)) fail(LockFailure::refused, now);
}

void Lock::wanting(const LockRecord& record, const OperationResult& result, gossip::Now now) {
    answered_ = true;
    if (record.held_by(me_.claim)) {
        token_ = record.token;
        stage_ = Stage::holding;
        confirmed_us_ = result.submitted_us;
        if (!result.changed || result.recovered || now.mono_us >= until_us()) {
            // It has been so for a while, and nobody knows how long: a renewal of its own tells.
            stage_ = Stage::wanting;
            return try_to_take(now);
        }
        next_us_ = confirmed_us_ + me_.ttl_us / 3;
        events_.emplace_back(LockAcquired{token_});
        return;
    }
    const auto* turn = record.turn();
    if (sighting_ != record.sighting()) {
        sighting_ = record.sighting();
        // From the answer: the holder may have renewed after the read was sent.
        sighted_us_ = watch_us(now);
        if (mutant(Mutant::contender_counts_from_send)) sighted_us_ -= now.mono_us - asked_us_;
        turn_us_ = turn == nullptr ? 0 : turn->ttl_us;
    }
    const bool mine = turn == nullptr || turn->claim == me_.claim;
    if (mine) return try_to_take(now);
    if (wish_.once) return fail(LockFailure::held, now);
    const bool over = watch_us(now) >= sighted_us_ + turn_us_;
    const bool in_line = record.awaited_by(me_.claim) || record.waiting.size() >= lock_waiting_max;
    if (over || (wish_.fair && !in_line)) return try_to_take(now);
    next_us_ = std::min(now.mono_us + poll_us(turn_us_), wish_.deadline_us);
}

void Lock::fail(LockFailure why, gossip::Now now) {
    events_.emplace_back(LockFailed{why});
    let_go(now);
}

/// What was sent may still come through: who wants no more says so, too.
void Lock::let_go(gossip::Now now) {
    stage_ = Stage::idle;
    pending_.reset();
    next_us_ = UINT64_MAX;
    if (!left_traces_) return;
    auto move = [claim = me_.claim](LockRecord& record) { return agree::release(record, claim); };
    // Best effort: where it fails, the time to live ends the turn.
    (void)proposer_.submit({.key = key_, .change = lock_change(move), .deadline_us = now.mono_us + limits_.release_us},
                           now.mono_us);
}

// -- holding

std::uint64_t Lock::until_us() const {
    const auto margin = mutant(Mutant::drift_is_ignored) ? 0 : drift_margin_permille;
    return confirmed_us_ + me_.ttl_us - me_.ttl_us * margin / 1000;
}

void Lock::holding(const LockRecord& record, const OperationResult& result) {
    if (result.changed && record.held_by(me_.claim)) confirmed_us_ = std::max(confirmed_us_, result.submitted_us);
    next_us_ = std::max(confirmed_us_, result.submitted_us) + me_.ttl_us / 3;
}

void Lock::lose(gossip::Now now) {
    events_.emplace_back(LockLost{token_});
    let_go(now);
}

// -- what happens

void Lock::finished(const OperationResult& result, gossip::Now now) {
    if (observing_ == result.id) {
        observing_.reset();
        const auto record = decode_lock(result.value);
        if (result.outcome != Outcome::done || !record) return;
        const auto holder = record->holder ? std::optional(record->holder->claim) : std::nullopt;
        return events_.emplace_back(LockSeen{record->token, holder, record->note}), void();
    }
    if (pending_ != result.id) return;
    pending_.reset();
    const bool done = result.outcome == Outcome::done;
    const auto record = done ? decode_lock(result.value) : std::optional(LockRecord{});
    if (!record) return stage_ == Stage::holding ? lose(now) : fail(LockFailure::refused, now);
    if (stage_ == Stage::holding) {
        if (done && !record->held_by(me_.claim)) return lose(now);
        if (mutant(Mutant::renewal_counts_from_answer)) confirmed_us_ = now.mono_us;
        if (done) return holding(*record, result);
        next_us_ = now.mono_us;  // again at once, until it is too late
        return tick(now);
    }
    if (now.mono_us >= wish_.deadline_us && !(done && record->held_by(me_.claim)))
        return fail(answered_ ? LockFailure::deadline : LockFailure::no_majority, now);
    if (done) return wanting(*record, result, now);
    look(now);
}

void Lock::tick(gossip::Now now) {
    if (stage_ == Stage::holding && now.mono_us >= until_us()) return lose(now);
    if (pending_ || now.mono_us < next_us_) return;
    if (stage_ == Stage::wanting) return look(now);
    if (stage_ != Stage::holding) return;
    auto move = [claim = me_.claim](LockRecord& record) { return renew(record, claim); };
    if (!submit(lock_change(move), now)) next_us_ = now.mono_us + me_.ttl_us / 10;
}

std::uint64_t Lock::due_us() const {
    return stage_ == Stage::holding ? std::min(next_us_, until_us()) : next_us_;
}

std::uint64_t Lock::poll_us(std::uint64_t turn_us) {
    const auto poll = std::clamp(turn_us / 8, limits_.poll_us_min, limits_.poll_us_max);
    return poll / 2 + random_() % (poll / 2 + 1);
}

void Lock::check() const {
    STARLING_ASSERT(!idle() || (!pending_ && next_us_ == UINT64_MAX), "who is idle wants nothing");
    STARLING_ASSERT(idle() || pending_ || next_us_ != UINT64_MAX, "who is not does something next");
    STARLING_ASSERT(stage_ != Stage::holding || token_ > 0, "who holds has a token");
}

}  // namespace starling::agree
