// From a slot to its live entries, in two ways: a hash table for single slots, and an order by key and field for
// listings. The order is lazy: a new slot waits in a list and enters the tree at the first ordered read, because a tree
// kept at each write costs shuffled writes four to five times as much.
#pragma once

#include <set>
#include <vector>

#include "crdt/entry.hpp"
#include "crdt/hash.hpp"
#include "crdt/prefetch.hpp"

namespace starling::crdt {

/// A slot with its hash, computed once for all that is asked of it.
struct HashedSlot {
    SlotView slot;
    std::uint32_t hash;
};

/// The live entries of a slot. Their order has no meaning.
class SlotEntries {
  public:
    class Iterator {
      public:
        using value_type = const Entry*;
        using difference_type = std::ptrdiff_t;
        Iterator() = default;
        Iterator(const EntryArena* arena, Handle at) : arena_(arena), at_(at) {}
        const Entry* operator*() const { return &arena_->at(at_); }
        Handle handle() const { return at_; }
        Iterator& operator++() { return at_ = arena_->at(at_).next, *this; }
        Iterator operator++(int) {
            auto before = *this;
            ++*this;
            return before;
        }
        bool operator==(const Iterator& other) const { return at_ == other.at_; }

      private:
        const EntryArena* arena_ = nullptr;
        Handle at_ = 0;
    };
    SlotEntries(const EntryArena& arena, Handle first) : arena_(&arena), first_(first) {}
    bool empty() const { return first_ == 0; }
    Iterator begin() const { return {arena_, first_}; }
    Iterator end() const { return {arena_, 0}; }
    Handle first() const { return first_; }

  private:
    const EntryArena* arena_;
    Handle first_;
};

/// Open addressing with linear probing; removal shifts back, so there are no graves. Keyed hashing, since keys come
/// from strangers. The order of the table is never visible. Invariants: a slot is in the table and in the order (list
/// or tree) exactly while it has an entry; the first entry of a slot stands for it there; entries of a slot are linked
/// both ways. Thread rule: one thread at a time, for reading too: an ordered read brings the order up to date.
class SlotIndex {
  public:
    SlotIndex(const EntryArena& arena, const HashKey& key);

    HashedSlot hashed(const SlotView& slot) const;
    /// Room for so many slots, at once instead of by doubling.
    void reserve(std::size_t slots);
    /// Expected O(1).
    SlotEntries find(const HashedSlot& slot) const { return {arena_, find_first(slot)}; }

    /// Adds an entry to its slot. Expected O(1), amortised.
    void link(Handle entry, const HashedSlot& slot);
    /// Takes an entry out of its slot. Expected O(1), amortised.
    void unlink(Handle entry);
    /// Puts `fresh` where `old` is, an entry of the same slot: no search in the order. Expected O(1).
    void replace(Handle old, Handle fresh, const HashedSlot& slot);

    // -- hints (crdt/prefetch.hpp): a write of a slot with this hash will come
    void prefetch_cell(std::uint32_t hash) const {
        if (!cells_.empty()) prefetch(&cells_[hash & (cells_.size() - 1)]);
    }
    /// The entry that a find would look at first, judged by the hash alone; 0 where there is none.
    Handle likely(std::uint32_t hash) const {
        if (cells_.empty()) return 0;
        const auto mask = cells_.size() - 1;
        auto at = hash & mask;
        while (cells_[at].first != 0 && cells_[at].hash != hash) at = (at + 1) & mask;
        return cells_[at].first;
    }
    void prefetch_order(const Entry& first) const {
        if ((first.order & in_tree) == 0) prefetch(&waiting_[first.order]);
    }

    /// Calls `visit(slot, entries)` for the slots of (type, key) in field order, and stops where it returns false.
    /// O(new slots log n) once, then O(log n + visited).
    template <class Visit>
    void each_from(const SlotView& from, Visit visit) const {
        bring_order();
        for (auto at = tree_.lower_bound(from); at != tree_.end(); ++at) {
            if (!visit(arena_.at(at->first).slot(), SlotEntries(arena_, at->first))) return;
        }
    }

    /// Recomputes the invariants and counts the entries; O(n log n). Leaves the order as lazy as it is.
    std::size_t check() const;

  private:
    /// A slot in the tree, by the entry that stands for it: any of the slot's, so that it may be replaced in place.
    struct Node {
        mutable Handle first;
    };
    struct BySlot {
        using is_transparent = void;
        const EntryArena* arena;
        bool operator()(const Node& a, const Node& b) const { return slot(a.first) < slot(b.first); }
        bool operator()(const Node& a, const SlotView& b) const { return slot(a.first) < b; }
        bool operator()(const SlotView& a, const Node& b) const { return a < slot(b.first); }
        bool operator()(Handle a, Handle b) const { return slot(a) < slot(b); }
        SlotView slot(Handle handle) const { return arena->at(handle).slot(); }
    };
    using Tree = std::set<Node, BySlot>;
    struct Cell {
        std::uint32_t hash;
        Handle first;  ///< 0: the cell is free
    };
    static constexpr std::uint32_t in_tree = std::uint32_t{1} << 31;  // beside a place in `nodes_`, not in `waiting_`
    static constexpr std::size_t cells_least = 16;

    Handle find_first(const HashedSlot& slot) const;
    std::size_t cell_of(Handle first, std::uint32_t hash) const;
    void grow(std::size_t cells);
    void erase_cell(std::size_t at);
    void enter_order(Handle first) const;
    void leave_order(Handle first);
    void replace_in_order(Handle first, Handle by);
    void bring_order() const;

    const EntryArena& arena_;
    HashKey key_;
    PagedVector<Cell> cells_;  ///< a power of two, at most three quarters full
    std::size_t count_ = 0;
    // What order there is among the slots is no part of what they are: reading may complete it.
    mutable PagedVector<Handle> waiting_;
    mutable Tree tree_;
    mutable std::vector<Tree::iterator> nodes_;  ///< of the tree, so that none is searched for
};

}  // namespace starling::crdt
