// The shortest times over an overlay: what flooding would take where nothing is lost and nobody takes time. Other ways
// to spread are held against them.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/network.hpp"

namespace starling::sim {

/// The links of a network at one instant, for many questions.
class Paths {
  public:
    explicit Paths(const Network& network, std::size_t nodes);

    /// The shortest time from a node to each other; UINT64_MAX where there is no way. O(links log nodes).
    std::vector<std::uint64_t> from(Place place) const;

  private:
    struct Hop {
        Place to;
        std::uint64_t us;
    };
    std::vector<std::vector<Hop>> hops_;
};

/// The nearest-rank percentile of values, which are put out of order; there must be one.
std::uint64_t percentile(std::vector<std::uint64_t>& values, unsigned percent);

}  // namespace starling::sim
