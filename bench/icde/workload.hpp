// What is replayed: topologies, events and their times, drawn once from a seed and the same for every protocol.
//
// The experiment is that of Enes, Almeida, Baquero and Leitão ("Efficient Synchronization of State-based CRDTs", ICDE
// 2019): every node writes once a second and synchronizes with its neighbours once a second, each at a phase of its
// own. Topologies, rates, mixes and sizes are those of the paper and its published programs; the draws are ours.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "crdt/ids.hpp"
#include "sim/network.hpp"

namespace starling::bench::icde {

/// What an object is. All three are maps whose cells only grow, which is how the reference protocols see them.
enum class Kind : std::uint8_t {
    set,      ///< grow-only: a cell is an element
    counter,  ///< grow-only: a cell is a node and its total
    map,      ///< last writer wins: a cell is a key, a time and a value
};

/// One change of one cell. `key` is a MessagePack item; `value` too, where the kind has one.
struct Update {
    std::string object;
    Kind kind{};
    crdt::Bytes key;
    std::uint64_t number = 0;  ///< counters: the new total; maps: the time of the write, in microseconds
    crdt::Bytes value;
};

/// What one node does at one moment, as one transaction.
struct Event {
    std::uint64_t time_us = 0;
    sim::Place node = 0;
    std::vector<Update> updates;
};

struct Workload {
    std::string name;
    std::string topology;
    std::size_t nodes = 0;
    sim::Edges edges;
    std::vector<std::string> ids;           ///< of nodes: 20 bytes each, as the paper assumes
    std::vector<std::uint64_t> sync_at_us;  ///< the first synchronization of each node; then every `period_us`
    std::vector<Event> events;              ///< ascending by time
    std::uint64_t updates = 0;              ///< of single cells, in all events
    std::uint64_t end_us = 0;               ///< no event is later
};

inline constexpr std::uint64_t period_us = 1'000'000;     ///< between two events, and two synchronizations, of a node
inline constexpr std::uint64_t start_us = 1'000'000;      ///< the first second is for links to come up
inline constexpr std::uint64_t link_delay_us = 5'000;     ///< every message takes so long
inline constexpr std::uint64_t patience_us = 60'000'000;  ///< after the last event all nodes are level within this

/// The paper's tree of 15 nodes.
sim::Edges tree_of_15();
/// The paper's partial meshes of 15 and of 50 nodes: every node is linked to those 1 and 4 places away in a circle.
sim::Edges mesh_of(std::size_t nodes);

/// A topology by name: "tree" (15 nodes) or "mesh" (so many nodes).
struct Shape {
    std::string topology;
    std::size_t nodes = 15;
    std::uint64_t events = 100;  ///< of each node
    std::uint64_t seed = 1;
};

/// Each event adds an element of its own to one set.
Workload gset(const Shape& shape);
/// Each event increments one counter.
Workload gcounter(const Shape& shape);
/// Each event sets so many percent of the node's own share of 1,000 keys of one map.
Workload gmap(const Shape& shape, unsigned percent);
/// A small Twitter: 15 % of the events follow a user, 35 % post to all followers' timelines, the rest only read.
/// Users are drawn from 10,000 by Zipf's law with this coefficient.
Workload retwis(const Shape& shape, double zipf);

}  // namespace starling::bench::icde
