#include "crdt/state.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

// -- hashes
// --------------------------------------------------------------------------------------------------------------

namespace {

/// A journal's entries share one slot, unless they have a name of their own.
bool in_table(const Entry& entry) {
    return entry.type() != Type::journal || entry.field() != packed_nil();
}

}  // namespace

Fingerprint entry_hash(const Entry& entry) {
    auto hash = entry.origin->hash;
    hash.word(entry.seq);
    hash.word(entry.stamp);
    hash.word(entry.depth);
    hash.word(entry.type_number | std::uint64_t(entry.key_size) << 8 | std::uint64_t(entry.field_size) << 24 |
              std::uint64_t(entry.value_size) << 40);
    hash.padded({entry.text(), entry.text_bytes()});
    return hash.after(replica_bytes + 4 * 8 + (entry.text_bytes() + 7) / 8 * 8);
}

LooseEntry loose(const Entry& entry) {
    return {Slot(entry.slot()), entry.stamp, entry.depth, Bytes(entry.value())};
}

// -- reading
// -------------------------------------------------------------------------------------------------------------

const State::Journal& State::journal(BytesView key) const {
    static const Journal none;
    auto at = journals_.find(key);
    return at == journals_.end() ? none : at->second;
}

std::vector<Bytes> State::keys(Type type, BytesView prefix) const {
    std::vector<Bytes> found;
    if (type == Type::journal) {
        for (auto at = journals_.lower_bound(prefix); at != journals_.end() && at->first.starts_with(prefix); ++at)
            found.push_back(at->first);
        return found;
    }
    Bytes from(prefix);
    for (bool more = true; more;) {
        more = false;
        slots_.each_from({type, from, {}}, [&](const SlotView& slot, const SlotEntries&) {
            more = slot.type == type && slot.key.starts_with(prefix);
            if (more) found.emplace_back(slot.key);
            return false;
        });
        if (more) from = found.back() + '\0';  // the next key, over all fields of this one
    }
    return found;
}

const Entry* State::find(const Dot& dot) const {
    const auto* from = origin(dot.replica);
    const auto handle = from == nullptr ? 0 : from->live.find(dot.seq);
    return handle == 0 ? nullptr : &arena_.at(handle);
}

std::int64_t State::counter_value(BytesView key) const {
    if (const auto* kept = counters_.find(key)) return kept->sum.value();
    CounterSum sum;
    for (const auto* entry : entries(SlotView{Type::counter, key, packed_nil()})) sum.add(counter_total(*entry));
    return sum.value();
}

Handle State::own_counter(const HashedSlot& slot) const {
    const auto* kept = counters_.find(slot.slot.key);
    if (kept != nullptr && slot.slot.type == Type::counter && slot.slot.field == packed_nil()) return kept->own;
    const auto entries = slots_.find(slot);
    const auto at = std::find_if(entries.begin(), entries.end(), [&](const auto* e) { return e->origin == own_; });
    return at == entries.end() ? 0 : at.handle();
}

Fingerprint State::node_lines(const NodeKey& node) const {
    const auto at = lives_.nodes().find(node);
    return at == lives_.nodes().end() ? Fingerprint() : at->second.lines;
}

Version State::version() const {
    Version version;
    each_life([&](const ReplicaId& id, Seq seen, Stamp) {
        if (seen > 0) version.emplace_hint(version.end(), id, seen);
    });
    return version;
}

// -- writing
// -------------------------------------------------------------------------------------------------------------

void State::begin_life(const ReplicaId& self) {
    if (own_ != nullptr) unpin(*own_);
    own_ = &touch(self);
    pin(*own_);
    counters_.begin_life(own_);
}

void State::raise(const ReplicaId& id, Seq seen, Stamp last_stamp) {
    const auto* awake = origin(id);
    if (!tracks_ || (awake == nullptr && line(id).stored == 0)) return lives_.raise(id, seen, last_stamp);
    auto& known = touch(id);
    raise(known, seen, last_stamp);
    note(known, 0);
}

void State::note(Origin& origin, Seq seq) {
    if (!tracks_) return;
    pin(origin);
    touched_.push_back({&origin, seq});
}

void State::count_in(const Entry& entry) {
    fingerprint_ += entry_hash(entry);
}

void State::index(Handle handle, const HashedSlot& slot) {
    auto& entry = arena_.at(handle);
    if (entry.type() == Type::journal) {
        auto at = journals_.find(entry.key());
        if (at == journals_.end()) at = journals_.try_emplace(Bytes(entry.key())).first;
        at->second.insert(at->second.end(), &entry);  // most are the newest
    }
    if (in_table(entry)) slots_.link(handle, slot);
    if (CounterSums::counts(entry)) counters_.came(handle);
    origin_of(entry).live.set(entry.seq, handle);
    note(origin_of(entry), entry.seq);
    ++live_count_;
}

Handle State::insert(Origin& origin, Seq seq, const HashedSlot& slot, Stamp stamp, Depth depth, BytesView value,
                     bool sealed) {
    const auto handle = make(slot.slot, value);
    admit(handle, 0, origin, seq, slot.hash, stamp, depth, sealed);
    return handle;
}

void State::admit(Handle handle, Handle instead, Origin& origin, Seq seq, std::uint32_t slot_hash, Stamp stamp,
                  Depth depth, bool sealed) {
    auto& entry = arena_.at(handle);
    entry.origin = &origin;
    entry.seq = seq;
    entry.stamp = stamp;
    entry.depth = depth;
    entry.sealed = sealed;
    const HashedSlot slot{entry.slot(), slot_hash};
    if (instead == 0) {
        index(handle, slot);
    } else {
        const auto& old = arena_.at(instead);
        auto& before = origin_of(old);
        slots_.replace(instead, handle, slot);
        if (CounterSums::counts(entry)) counters_.replaced(instead, handle);
        before.live.clear(old.seq);
        origin.live.set(seq, handle);
        note(before, old.seq);
        note(origin, seq);
        if (before.live.size() == 0) lives_.idle(before);
        count_out(old);
    }
    if (sealed) count_in(entry);
}

void State::count_out(const Entry& entry) {
    if (!entry.sealed && !mutant(Mutant::open_window_counts)) return;
    if (mutant(Mutant::fingerprint_only_grows)) return;
    fingerprint_ -= entry_hash(entry);
}

void State::detach(Handle handle) {
    auto& entry = arena_.at(handle);
    auto& origin = origin_of(entry);
    if (entry.type() == Type::journal) {
        const auto at = journals_.find(entry.key());
        at->second.erase(&entry);
        if (at->second.empty() && !mutant(Mutant::empty_journals_stay)) journals_.erase(at);
    }
    if (in_table(entry)) slots_.unlink(handle);
    if (CounterSums::counts(entry)) counters_.went(handle);
    origin.live.clear(entry.seq);
    note(origin, entry.seq);
    if (origin.live.size() == 0) lives_.idle(origin);
    --live_count_;
    count_out(entry);
}

void State::attach(Handle handle) {
    auto& entry = arena_.at(handle);
    index(handle, slots_.hashed(entry.slot()));
    if (entry.sealed) count_in(entry);
}

void State::seal(Handle handle, Depth depth) {
    auto& entry = arena_.at(handle);
    STARLING_ASSERT(!entry.sealed, "an entry is sealed once");
    if (entry.depth != depth && !mutant(Mutant::window_keeps_depth)) {
        // A journal is ordered by depth, among other things. The index of seqs, over which a caller may go, stays as it
        // is.
        const bool ordered = entry.type() == Type::journal && !mutant(Mutant::journal_keeps_place);
        if (ordered) {
            auto& journal = journals_.find(entry.key())->second;
            auto node = journal.extract(&entry);
            entry.depth = depth;
            journal.insert(std::move(node));
        }
        entry.depth = depth;
    }
    entry.sealed = true;
    count_in(entry);
}

// -- check
// ---------------------------------------------------------------------------------------------------------------

/// The sum of its sealed entries.
Fingerprint State::check_origin(const Origin& origin) const {
    Fingerprint sum;
    origin.live.check();
    origin.live.each([&](Seq seq, Handle handle) {
        const auto& entry = arena_.at(handle);
        STARLING_ASSERT(entry.origin == &origin && entry.seq == seq, "an entry is filed under its dot");
        if (entry.sealed) sum += entry_hash(entry);
        if (entry.type() == Type::journal) {
            STARLING_ASSERT(journal(entry.key()).contains(&entry), "a live entry is in its journal");
        }
        if (!in_table(entry)) return;
        const auto in_slot = entries(entry.slot());
        STARLING_ASSERT(std::find(in_slot.begin(), in_slot.end(), &entry) != in_slot.end(),
                        "a live entry is in its slot");
        if (!CounterSums::counts(entry) || counters_.find(entry.key()) != nullptr) return;
        STARLING_ASSERT(std::size_t(std::distance(in_slot.begin(), in_slot.end())) <= CounterSums::narrow_max,
                        "a counter of many entries has its sum");
    });
    return sum;
}

void State::check_counters() const {
    counters_.each([&](BytesView key, const CounterSums::Kept& kept) {
        CounterSums::Kept naive;
        const auto in_slot = entries(SlotView{Type::counter, key, packed_nil()});
        for (auto at = in_slot.begin(); at != in_slot.end(); ++at, ++naive.entries) {
            naive.sum.add(counter_total(**at));
            if ((*at)->origin == own_) naive.own = at.handle();
        }
        STARLING_ASSERT(kept == naive, "a counter's sum is that of its entries");
    });
}

void State::check() const {
    Fingerprint total;
    std::size_t live = 0, indexed = slots_.check();
    lives_.check();
    check_counters();
    lives_.each_origin([&](const Origin& origin) {
        total += check_origin(origin);
        live += origin.live.size();
    });
    for (const auto& [key, entries] : journals_) {
        STARLING_ASSERT(!entries.empty(), "no journal is empty");
        indexed += std::size_t(std::ranges::count_if(entries, [](const auto* entry) { return !in_table(*entry); }));
    }
    STARLING_ASSERT(live == indexed && live == live_count_, "the indexes hold the live entries and nothing else");
    STARLING_ASSERT(total == fingerprint_, "the fingerprint is the sum of the live entries");
}

}  // namespace starling::crdt
