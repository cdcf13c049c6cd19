// An entry is one block of memory: a header, then its key, field and value. Blocks come from an arena and are named by
// 32-bit handles, which halves what the indexes weigh.
#pragma once

#include <cstddef>
#include <vector>

#include "crdt/pages.hpp"
#include "crdt/slot.hpp"

namespace starling::crdt {

struct Origin;

/// Names a block of the arena; 0 is none.
using Handle = std::uint32_t;

/// A live value. Its slot, stamp, depth and value never change once it has left its origin. It stays where it is until
/// it is removed. What is marked as bookkeeping belongs to the state and its indexes.
struct Entry {
    const Origin* origin;
    std::uint64_t seq : 53;  // seq_max
    std::uint64_t key_size : 11;
    Stamp stamp;
    std::uint64_t depth : 54;  // depth_max
    std::uint64_t type_number : 8;
    std::uint64_t sealed : 1;       ///< bookkeeping: counts in the fingerprint; 0 while its window is open
    Handle next;                    ///< bookkeeping: the neighbours among the entries of one slot
    Handle previous;                ///< bookkeeping
    std::uint32_t order;            ///< bookkeeping: place in the order of slots
    std::uint32_t value_size : 18;  // in bytes, as are the other sizes
    std::uint32_t field_size : 13;

    Type type() const { return Type(type_number); }
    Dot dot() const;
    BytesView key() const { return {text(), key_size}; }
    BytesView field() const { return {text() + key_size, field_size}; }
    BytesView value() const { return {text() + key_size + field_size, value_size}; }
    SlotView slot() const { return {type(), key(), field()}; }
    std::size_t text_bytes() const { return std::size_t(key_size) + field_size + value_size; }

    /// Key, field and value follow the header without a gap.
    const char* text() const { return reinterpret_cast<const char*>(this + 1); }
    char* text() { return reinterpret_cast<char*>(this + 1); }
};

/// Journals: causes before effects, the rest by name. A total order.
struct CausalOrder {
    bool operator()(const Entry* a, const Entry* b) const;
};

/// Memory for entries. Blocks share chunks and are used again by size; no memory is given back before the end.
/// Invariants: a block never moves; a released block is in exactly one free list. Holds up to 32 GiB.
/// Thread rule: one thread at a time. O(1) an operation.
class EntryArena {
  public:
    EntryArena() = default;
    EntryArena(const EntryArena&) = delete;
    EntryArena& operator=(const EntryArena&) = delete;

    /// A block for an entry of this slot and value, its sizes and text filled in, the rest not.
    Handle make(const SlotView& slot, BytesView value);
    void release(Handle handle);
    Entry& at(Handle handle) const {
        return *reinterpret_cast<Entry*>(chunks_[handle >> chunk_bits].get() + (handle & chunk_mask) * unit_bytes);
    }

  private:
    static constexpr std::size_t unit_bytes = 8;
    static constexpr unsigned chunk_bits = 19;  // units of a chunk: 4 MiB, of which the first few have less
    static constexpr Handle chunk_mask = (Handle{1} << chunk_bits) - 1;
    static constexpr std::size_t first_units = 1024;    // of the first chunk, 8 KiB: most replicas of a test stay small
    static constexpr unsigned growth_bits = 3;          // each chunk has so many times as much as the one before: 2^3
    static constexpr std::size_t exact_units_max = 64;  // up to here a size class is one size
    static constexpr std::size_t classes = exact_units_max + 1 + 10 * 8;  // up to the largest entry

    static std::size_t units_of(const Entry& entry);
    /// Rounds up to the units of a size class, and tells the class.
    static std::size_t class_of(std::size_t& units);
    void add_chunk(std::size_t units_min);
    Handle take(std::size_t units);

    std::vector<Pages> chunks_;
    Handle free_[classes] = {};  // heads of lists; a free block holds the next one in its first bytes
    Handle fresh_ = 0;           // the next unit of the youngest chunk
    std::size_t fresh_units_ = 0;
};

}  // namespace starling::crdt
