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

#include "crdt/dots.hpp"
#include "crdt/entry.hpp"
#include "crdt/hash.hpp"
#include "crdt/prefetch.hpp"
#include "crdt/seq_index.hpp"
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

/// What is known of all lives of one node.
struct NodeLives {
    Fingerprint lines;      ///< the sum of its lines of the version
    std::size_t lives = 0;  ///< how many there are
    bool operator==(const NodeLives&) const = default;
};

/// What is known of one replica.
struct Origin {
    Origin(const ReplicaId& its_id, NodeLives& its_node);

    ReplicaId id;
    NodeLives* node;
    Seq seen = 0;              ///< every dot up to here is covered
    Stamp last_stamp = 0;      ///< of its last put; the next changeset's stamps are coded from here
    Fingerprint sum;           ///< over its sealed live entries
    Fingerprint version_line;  ///< the hash of (id, seen)
    SeqIndex live;
    bool named = false;        ///< bookkeeping of the open window: it removes dots of this replica
    std::uint32_t stored = 0;  ///< bookkeeping of the store: its number there; 0: none yet
    Seq stored_seen = 0;       ///< bookkeeping of the store: it may hold entries up to here
    WideHash hash;             ///< has taken in the id
};

/// A dot whose entry came or went, or came back.
struct Touched {
    Origin* origin;
    Seq seq;
};

/// Invariants: every live entry is in the slot index, or in that of journals, or in both where it is a journal's and
/// has a field, and the reverse; the sums are those
/// of the sealed live entries; `version_hash` is that of the seen seqs. An entry of the open window is not sealed: it
/// joins the fingerprint when the window is cut, for only then is its depth final and any version told (rule 6). Thread
/// rule: one thread at a time, for reading too. Single operations are O(log n) in live entries and replicas.
class State {
  public:
    using Journal = std::set<const Entry*, CausalOrder>;

    /// `table_key` keys the hash tables, so that strangers cannot choose keys that collide. No reading depends on it.
    explicit State(const HashKey& table_key = {}) : slots_(arena_, table_key) {}

    // -- reading
    /// Live entries of a slot, in an order without meaning.
    SlotEntries entries(const SlotView& slot) const { return slots_.find(slots_.hashed(slot)); }
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
    /// The keys of a type that start with `prefix`, in order.
    std::vector<Bytes> keys(Type type, BytesView prefix) const;
    std::size_t live_count() const { return live_count_; }
    /// Calls `visit(dot, loose_entry)` for every live entry, in dot order. O(live); for checks and tests.
    template <class Visit>
    void each_live(Visit visit) const {
        for (const auto& [id, origin] : origins_)
            origin.live.each([&](Seq seq, Handle handle) { visit(Dot{id, seq}, loose(arena_.at(handle))); });
    }
    const Entry* find(const Dot& dot) const;
    const Entry& at(Handle handle) const { return arena_.at(handle); }

    // -- reading: lives, also called replicas
    /// How many are known: those that wrote, and those that were begun here.
    std::size_t lives() const { return lives_; }
    bool knows(const ReplicaId& id) const { return origin(id) != nullptr; }
    /// 0 where nothing is known of it, as is its last stamp.
    Seq seen(const ReplicaId& id) const;
    Stamp last_stamp(const ReplicaId& id) const;
    /// Calls `visit(replica_id, seen, last_stamp)` for every life, in the order of ids. O(lives).
    template <class Visit>
    void each_life(Visit visit) const {
        for (const auto& [id, origin] : origins_) visit(id, origin.seen, origin.last_stamp);
    }
    /// The same for the lives of one node. O(log n + its lives).
    template <class Visit>
    void each_life_of(const NodeKey& node, Visit visit) const {
        for (auto at = origins_.lower_bound({node, 0}); at != origins_.end() && at->first.node == node; ++at)
            visit(at->first, at->second.seen, at->second.last_stamp);
    }
    /// Calls `visit(node_key, lines, lives)` for every node of which a life is known, in order: the sum of the hashes
    /// of its lines of the version, and how many lives there are. O(nodes).
    template <class Visit>
    void each_node(Visit visit) const {
        for (const auto& [key, node] : nodes_) visit(key, node.lines, node.lives);
    }
    /// That sum for one node; 0 where nothing is known of it. O(log nodes).
    Fingerprint node_lines(const NodeKey& node) const;
    /// Calls `visit(origin)` for the lives that are kept in full, in the order of ids: all that have live entries are
    /// among them.
    template <class Visit>
    void each_origin(Visit visit) const {
        for (const auto& [id, origin] : origins_) visit(origin);
    }
    /// nullptr where it is not kept in full.
    const Origin* origin(const ReplicaId& id) const;
    Version version() const;
    const Fingerprint& version_hash() const { return version_hash_; }
    /// Of the state at `version()`; while a window is open it says nothing.
    const Fingerprint& fingerprint() const { return fingerprint_; }

    // -- writing: the bookkeeping of one entry or one seq; the rules live in Replica
    Origin& touch(const ReplicaId& id);
    Origin& origin_of(const Entry& entry) { return const_cast<Origin&>(*entry.origin); }
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
    void raise(Origin& origin, Seq seen, Stamp last_stamp);

    /// Whether dots that are touched are noted down, for a store; they are not until told.
    void track(bool on) { tracks_ = on; }
    /// What was touched since the last call, in order; a dot may be there several times.
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
    void count_in(Origin& origin, const Entry& entry);
    void count_out(Origin& origin, const Entry& entry);
    void check_origin(const Origin& origin) const;

    EntryArena arena_;
    SlotIndex slots_;
    std::map<ReplicaId, Origin> origins_;
    std::map<NodeKey, NodeLives> nodes_;
    std::size_t lives_ = 0;
    std::map<Bytes, Journal, std::less<>> journals_;
    std::size_t live_count_ = 0;
    Fingerprint fingerprint_;
    Fingerprint version_hash_;
    std::vector<Touched> touched_;
    bool tracks_ = false;
};

/// The hash of one entry: its dot, slot, stamp, depth and value. Summed, it makes the fingerprint. docs/wire.md has the
/// bytes.
Fingerprint entry_hash(const Entry& entry);
/// The hash of one line of a version. Summed, it makes the version hash; a seq of 0 adds nothing.
Fingerprint version_line_hash(const ReplicaId& id, Seq seen);
Fingerprint version_hash(const Version& version);

}  // namespace starling::crdt
