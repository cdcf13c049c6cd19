// Which way of telling two sets apart is the cheapest, by estimated bytes. Integers everywhere: two nodes on different
// compilers decide alike, and a simulation is the same on both.
#pragma once

#include "gossip/sketch.hpp"

namespace starling::gossip {

enum class CompareBy : std::uint8_t {
    live_dots = 0,    ///< one side sends its set
    sketch = 1,       ///< of the set
    transitions = 2,  ///< a sketch of where the set begins and ends: a run of differences costs two
    folded = 3,       ///< a sketch of fewer cells than positions
};

struct Plan {
    CompareBy by = CompareBy::live_dots;
    SketchShape shape;
    std::uint64_t sums = 0;  ///< of each block, at first
    std::uint64_t bits = 0;  ///< what it will cost, about
    bool operator==(const Plan&) const = default;
};

/// What is known when the choice is made.
struct Surroundings {
    std::uint64_t axis_size = 0;
    std::uint64_t live = 0;                 ///< on one side
    std::uint64_t transitions = 0;          ///< of its set
    std::uint64_t differences = 0;          ///< estimated; UINT64_MAX: too many to tell
    std::uint64_t changed_transitions = 0;  ///< estimated, of the sets of transitions
};

Plan cheapest(const Surroundings& here);

/// The answer to a folded sketch says of each position of the cells that differ whether it lives: of no more than this.
inline constexpr std::uint64_t cell_positions_max = std::uint64_t{1} << 24;
bool valid_fold(const SketchShape& shape, std::uint64_t sums, std::uint64_t axis_size);

/// Further sums for blocks that hold more than `sums` sums can tell.
std::uint64_t more_sums(std::uint64_t sums);

/// The bits it takes to name `chosen` of `many`: log2 of the number of ways, about. O(1).
std::uint64_t choice_bits(std::uint64_t many, std::uint64_t chosen);

/// In 2^-32ths: how likely a block holds more than `sums` of Poisson-distributed differences, `mean_256ths` on average.
std::uint64_t overflow_chance(std::uint64_t mean_256ths, std::uint64_t sums);

}  // namespace starling::gossip
