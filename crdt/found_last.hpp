// Where the entries of an ordered table of replicas were found last. With a thousand writers a changeset names dozens
// of them, each of which is looked up in several tables; down a tree every step is a line of memory of its own.
#pragma once

#include <bit>
#include <cstring>
#include <vector>

#include "crdt/ids.hpp"

namespace starling::crdt {

/// A place for each of the table's entries, chosen by a word of the id: entries that want the same place take turns. So
/// whoever chooses ids that collide gets the tree's O(log n), no worse. `Entry` stays where it is in memory, and
/// `IdOf{}(entry)` is its id. Invariant: what has a place is in the table. Thread rule: `find` reads only.
template <class Entry, class IdOf>
class FoundLast {
  public:
    FoundLast() = default;
    FoundLast(FoundLast&&) = default;  // the entries of a table that is moved stay where they are
    FoundLast& operator=(FoundLast&&) = default;
    FoundLast(const FoundLast&) {}  // a copy of the table has entries of its own
    FoundLast& operator=(const FoundLast& other) {
        if (this != &other) clear();
        return *this;
    }
    ~FoundLast() = default;

    /// nullptr: ask the table.
    Entry* find(const ReplicaId& id) const {
        if (places_.empty()) return nullptr;
        auto* entry = places_[place(id)];
        return entry != nullptr && IdOf{}(*entry) == id ? entry : nullptr;
    }
    /// The table, which holds `size` entries, has it. Amortised O(1).
    void keep(Entry& entry, std::size_t size) {
        if (size < size_min) return;
        if (places_.size() < size) places_.assign(std::bit_ceil(size), nullptr);
        places_[place(IdOf{}(entry))] = &entry;
    }
    /// It leaves the table.
    void drop(const Entry& entry) {
        if (places_.empty()) return;
        auto*& kept = places_[place(IdOf{}(entry))];
        if (kept == &entry) kept = nullptr;
    }
    void clear() { places_ = {}; }

  private:
    static constexpr std::size_t size_min = 8;  ///< smaller trees are as fast

    std::size_t place(const ReplicaId& id) const {
        std::uint64_t word = 0;  // keys are random, and so are lives
        std::memcpy(&word, id.node.data(), sizeof word);
        return std::size_t(word ^ id.life) & (places_.size() - 1);
    }

    std::vector<Entry*> places_;  ///< none, or a power of two
};

/// The id of an entry of a map.
struct KeyOf {
    template <class Entry>
    const ReplicaId& operator()(const Entry& entry) const {
        return entry.first;
    }
};

}  // namespace starling::crdt
