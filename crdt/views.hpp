// The types: each is a reading rule and a writing rule over the entries of its slots. The join knows none of them.
// Reading rules are total: a value that another build or a hostile peer wrote malformed reads as its absence.
// Complexity is in the live entries of the slots read; thread rule: that of the replica.
#pragma once

#include <optional>
#include <vector>

#include "crdt/codec.hpp"
#include "crdt/state.hpp"
#include "crdt/transaction.hpp"

namespace starling::crdt {

/// The slot of a key that has a single one.
inline SlotView slot_view(Type type, BytesView key) {
    return {type, key, packed_nil()};
}
Slot slot_of(Type type, BytesView key);
Slot slot_of(Type type, BytesView key, BytesView field);

/// PN-counter: the sum of one running total a replica. Sums saturate at the ends of int64.
struct Counter {
    static std::int64_t read(const State& state, BytesView key);
    static void add(Transaction& tx, BytesView key, std::int64_t amount);
};

/// Add-wins observed-remove set (Shapiro et al. 2011, without tombstones): in while any entry is live.
struct Set {
    static bool contains(const State& state, BytesView key, BytesView element);
    static std::vector<Bytes> elements(const State& state, BytesView key);
    static void add(Transaction& tx, BytesView key, BytesView element);
    static void remove(Transaction& tx, BytesView key, BytesView element);
};

/// Last-writer-wins among concurrent writes; a write supersedes what it observed whatever the stamps. Also registers.
struct Map {
    static const Entry* winner(const SlotEntries& entries);
    static std::optional<Bytes> get(const State& state, BytesView key, BytesView field);
    static std::vector<std::pair<Bytes, Bytes>> items(const State& state, BytesView key);
    static void put(Transaction& tx, BytesView key, BytesView field, BytesView value);
    static void erase(Transaction& tx, BytesView key, BytesView field);
};

struct Register {
    static std::optional<Bytes> get(const State& state, BytesView key);
    static void set(Transaction& tx, BytesView key, BytesView value);
    static void clear(Transaction& tx, BytesView key);
};

/// Keeps every concurrent value, by (stamp, replica) descending.
struct MultiValue {
    static std::vector<Bytes> get(const State& state, BytesView key);
    static void set(Transaction& tx, BytesView key, BytesView value);
    static void clear(Transaction& tx, BytesView key);
};

/// Enable-wins: on while any entry is live.
struct Flag {
    static bool read(const State& state, BytesView key);
    static void set(Transaction& tx, BytesView key, bool on);
};

/// Append-only; read in causal order: (depth, replica, seq). An entry's field is nil or the idempotency key that it was
/// appended with; of concurrent appends with one key the first is read (crdt/feed.hpp).
struct Journal {
    static std::vector<const Entry*> read(const State& state, BytesView key);
    static void append(Transaction& tx, BytesView key, BytesView value);
    /// False, and nothing is appended, where a live entry of the journal has this field already. O(1) expected, and a
    /// dot for each value.
    static bool append_once(Transaction& tx, BytesView key, BytesView field, const std::vector<Bytes>& values);
    /// Removes the entries up to and including `last` in causal order, and keeps in mind which dots were removed, as a
    /// mark that nothing removes: who has not read them can be told. A fault where `last` is not there, or the mark of
    /// too many lives fits no value. O(removed).
    static void trim(Transaction& tx, BytesView key, const Dot& last);
    /// What was trimmed: up to which seq of each replica. O(replicas in it).
    static Version trimmed(const State& state, BytesView key);
};

/// Where a journal's marks are: the slot of this type, its key, and nil. Concurrent marks count together.
inline constexpr Type trim_mark{8};

/// The present reading of a slot as one MessagePack item; nothing when absent. Multi-values and journals read as
/// arrays.
std::optional<Bytes> reading(const State& state, const SlotView& slot);

/// Why a slot reads as it does: its live entries, the one that decides first.
struct Reason {
    Dot dot;
    Stamp stamp;
    Depth depth;
    Bytes value;
    bool decides;  ///< LWW: the winner; elsewhere every live entry counts, but for later copies in a journal
};
std::vector<Reason> explain(const State& state, const SlotView& slot);

}  // namespace starling::crdt
