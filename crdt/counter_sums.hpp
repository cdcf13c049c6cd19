// Counters that many lives added to. A counter's value is the sum of its live entries, one a life; where there are
// many, the sum is kept, and so is which of the entries is this replica's.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "crdt/entry.hpp"

namespace starling::crdt {

/// What an entry of a counter counts; 0 where its value is no integer.
std::int64_t counter_total(const Entry& entry);

/// The sum of totals, those above zero apart from those below, so that their order cannot matter where it saturates.
class CounterSum {
  public:
    void add(std::int64_t total) { (total > 0 ? above_ : below_) += total; }
    void subtract(std::int64_t total) { (total > 0 ? above_ : below_) -= total; }
    /// Each part is held within 64 bits by itself.
    std::int64_t value() const;
    bool operator==(const CounterSum&) const = default;

  private:
    __extension__ using Wide = __int128;  // 2^32 entries of 64 bits fit
    Wide above_ = 0, below_ = 0;
};

/// Invariants: every counter with more than `narrow_max` entries has its sum here. Thread rule: one thread at a time.
/// O(log n) an operation in the counters that are kept here, whatever their entries.
class CounterSums {
  public:
    struct Kept {
        CounterSum sum;
        std::size_t entries = 0;
        Handle own = 0;  ///< the entry of this replica; 0 where it has none
        bool operator==(const Kept&) const = default;
    };
    /// So many entries are gone through by whoever asks; a sum that was kept goes when there are half as many.
    static constexpr std::size_t narrow_max = 8;

    explicit CounterSums(const EntryArena& arena) : arena_(arena) {}

    /// Whether this is an entry of a counter that views read.
    static bool counts(const Entry& entry);
    /// nullptr where the counter is narrow.
    const Kept* find(BytesView key) const;

    /// Whose entries are this replica's from now on: a new life's, which has none yet.
    void begin_life(const Origin* own);
    /// The entry has been linked into its slot.
    void came(Handle handle);
    /// It has been taken out.
    void went(Handle handle);
    /// One has taken the place of another.
    void replaced(Handle old, Handle fresh);

    /// Calls `visit(key, kept)` in the order of keys.
    template <class Visit>
    void each(Visit visit) const {
        for (const auto& [key, kept] : kept_) visit(BytesView(key), kept);
    }

  private:
    void gather(Handle first);

    const EntryArena& arena_;
    const Origin* own_ = nullptr;
    std::map<Bytes, Kept, std::less<>> kept_;  ///< by the counter's key
};

}  // namespace starling::crdt
