// More nodes than link with everybody: the overlay decides who is linked with whom.
#include <algorithm>
#include <thread>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

constexpr std::size_t many = 24;      // more than a full mesh has
constexpr std::size_t links_max = 8;  // of a partial view

std::size_t most_links(const std::vector<Node>& nodes) {
    std::size_t most = 0;
    for (const auto& node : nodes) most = std::max(most, node.status().peers.size());
    return most;
}

bool wait_for(const auto& met) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!met() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(50ms);
    return met();
}

/// What each has written is with all.
bool all_count(const std::vector<Node>& nodes, std::int64_t sum) {
    return std::all_of(nodes.begin(), nodes.end(),
                       [&](const auto& node) { return node.counter("present").value() == sum; });
}

}  // namespace

TEST_CASE("nodes that know one address find each other, keep a few links, and go on without the one they knew") {
    std::vector<Node> nodes;
    nodes.push_back(lone());
    while (nodes.size() < many) nodes.push_back(Pair::joined_to(nodes[0]));
    for (auto& node : nodes) node.counter("present").add(1);
    CHECK(wait_for([&] { return all_count(nodes, many); }));
    CHECK(wait_for([&] { return most_links(nodes) <= links_max; }));
    nodes.erase(nodes.begin(), nodes.begin() + 4);
    nodes[3].counter("present").add(1);
    CHECK(wait_for([&] { return all_count(nodes, many + 1); }));
}
