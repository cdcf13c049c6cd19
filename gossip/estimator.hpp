// How much do two sets differ? Each element falls into one of many levels, into level j with probability 2^-(j+1), and
// there flips one of a few bits. Two sets' bits combined by XOR are those of their difference, so the sparse levels
// tell its size: the one is taken that makes the bits most likely (after Flajolet and Martin, 1985, and the strata of
// Eppstein, Goodrich, Uyeda and Varghese, 2011).
#pragma once

#include <optional>
#include <vector>

#include "gossip/axis.hpp"

namespace starling::gossip {

/// Invariant: bits beyond `width`, a power of 2, are 0. O(1) an element.
class DifferenceEstimator {
  public:
    static constexpr unsigned width_max = 64;
    static constexpr std::size_t levels_max = 40;
    /// Levels that an axis of this size needs.
    static std::size_t levels_of(std::uint64_t size);

    DifferenceEstimator(unsigned width, std::size_t levels) : width_(width), levels_(levels) {}
    void flip(Position position, std::uint64_t nonce);

    /// `width` bits a level, low bits first.
    crdt::Bytes bytes() const;
    static std::optional<DifferenceEstimator> read(crdt::BytesView bytes, unsigned width, std::size_t levels);
    /// About how many elements are in one of the two sets only; UINT64_MAX: too many to tell. Both are of one shape.
    static std::uint64_t difference(const DifferenceEstimator& a, const DifferenceEstimator& b);

  private:
    unsigned width_;
    std::vector<std::uint64_t> levels_;
};

}  // namespace starling::gossip
