#include "sim/topology.hpp"

#include <array>
#include <numeric>
#include <vector>

namespace starling::sim {

namespace {

constexpr std::array names{"full", "path", "ring", "star", "random", "regular"};

Edges full(std::size_t nodes) {
    Edges edges;
    for (Place b = 1; b < nodes; ++b) {
        for (Place a = 0; a < b; ++a) edges.insert({a, b});
    }
    return edges;
}

/// A tree, and now and then a second link.
Edges tree_and_more(std::size_t nodes, Random& random) {
    Edges edges;
    for (Place b = 1; b < nodes; ++b) {
        edges.insert({random.below(b), b});
        if (random.chance(400)) edges.insert({random.below(b), b});
    }
    return edges;
}

/// Cycles in random order. A step that is laid already is tried with other next nodes, a few times.
Edges regular(std::size_t nodes, Random& random, std::size_t degree) {
    if (nodes <= degree + 1) return full(nodes);
    constexpr int tries = 20;
    Edges edges;
    for (std::size_t cycle = 0; cycle < degree / 2; ++cycle) {
        std::vector<Place> order(nodes);
        std::iota(order.begin(), order.end(), Place{0});
        random.shuffle(order);
        for (std::size_t i = 0; i + 1 < nodes; ++i) {
            for (int left = tries; left > 0 && edges.contains(edge_between(order[i], order[i + 1])); --left)
                std::swap(order[i + 1], order[random.between(i + 1, nodes - 1)]);
            edges.insert(edge_between(order[i], order[i + 1]));
        }
        edges.insert(edge_between(order.back(), order.front()));
    }
    return edges;
}

}  // namespace

std::string name_of(Topology topology) {
    return names[std::size_t(topology)];
}

std::optional<Topology> topology_of(const std::string& name) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (name == names[i]) return Topology(i);
    }
    return std::nullopt;
}

Edges edges_of(Topology topology, std::size_t nodes, Random& random, std::size_t degree) {
    switch (topology) {
        case Topology::full:
            return full(nodes);
        case Topology::random:
            return tree_and_more(nodes, random);
        case Topology::regular:
            return regular(nodes, random, degree);
        default:
            break;
    }
    Edges edges;
    for (Place b = 1; b < nodes; ++b) edges.insert({topology == Topology::star ? 0 : b - 1, b});
    if (topology == Topology::ring && nodes > 2) edges.insert({0, nodes - 1});
    return edges;
}

}  // namespace starling::sim
