// The state: the set of live entries and one version for the whole space. Nothing else decides what a reader sees, and
// rule 1 says that the version alone decides the entries. A removed entry leaves no tombstone: the version covers its
// dot and it is not here.
//
// Two indexes are kept a write: slot → live entries (slot_index.hpp), and origin → seq → live entry (seq_index.hpp).
// Journals have a third in place of the first, since their entries share one slot and are read in causal order; those
// with a name of their own, which is their field, are in both.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "crdt/counter_sums.hpp"
#include "crdt/dots.hpp"
#include "crdt/entry.hpp"
#include "crdt/hash.hpp"
#include "crdt/life_table.hpp"
#include "crdt/prefetch.hpp"
#include "crdt/slot_index.hpp"

namespace starling::crdt {

/// An entry away from its state.
struct LooseEntry {
    Slot slot;
    Stamp stamp = 0;
    Depth depth = 0;
    Bytes value;
    bool operator==(const LooseEntry&) const = default;
};

LooseEntry loose(const Entry& entry);

/// A dot whose entry came or went, or came back.
struct Touched {
    Origin* origin;
    Seq seq;
};

/// Invariants: every live entry is in the slot index, or in that of journals, or in both where it is a journal's and
/// has a field, and the reverse; the fingerprint is the sum of the sealed live entries; the value of a counter is the
/// sum of its entries. An entry of the open window is not sealed: it joins the fingerprint when the window is cut, for
/// only then is its depth final and any version told (rule 6). Thread rule: one thread at a time, for reading too.
/// Single operations are O(log n) in live entries and replicas.
class State {
  public:
    using Journal = std::set<const Entry*, CausalOrder>;

    /// `table_key` keys the hash tables, so that strangers cannot choose keys that collide. No reading depends on it.
    explicit State(const HashKey& table_key = {}) : slots_(arena_, table_key), counters_(arena_) {}

    // -- reading
    /// Live entries of a slot, in an order without meaning.
    SlotEntries entries(const SlotView& slot) const { return slots_.find(slots_.hashed(slot)); }
    /// The value of a counter, however many lives added to it: O(log n) in the counters of many.
    std::int64_t counter_value(BytesView key) const;
    const Journal& journal(BytesView key) const;
    /// Calls `visit(slot_view, entries)` for the slots of (type, key) in field order.
    template <class Visit>
    void each_field(Type type, BytesView key, Visit visit) const {
        slots_.each_from({type, key, {}}, [&](const SlotView& slot, const SlotEntries& entries) {
            if (slot.type != type || slot.key != key) return false;
            visit(slot, entries);
            return true;
        });
    }
    /// The same until `visit` returns false.
    template <class Visit>
    void each_field_while(Type type, BytesView key, Visit visit) const {
        slots_.each_from({type, key, {}}, [&](const SlotView& slot, const SlotEntries& entries) {
            return slot.type == type && slot.key == key && visit(slot, entries);
        });
    }
    /// The keys of a type that start with `prefix`, in order.
    std::vector<Bytes> keys(Type type, BytesView prefix) const;
    std::size_t live_count() const { return live_count_; }
    /// Calls `visit(dot, loose_entry)` for every live entry, in dot order. O(live); for checks and tests.
    template <class Visit>
    void each_live(Visit visit) const {
        lives_.each_origin([&](const Origin& origin) {
            origin.live.each([&](Seq seq, Handle handle) { visit(Dot{origin.id, seq}, loose(arena_.at(handle))); });
        });
    }
    const Entry* find(const Dot& dot) const;
    const Entry& at(Handle handle) const { return arena_.at(handle); }

    // -- reading: lives, also called replicas
    /// How many are known: those that wrote, and those that were begun here.
    std::size_t lives() const { return lives_.size(); }
    bool knows(const ReplicaId& id) const { return lives_.find(id).has_value(); }
    /// What is known of a life: 0 where nothing is.
    Seq seen(const ReplicaId& id) const {
        const auto* awake = lives_.origin(id);
        return awake != nullptr ? awake->seen : line(id).seen;
    }
    Stamp last_stamp(const ReplicaId& id) const { return line(id).last_stamp; }
    LifeLine line(const ReplicaId& id) const { return lives_.find(id).value_or(LifeLine{id}); }
    /// Calls `visit(replica_id, seen, last_stamp)` for every life, in the order of ids. O(lives).
    template <class Visit>
    void each_life(Visit visit) const {
        lives_.each([&](const LifeLine& line) { visit(line.id, line.seen, line.last_stamp); });
    }
    /// The same for the lives of one node. O(log n + its lives).
    template <class Visit>
    void each_life_of(const NodeKey& node, Visit visit) const {
        lives_.each_of(node, [&](const LifeLine& line) { visit(line.id, line.seen, line.last_stamp); });
    }
    /// Calls `visit(node_key, lines, lives)` for every node of which a life is known, in order: the sum of the hashes
    /// of its lines of the version, and how many lives there are. O(nodes).
    template <class Visit>
    void each_node(Visit visit) const {
        for (const auto& [key, node] : lives_.nodes()) visit(key, node.lines, node.lives);
    }
    /// That sum for one node; 0 where nothing is known of it. O(log nodes).
    Fingerprint node_lines(const NodeKey& node) const;
    /// Calls `visit(origin)` for the lives that are kept in full, in the order of ids: all that have live entries are
    /// among them.
    template <class Visit>
    void each_origin(Visit visit) const {
        lives_.each_origin(visit);
    }
    /// nullptr where it is not kept in full. It is good until the next write.
    const Origin* origin(const ReplicaId& id) const { return lives_.origin(id); }
    const LifeTable& life_table() const { return lives_; }
    Version version() const;
    const Fingerprint& version_hash() const { return lives_.version_hash(); }
    /// Of the state at `version()`; while a window is open it says nothing.
    const Fingerprint& fingerprint() const { return fingerprint_; }

    // -- writing: the bookkeeping of one entry or one seq; the rules live in Replica
    /// Keeps a life in full. The reference is good until `rest`, and as long as the life has a live entry or a pin.
    Origin& touch(const ReplicaId& id) { return lives_.touch(id); }
    Origin& origin_of(const Entry& entry) { return LifeTable::writable(*entry.origin); }
    /// What this life writes is this replica's own from now on.
    void begin_life(const ReplicaId& self);
    /// This replica's own entry in the slot of a counter; 0 where it has none. As `counter_value`.
    Handle own_counter(const HashedSlot& slot) const;
    HashedSlot hashed(const SlotView& slot) const { return slots_.hashed(slot); }
    SlotEntries entries(const HashedSlot& slot) const { return slots_.find(slot); }
    /// A new live entry; `sealed` unless it belongs to the open window.
    Handle insert(Origin& origin, Seq seq, const HashedSlot& slot, Stamp stamp, Depth depth, BytesView value,
                  bool sealed);
    /// Room for so many live entries, at once.
    void reserve(std::size_t entries) { slots_.reserve(entries); }
    /// An entry that is in no index yet: only its slot and value are set. `admit` makes it live.
    Handle make(const SlotView& slot, BytesView value) { return arena_.make(slot, value); }
    /// As `insert`, of an entry that was made before. It takes the place of `instead`, an entry of the same slot that
    /// is detached by this, where that is not 0.
    void admit(Handle handle, Handle instead, Origin& origin, Seq seq, std::uint32_t slot_hash, Stamp stamp,
               Depth depth, bool sealed);
    /// Takes a live entry out of all indexes and sums. It stays readable until it is released or attached again.
    void detach(Handle handle);
    void attach(Handle handle);
    void release(Handle handle) { arena_.release(handle); }
    void remove(Handle handle) {
        detach(handle);
        release(handle);
    }
    /// An entry of the window gets the depth of its changeset and joins the fingerprint.
    void seal(Handle handle, Depth depth);
    void raise(Origin& origin, Seq seen, Stamp last_stamp) { lives_.raise(origin, seen, last_stamp); }
    /// The same, where no changeset tells of it. A life that sleeps wakes only if the store has an older line of it.
    void raise(const ReplicaId& id, Seq seen, Stamp last_stamp);
    void pin(Origin& origin) { LifeTable::pin(origin); }
    void unpin(Origin& origin) { lives_.unpin(origin); }
    /// Between writes: lives that have nothing live go to sleep, where they are many; or `all` of them.
    void rest(bool all = false) { lives_.rest(all); }
    /// A line as it was stored; false where the life is known already.
    bool add_line(const NodeKey& node, const DormantLife& line) { return lives_.add(node, line); }
    void set_stored(const ReplicaId& id, std::uint32_t number) { lives_.set_stored(id, number); }

    /// Whether dots that are touched are noted down, for a store; they are not until told.
    void track(bool on) { tracks_ = on; }
    /// What was touched since the last call, in order; a dot may be there several times. Each has a pin on its origin,
    /// which is the caller's to take off. Seq 0 stands for the origin's line in the version.
    std::vector<Touched> take_touched() { return std::exchange(touched_, {}); }
    std::size_t touched_count() const { return touched_.size(); }

    // -- hints: a write of a slot with this hash will come. Three steps, each of which needs what the one before
    // fetched.
    void prefetch_slot(std::uint32_t slot_hash) const { slots_.prefetch_cell(slot_hash); }
    void prefetch_entry(std::uint32_t slot_hash) const {
        if (const auto handle = slots_.likely(slot_hash); handle != 0) prefetch(&arena_.at(handle));
    }
    void prefetch_dot(std::uint32_t slot_hash) const {
        const auto handle = slots_.likely(slot_hash);
        if (handle == 0) return;
        const auto& entry = arena_.at(handle);
        entry.origin->live.prefetch_seq(entry.seq);
        slots_.prefetch_order(entry);
    }

    /// Recomputes every invariant; O(n log n). For tests and simulation.
    void check() const;

  private:
    void index(Handle handle, const HashedSlot& slot);
    void count_in(const Entry& entry);
    void count_out(const Entry& entry);
    void note(Origin& origin, Seq seq);
    Fingerprint check_origin(const Origin& origin) const;
    void check_counters() const;

    EntryArena arena_;
    SlotIndex slots_;
    CounterSums counters_;
    LifeTable lives_;
    Origin* own_ = nullptr;  ///< the running life; has a pin
    std::map<Bytes, Journal, std::less<>> journals_;
    std::size_t live_count_ = 0;
    Fingerprint fingerprint_;
    std::vector<Touched> touched_;
    bool tracks_ = false;
};

/// The hash of one entry: its dot, slot, stamp, depth and value. Summed, it makes the fingerprint. docs/wire.md has the
/// bytes.
Fingerprint entry_hash(const Entry& entry);

}  // namespace starling::crdt
