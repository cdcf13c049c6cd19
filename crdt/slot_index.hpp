// From a slot to its live entries, in two ways: a hash table for single slots, and an order by key and field for
// listings. The order is lazy: a new slot waits in a list and enters the tree at the first ordered read, because a tree
// kept at each write costs shuffled writes four to five times as much.
#pragma once

#include <set>
#include <vector>

#include "crdt/entry.hpp"
#include "crdt/hash.hpp"

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
    /// Expected O(1).
    SlotEntries find(const HashedSlot& slot) const { return {arena_, find_first(slot)}; }

    /// Adds an entry to its slot. Expected O(1), amortised.
    void link(Handle entry, const HashedSlot& slot);
    /// Takes an entry out of its slot. Expected O(1); O(log n) when it was the last of a slot that is in the tree.
    void unlink(Handle entry);

    /// Calls `visit(slot, entries)` for the slots of (type, key) in field order, and stops where it returns false.
    /// O(new slots log n) once, then O(log n + visited).
    template <class Visit>
    void each_from(const SlotView& from, Visit visit) const {
        bring_order();
        for (auto at = tree_.lower_bound(from); at != tree_.end(); ++at) {
            if (!visit(arena_.at(*at).slot(), SlotEntries(arena_, *at))) return;
        }
    }

    /// Recomputes the invariants and counts the entries; O(n log n). Leaves the order as lazy as it is.
    std::size_t check() const;

  private:
    struct BySlot {
        using is_transparent = void;
        const EntryArena* arena;
        bool operator()(Handle a, Handle b) const { return arena->at(a).slot() < arena->at(b).slot(); }
        bool operator()(Handle a, const SlotView& b) const { return arena->at(a).slot() < b; }
        bool operator()(const SlotView& a, Handle b) const { return a < arena->at(b).slot(); }
    };
    struct Cell {
        std::uint32_t hash;
        Handle first;  ///< 0: the cell is free
    };
    static constexpr std::uint32_t in_tree = UINT32_MAX;
    static constexpr std::size_t cells_least = 16;

    Handle find_first(const HashedSlot& slot) const;
    std::size_t cell_of(Handle first, std::uint32_t hash) const;
    void grow();
    void erase_cell(std::size_t at);
    void enter_order(Handle first) const;
    void leave_order(Handle first);
    void bring_order() const;

    const EntryArena& arena_;
    HashKey key_;
    std::vector<Cell> cells_;  ///< a power of two, at most three quarters full
    std::size_t count_ = 0;
    // What order there is among the slots is no part of what they are: reading may complete it.
    mutable std::vector<Handle> waiting_;
    mutable std::set<Handle, BySlot> tree_;
};

}  // namespace starling::crdt
