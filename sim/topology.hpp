// Shapes of an overlay, for worlds whose links somebody lays down.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "sim/queue.hpp"
#include "sim/random.hpp"

namespace starling::sim {

/// Unordered pairs, the smaller place first.
using Edge = std::pair<Place, Place>;
using Edges = std::set<Edge>;
inline Edge edge_between(Place a, Place b) {
    return {std::min(a, b), std::max(a, b)};
}
enum class Topology : std::uint8_t { full, path, ring, star, random, regular };
constexpr std::size_t topologies = 6;

/// How many links each node of Topology::regular has, unless told otherwise.
constexpr std::size_t regular_degree = 6;

std::string name_of(Topology topology);
std::optional<Topology> topology_of(const std::string& name);
/// The links of a topology over so many nodes; always connected. `degree` is that of Topology::regular, which lays
/// degree / 2 random cycles: a few nodes may have fewer links where two cycles meet, and small worlds are full meshes.
Edges edges_of(Topology topology, std::size_t nodes, Random& random, std::size_t degree = regular_degree);

}  // namespace starling::sim
