// The lives of one node that have nothing live, packed: a node that restarts daily has a thousand in three years, and
// all that is to be known of most of them is one line of the version.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "crdt/ids.hpp"

namespace starling::crdt {

/// What is kept of a life that has no live entry.
struct DormantLife {
    Life life = 0;
    Seq seen = 0;
    Stamp last_stamp = 0;
    std::uint32_t stored = 0;  ///< bookkeeping of the store: its number there; 0: none yet
    bool operator==(const DormantLife&) const = default;
};

/// A sorted array in blocks of at most 64 lives. A block is one piece of memory that fits exactly, in which a life
/// takes 8 bytes, as many as its numbers need, and one that says how many those are; the stamp is coded by its distance
/// from one that the block has in common. Invariants: lives ascend; no block is empty. Thread rule: one thread at a
/// time. Single operations are O(log blocks + lives of a block).
class DormantLives {
  public:
    std::size_t size() const { return size_; }
    std::optional<DormantLife> find(Life life) const;
    /// Adds it, or takes it in place of what was kept of this life.
    void put(const DormantLife& line);
    /// Nothing where it is not here.
    std::optional<DormantLife> take(Life life);
    /// Calls `visit(dormant_life)` in ascending order of lives.
    template <class Visit>
    void each(Visit visit) const {
        for (const auto& block : blocks_) {
            const auto* at = block.bytes.get();
            for (unsigned i = 0; i < block.lives; ++i) visit(read(at, block.base));
        }
    }
    /// Recomputes the invariants; O(n).
    void check() const;

  private:
    static constexpr unsigned block_lives_max = 64;
    static constexpr unsigned line_bytes_max = 1 + 8 + 8 + 8 + 4;

    struct Block {
        Life first;
        Stamp base;
        std::unique_ptr<unsigned char[]> bytes;
        std::uint16_t size;   ///< in bytes
        std::uint16_t lives;  ///< in it
    };
    /// Where a life is in its block, or would be.
    struct Place {
        std::size_t block;
        unsigned at;    ///< in bytes
        unsigned size;  ///< of its line; 0 where it is not here
    };
    static_assert(block_lives_max * line_bytes_max <= UINT16_MAX);

    static DormantLife read(const unsigned char*& at, Stamp base);
    static unsigned write(unsigned char* at, const DormantLife& line, Stamp base);
    static Block make(const DormantLife* lines, unsigned count);
    static void splice(Block& block, unsigned at, unsigned taken, const unsigned char* bytes, unsigned size);
    Place place_of(Life life) const;
    std::vector<DormantLife> lines_of(const Block& block) const;
    void split(std::size_t at);
    void shrink(std::size_t at);

    std::vector<Block> blocks_;
    std::size_t size_ = 0;
};

}  // namespace starling::crdt
