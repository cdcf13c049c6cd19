// The state: the set of live entries and one version for the whole space. Nothing else decides what a reader sees, and
// rule 1 says that the version alone decides the entries. A removed entry leaves no tombstone: the version covers its
// dot and it is not here.
//
// Two indexes are kept a write: slot → live entries, in key order, and origin → seq → live entry. Journals have a
// third, since their entries share one slot and are read in causal order.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "crdt/hash.hpp"
#include "crdt/ids.hpp"

namespace starling::crdt {

/// The types of this build. Others are ordinary entries that no view reads (rule 4).
enum class Type : std::uint8_t { counter = 1, set = 2, map = 3, register_ = 4, multi_value = 5, flag = 6, journal = 7 };

/// Where an entry lives. `field` is one canonical MessagePack scalar; nil where a key has a single slot.
struct Slot {
    Type type{};
    Bytes key;
    Bytes field;
    auto operator<=>(const Slot&) const = default;
};

struct Origin;

/// A live value. Its slot, stamp, depth and value never change once it has left its origin.
struct Entry {
    const Origin* origin = nullptr;
    Seq seq = 0;
    Slot slot;
    Stamp stamp = 0;
    Depth depth = 0;
    Bytes value;

    Dot dot() const;
};

/// An entry away from its state.
struct LooseEntry {
    Slot slot;
    Stamp stamp = 0;
    Depth depth = 0;
    Bytes value;
    bool operator==(const LooseEntry&) const = default;
};

/// Journals: causes before effects, the rest by name. A total order.
struct CausalOrder {
    bool operator()(const Entry* a, const Entry* b) const;
};

/// What is known of one replica.
struct Origin {
    ReplicaId id;
    Seq seen = 0;          ///< every dot up to here is covered
    Stamp last_stamp = 0;  ///< of its last put; the next changeset's stamps are coded from here
    Fingerprint sum;       ///< over its live entries
    std::map<Seq, Entry> live;
};

/// A run of consecutive seqs.
struct DotRun {
    Seq first = 0;
    Seq count = 0;
    Seq last() const { return first + count - 1; }
    auto operator<=>(const DotRun&) const = default;
};
/// Sorted, disjoint, not adjacent.
using DotRuns = std::vector<DotRun>;
bool contains(const DotRuns& runs, Seq seq);
/// Adds `count` seqs from `first` on, which is past all of `runs`. A count of 0 adds nothing.
void extend(DotRuns& runs, Seq first, std::uint64_t count = 1);
std::uint64_t count(const DotRuns& runs);

/// Invariants: every entry of an origin is in exactly one of the slot and journal indexes and the reverse; no slot is
/// empty; the sums are those of the live entries; `version_hash` is that of the seen seqs.
/// Thread rule: one thread at a time. Single operations are O(log n) in live entries and replicas.
class State {
  public:
    using SlotEntries = std::vector<const Entry*>;
    using Journal = std::set<const Entry*, CausalOrder>;

    // -- reading
    /// Live entries of a slot, in dot order; empty where there are none.
    const SlotEntries& entries(const Slot& slot) const;
    const Journal& journal(BytesView key) const;
    /// Calls `visit(slot, entries)` for the slots of (type, key) in field order.
    template <class Visit>
    void each_field(Type type, BytesView key, Visit visit) const {
        Slot from{type, Bytes(key), {}};
        for (auto at = slots_.lower_bound(from); at != slots_.end() && at->first.type == type && at->first.key == key;
             ++at)
            visit(at->first, at->second);
    }
    /// The keys of a type that start with `prefix`, in order.
    std::vector<Bytes> keys(Type type, BytesView prefix) const;
    std::size_t live_count() const { return live_count_; }
    /// Calls `visit(dot, loose_entry)` for every live entry, in dot order. O(live); for checks and tests.
    template <class Visit>
    void each_live(Visit visit) const {
        for (const auto& [id, origin] : origins_) {
            for (const auto& [seq, entry] : origin.live)
                visit(Dot{id, seq}, LooseEntry{entry.slot, entry.stamp, entry.depth, entry.value});
        }
    }
    const Entry* find(const Dot& dot) const;

    const std::map<ReplicaId, Origin>& origins() const { return origins_; }
    const Origin* origin(const ReplicaId& id) const;
    Seq seen(const ReplicaId& id) const;
    Version version() const;
    const Fingerprint& version_hash() const { return version_hash_; }
    const Fingerprint& fingerprint() const { return fingerprint_; }

    // -- writing: the bookkeeping of one entry or one seq; the rules live in Replica
    Origin& touch(const ReplicaId& id);
    const Entry& insert(Origin& origin, Seq seq, Slot slot, Stamp stamp, Depth depth, Bytes value);
    const Entry& insert(Entry&& entry);
    /// Removes the live entry at a seq and returns it; nothing where it is not live.
    std::optional<Entry> remove(Origin& origin, Seq seq);
    /// Gives a live entry another depth, as a window does with its own when it is cut.
    void set_depth(Origin& origin, Seq seq, Depth depth);
    void raise(Origin& origin, Seq seen, Stamp last_stamp);

    /// Recomputes every invariant; O(n log n). For tests and simulation.
    void check() const;

  private:
    void index(const Entry& entry);
    void unindex(const Entry& entry);

    std::map<ReplicaId, Origin> origins_;
    std::map<Slot, SlotEntries> slots_;
    std::map<Bytes, Journal, std::less<>> journals_;
    std::size_t live_count_ = 0;
    Fingerprint fingerprint_;
    Fingerprint version_hash_;
};

/// The hash of one entry: its dot, slot, stamp, depth and value. Summed, it makes the fingerprint.
Fingerprint entry_hash(const Entry& entry);
/// The hash of one line of a version. Summed, it makes the version hash; a seq of 0 adds nothing.
Fingerprint version_line_hash(const ReplicaId& id, Seq seen);
Fingerprint version_hash(const Version& version);

}  // namespace starling::crdt
