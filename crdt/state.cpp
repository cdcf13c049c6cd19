#include "crdt/state.hpp"

#include <algorithm>
#include <tuple>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"

namespace starling::crdt {

// -- dots and runs
// -------------------------------------------------------------------------------------------------------

Dot Entry::dot() const {
    return {origin->id, seq};
}

bool CausalOrder::operator()(const Entry* a, const Entry* b) const {
    return std::tie(a->depth, a->origin->id, a->seq) < std::tie(b->depth, b->origin->id, b->seq);
}

bool contains(const DotRuns& runs, Seq seq) {
    auto at = std::upper_bound(runs.begin(), runs.end(), seq, [](Seq s, const DotRun& run) { return s < run.first; });
    return at != runs.begin() && seq <= std::prev(at)->last();
}

void extend(DotRuns& runs, Seq first, std::uint64_t count) {
    if (count == 0) return;
    if (!runs.empty() && runs.back().last() + 1 == first) {
        runs.back().count += count;
    } else {
        STARLING_ASSERT(runs.empty() || runs.back().last() < first, "runs are extended in order");
        runs.push_back({first, count});
    }
}

std::uint64_t count(const DotRuns& runs) {
    std::uint64_t sum = 0;
    for (const auto& run : runs) sum += run.count;
    return sum;
}

// -- hashes
// --------------------------------------------------------------------------------------------------------------

Fingerprint entry_hash(const Entry& entry) {
    Writer writer;
    writer.replica(entry.origin->id).uint(entry.seq).uint(std::uint64_t(entry.slot.type)).bin(entry.slot.key);
    writer.bin(entry.slot.field).uint(entry.stamp).uint(entry.depth).bin(entry.value);
    return siphash128(writer.take(), fingerprint_key);
}

Fingerprint version_line_hash(const ReplicaId& id, Seq seen) {
    if (seen == 0) return {};
    Writer writer;
    writer.replica(id).uint(seen);
    return siphash128(writer.take(), fingerprint_key);
}

Fingerprint version_hash(const Version& version) {
    Fingerprint sum;
    for (const auto& [id, seq] : version) sum += version_line_hash(id, seq);
    return sum;
}

// -- reading
// -------------------------------------------------------------------------------------------------------------

const State::SlotEntries& State::entries(const Slot& slot) const {
    static const SlotEntries none;
    auto at = slots_.find(slot);
    return at == slots_.end() ? none : at->second;
}

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
    auto at = slots_.lower_bound(Slot{type, Bytes(prefix), {}});
    while (at != slots_.end() && at->first.type == type && at->first.key.starts_with(prefix)) {
        found.push_back(at->first.key);
        at = slots_.lower_bound(Slot{type, at->first.key + '\0', {}});  // the next key, over all fields of this one
    }
    return found;
}

const Origin* State::origin(const ReplicaId& id) const {
    auto at = origins_.find(id);
    return at == origins_.end() ? nullptr : &at->second;
}

const Entry* State::find(const Dot& dot) const {
    const auto* from = origin(dot.replica);
    if (from == nullptr) return nullptr;
    auto at = from->live.find(dot.seq);
    return at == from->live.end() ? nullptr : &at->second;
}

Seq State::seen(const ReplicaId& id) const {
    const auto* known = origin(id);
    return known == nullptr ? 0 : known->seen;
}

Version State::version() const {
    Version version;
    for (const auto& [id, origin] : origins_) {
        if (origin.seen > 0) version.emplace_hint(version.end(), id, origin.seen);
    }
    return version;
}

// -- writing
// -------------------------------------------------------------------------------------------------------------

Origin& State::touch(const ReplicaId& id) {
    auto [at, is_new] = origins_.try_emplace(id);
    if (is_new) at->second.id = id;
    return at->second;
}

void State::index(const Entry& entry) {
    if (entry.slot.type == Type::journal) {
        journals_[entry.slot.key].insert(&entry);
        return;
    }
    auto& entries = slots_[entry.slot];
    entries.insert(std::upper_bound(entries.begin(), entries.end(), &entry,
                                    [](const Entry* a, const Entry* b) {
                                        return std::tie(a->origin->id, a->seq) < std::tie(b->origin->id, b->seq);
                                    }),
                   &entry);
}

void State::unindex(const Entry& entry) {
    if (entry.slot.type == Type::journal) {
        auto at = journals_.find(entry.slot.key);
        at->second.erase(&entry);
        if (at->second.empty()) journals_.erase(at);
        return;
    }
    auto at = slots_.find(entry.slot);
    std::erase(at->second, &entry);
    if (at->second.empty()) slots_.erase(at);
}

const Entry& State::insert(Origin& origin, Seq seq, Slot slot, Stamp stamp, Depth depth, Bytes value) {
    return insert(Entry{&origin, seq, std::move(slot), stamp, depth, std::move(value)});
}

const Entry& State::insert(Entry&& entry) {
    auto& origin = touch(entry.origin->id);
    const auto seq = entry.seq;
    auto [at, is_new] = origin.live.try_emplace(seq, std::move(entry));
    STARLING_ASSERT(is_new, "a dot names one entry");
    const auto hash = entry_hash(at->second);
    origin.sum += hash;
    fingerprint_ += hash;
    ++live_count_;
    index(at->second);
    return at->second;
}

std::optional<Entry> State::remove(Origin& origin, Seq seq) {
    auto at = origin.live.find(seq);
    if (at == origin.live.end()) return std::nullopt;
    unindex(at->second);
    const auto hash = entry_hash(at->second);
    origin.sum -= hash;
    fingerprint_ -= hash;
    --live_count_;
    std::optional<Entry> removed(std::move(at->second));
    origin.live.erase(at);
    return removed;
}

void State::set_depth(Origin& origin, Seq seq, Depth depth) {
    auto at = origin.live.find(seq);
    if (at == origin.live.end() || at->second.depth == depth) return;
    auto entry = *remove(origin, seq);
    entry.depth = depth;
    insert(std::move(entry));
}

void State::raise(Origin& origin, Seq seen, Stamp last_stamp) {
    STARLING_ASSERT(seen >= origin.seen, "a version never goes back");
    version_hash_ -= version_line_hash(origin.id, origin.seen);
    version_hash_ += version_line_hash(origin.id, seen);
    origin.seen = seen;
    origin.last_stamp = last_stamp;
}

// -- check
// ---------------------------------------------------------------------------------------------------------------

void State::check() const {
    Fingerprint total, versions;
    std::size_t live = 0, indexed = 0;
    for (const auto& [id, origin] : origins_) {
        STARLING_ASSERT(id == origin.id, "an origin is filed under its name");
        Fingerprint sum;
        for (const auto& [seq, entry] : origin.live) {
            STARLING_ASSERT(entry.origin == &origin && entry.seq == seq, "an entry is filed under its dot");
            sum += entry_hash(entry);
            const auto& slot_entries = entries(entry.slot);
            STARLING_ASSERT(entry.slot.type == Type::journal
                                ? journal(entry.slot.key).contains(&entry)
                                : std::find(slot_entries.begin(), slot_entries.end(), &entry) != slot_entries.end(),
                            "a live entry is in its slot");
        }
        STARLING_ASSERT(sum == origin.sum, "an origin's sum is that of its live entries");
        total += sum;
        live += origin.live.size();
        versions += version_line_hash(id, origin.seen);
    }
    for (const auto& [slot, entries] : slots_) {
        STARLING_ASSERT(!entries.empty(), "no slot is empty");
        indexed += entries.size();
    }
    for (const auto& [key, entries] : journals_) {
        STARLING_ASSERT(!entries.empty(), "no journal is empty");
        indexed += entries.size();
    }
    STARLING_ASSERT(live == indexed && live == live_count_, "the indexes hold the live entries and nothing else");
    STARLING_ASSERT(total == fingerprint_, "the fingerprint is the sum of the live entries");
    STARLING_ASSERT(versions == version_hash_, "the version hash is the sum of the seen seqs");
}

}  // namespace starling::crdt
