// A sketch of a set of positions: the axis is dealt out to blocks of cells, and each block is the sums of odd powers of
// its cells in GF(2^m). Sketches add, so two of them make the sketch of what their sets differ in, from which it can be
// read while no block holds more of it than there are sums (minisketch, and PBS: Gong, Liu et al., 2020).
//
// With fewer cells than positions the sketch is *folded*: several positions share a cell, which holds their parity. A
// cell where an odd number of positions differ is found; where an even number does, it is missed, and a digest tells.
#pragma once

#include "gossip/axis.hpp"
#include "gossip/galois.hpp"

namespace starling::gossip {

inline constexpr std::uint64_t block_sums_max = 64;

struct SketchShape {
    unsigned bits = field_bits_min;  ///< m: a block has 2^m - 1 cells
    std::uint64_t blocks = 1;
    bool operator==(const SketchShape&) const = default;
};
/// What a stranger may ask for: no more bits than the axis has positions, and no more cells than it needs.
bool valid_shape(const SketchShape& shape, std::uint64_t sums, std::uint64_t axis_size);
/// The blocks that give every position a cell of its own.
std::uint64_t unfolded_blocks(unsigned bits, std::uint64_t axis_size);

struct Cell {
    std::uint64_t block;
    unsigned index;
};

/// Which position falls into which cell: a permutation of the axis that depends on a nonce, dealt out in turn. The axis
/// is not empty. Immutable. O(1) an operation.
class Placement {
  public:
    Placement(const SketchShape& shape, std::uint64_t axis_size, std::uint64_t nonce);

    const SketchShape& shape() const { return shape_; }
    Cell cell(Position position) const {
        const auto q = shuffled(position);
        return {q % shape_.blocks, unsigned(q / shape_.blocks % order_)};
    }
    /// How many positions share a cell, at most.
    std::uint64_t turns() const { return turns_; }
    /// The position that falls into `cell` at `turn`; nothing where the axis has ended.
    std::optional<Position> position(const Cell& cell, std::uint64_t turn) const;

  private:
    std::uint64_t times(std::uint64_t a, std::uint64_t b) const;
    std::uint64_t shuffled(Position position) const {
        const auto q = times(position, factor_) + shift_;
        return q >= size_ ? q - size_ : q;
    }

    SketchShape shape_;
    std::uint64_t size_;
    unsigned order_;
    std::uint64_t turns_;
    std::uint64_t factor_ = 1, inverse_ = 1, shift_ = 0;
};

/// Sums first … first + count - 1 of some blocks, one block after another.
struct SumRange {
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};
using Sums = std::vector<Field::Element>;

/// The sums of a set, or of the rest of the axis, in `blocks`, which ascend. O(axis / 64 + elements · count).
Sums power_sums(const Placement& placement, const PositionSet& set, bool of_rest, std::uint64_t axis_size,
                const std::vector<std::uint64_t>& blocks, const SumRange& range);
/// m bits each, low bits first.
crdt::Bytes pack(const Sums& sums, unsigned bits);
std::optional<Sums> unpack(crdt::BytesView bytes, unsigned bits, std::size_t many);

/// How many differences the `sums` sums of a block are trusted with. A block that holds more than t may by chance look
/// like one of at most t, about once in t! times; each sum that is kept as proof makes that 2^m times rarer. So many
/// are kept that hardly one sketch in a hundred is read wrongly, and that is what digests are for.
std::uint64_t trusted(const SketchShape& shape, std::uint64_t sums);

}  // namespace starling::gossip
