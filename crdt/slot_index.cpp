#include "crdt/slot_index.hpp"

#include <algorithm>
#include <bit>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

SlotIndex::SlotIndex(const EntryArena& arena, const HashKey& key) : arena_(arena), key_(key), tree_(BySlot{&arena}) {}

HashedSlot SlotIndex::hashed(const SlotView& slot) const {
    TableHash hash(key_, false);
    hash.word(std::uint64_t(slot.type) | std::uint64_t(slot.key.size()) << 8 | std::uint64_t(slot.field.size()) << 32);
    hash.padded(slot.key);
    hash.padded(slot.field);
    return {slot, std::uint32_t(hash.narrow())};
}

// -- the table
// -----------------------------------------------------------------------------------------------------------

Handle SlotIndex::find_first(const HashedSlot& slot) const {
    if (cells_.empty()) return 0;
    const auto mask = cells_.size() - 1;
    for (auto at = slot.hash & mask; cells_[at].first != 0; at = (at + 1) & mask) {
        if (cells_[at].hash == slot.hash && arena_.at(cells_[at].first).slot() == slot.slot) return cells_[at].first;
    }
    return 0;
}

/// The cell of a slot whose first entry is known.
std::size_t SlotIndex::cell_of(Handle first, std::uint32_t hash) const {
    const auto mask = cells_.size() - 1;
    auto at = hash & mask;
    for (; cells_[at].first != first; at = (at + 1) & mask)
        STARLING_ASSERT(cells_[at].first != 0, "a slot with an entry is in the table");
    return at;
}

void SlotIndex::reserve(std::size_t slots) {
    waiting_.reserve(slots);
    const auto cells = std::bit_ceil(slots / 3 * 4 + cells_least);
    if (cells > cells_.size()) grow(cells);
}

void SlotIndex::grow(std::size_t cells) {
    PagedVector<Cell> old(cells, Cell{0, 0});
    old.swap(cells_);
    const auto mask = cells_.size() - 1;
    for (const auto& cell : old) {
        if (cell.first == 0) continue;
        auto at = cell.hash & mask;
        while (cells_[at].first != 0) at = (at + 1) & mask;
        cells_[at] = cell;
    }
}

void SlotIndex::erase_cell(std::size_t at) {
    const auto mask = cells_.size() - 1;
    for (auto next = (at + 1) & mask; cells_[next].first != 0; next = (next + 1) & mask) {
        const auto home = cells_[next].hash & mask;
        const bool at_home = ((next - home) & mask) < ((next - at) & mask);  // and may not move before it
        if (at_home && !mutant(Mutant::cells_leave_home)) continue;
        cells_[at] = cells_[next];
        at = next;
    }
    cells_[at] = {0, 0};
}

// -- entries of a slot
// ---------------------------------------------------------------------------------------------------

void SlotIndex::link(Handle handle, const HashedSlot& slot) {
    auto& entry = arena_.at(handle);
    entry.previous = 0;
    if (count_ + 1 > cells_.size() / 4 * 3) grow(std::max(cells_least, cells_.size() * 2));
    const auto mask = cells_.size() - 1;
    auto at = slot.hash & mask;
    for (; cells_[at].first != 0; at = (at + 1) & mask) {
        if (cells_[at].hash != slot.hash) continue;
        auto& first = arena_.at(cells_[at].first);
        if (first.slot() != slot.slot) continue;
        // Behind the first, so that the order of slots need not hear of it.
        entry.previous = cells_[at].first;
        entry.next = first.next;
        if (first.next != 0) arena_.at(first.next).previous = handle;
        first.next = handle;
        return;
    }
    entry.next = 0;
    cells_[at] = {slot.hash, handle};
    ++count_;
    enter_order(handle);
}

void SlotIndex::unlink(Handle handle) {
    auto& entry = arena_.at(handle);
    if (entry.next != 0) arena_.at(entry.next).previous = entry.previous;
    if (entry.previous != 0) {
        arena_.at(entry.previous).next = entry.next;
        return;
    }
    const auto at = cell_of(handle, hashed(entry.slot()).hash);
    if (entry.next != 0) {
        cells_[at].first = entry.next;
        if (!mutant(Mutant::next_is_not_in_order)) replace_in_order(handle, entry.next);
        return;
    }
    leave_order(handle);
    erase_cell(at);
    --count_;
}

void SlotIndex::replace(Handle old, Handle fresh, const HashedSlot& slot) {
    const auto& was = arena_.at(old);
    auto& entry = arena_.at(fresh);
    entry.next = was.next;
    entry.previous = was.previous;
    if (was.next != 0) arena_.at(was.next).previous = fresh;
    if (was.previous != 0) {
        arena_.at(was.previous).next = fresh;
        return;
    }
    cells_[cell_of(old, slot.hash)].first = fresh;
    replace_in_order(old, fresh);
}

// -- the order
// -----------------------------------------------------------------------------------------------------------

void SlotIndex::enter_order(Handle first) const {
    arena_.at(first).order = std::uint32_t(waiting_.size());
    waiting_.push_back(first);
}

void SlotIndex::leave_order(Handle first) {
    const auto order = arena_.at(first).order;
    const auto place = order & ~in_tree;
    if (order == place) {
        waiting_[place] = waiting_.back();
        arena_.at(waiting_[place]).order = place;
        waiting_.pop_back();
    } else {
        tree_.erase(nodes_[place]);
        nodes_[place] = nodes_.back();
        if (place + 1 < nodes_.size()) arena_.at(nodes_[place]->first).order = order;
        nodes_.pop_back();
    }
}

void SlotIndex::replace_in_order(Handle first, Handle by) {
    const auto order = arena_.at(first).order;
    const auto place = order & ~in_tree;
    arena_.at(by).order = order;
    (order == place ? waiting_[place] : nodes_[place]->first) = by;
}

void SlotIndex::bring_order() const {
    if (waiting_.empty()) return;
    std::sort(waiting_.begin(), waiting_.end(), BySlot{&arena_});
    for (const auto first : waiting_) {
        arena_.at(first).order = std::uint32_t(nodes_.size()) | in_tree;
        nodes_.push_back(tree_.insert(Node{first}).first);
    }
    PagedVector<Handle>().swap(waiting_);
}

// -- check
// ---------------------------------------------------------------------------------------------------------------

std::size_t SlotIndex::check() const {
    std::size_t slots = 0, entries = 0;
    for (const auto& cell : cells_) {
        if (cell.first == 0) continue;
        ++slots, ++entries;
        const auto& first = arena_.at(cell.first);
        const auto slot = hashed(first.slot());
        STARLING_ASSERT(slot.hash == cell.hash && find_first(slot) == cell.first, "a slot is found by its hash");
        STARLING_ASSERT(first.previous == 0, "the first entry has none before it");
        if ((first.order & in_tree) != 0) {
            const auto at = nodes_.at(first.order & ~in_tree);
            STARLING_ASSERT(at->first == cell.first && tree_.find(slot.slot) == at,
                            "the first entry stands for its slot in the tree");
        } else {
            STARLING_ASSERT(waiting_.at(first.order) == cell.first, "the first entry stands for its slot in the list");
        }
        for (auto at = cell.first; arena_.at(at).next != 0; at = arena_.at(at).next, ++entries) {
            const auto& next = arena_.at(arena_.at(at).next);
            STARLING_ASSERT(next.previous == at && next.slot() == slot.slot, "entries of a slot are linked both ways");
        }
    }
    STARLING_ASSERT(slots == count_ && slots == waiting_.size() + tree_.size() && nodes_.size() == tree_.size(),
                    "slots are counted, and all in order");
    return entries;
}

}  // namespace starling::crdt
