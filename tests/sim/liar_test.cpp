// Bytes that lie: what one node sends is changed at random on its way, below the encryption, as a member gone bad could
// do. Nobody judges the data here, since nothing is signed; but no peer may end, every structure stays sound, and
// whoever speaks nonsense is hung up on. STARLING_LIAR_SEEDS=N runs N worlds.

#include <doctest/doctest.h>

#include "sim/intent.hpp"
#include "sim/world.hpp"
#include "tests/environment.hpp"

using namespace starling;
using namespace starling::sim;

namespace {

constexpr std::uint64_t seeds_default = 150;
constexpr std::size_t nodes = 3;

/// Flips, drops, repeats or inserts a few bytes.
crdt::Bytes mangled(crdt::Bytes bytes, Random& random) {
    for (auto left = random.between(1, 3); left > 0 && !bytes.empty(); --left) {
        const auto at = random.below(bytes.size());
        switch (random.below(6)) {
            case 0:
                bytes[at] = char(random.below(256));
                break;
            case 1:
                bytes[at] = char(bytes[at] ^ char(1U << random.below(8)));
                break;
            case 2:
                bytes[at] = char(bytes[at] + 1);
                break;
            case 3:
                bytes.erase(at, random.between(1, 4));
                break;
            case 4:
                bytes.insert(at, bytes.substr(at, random.between(1, 8)));
                break;
            default:
                bytes.insert(at, 1, char(random.below(256)));
        }
    }
    return bytes;
}

std::uint64_t malformed_in(std::uint64_t seed) {
    Random random(seed);
    WorldOptions options;
    options.nodes = nodes;
    options.edges = edges_of(Topology::full, nodes, random);
    options.limits.log_bytes_max = random.chance(500) ? 0 : 4'000;
    options.limits.diff_part_bytes_max = random.chance(500) ? 300 : 100'000;
    options.limits.waiting_bytes_max = random.chance(500) ? 6'000 : 1'000'000;
    World world(options, random.fork());
    Workload workload({}, random.fork());
    auto lies = random.fork();
    world.tamper = [&](Place from, Place, crdt::Bytes bytes) {
        return from == 0 && lies.chance(200) ? mangled(std::move(bytes), lies) : bytes;
    };
    world.start();
    for (int round = 0; round < 60; ++round) {
        const auto place = random.below(nodes);
        const auto intents = workload.draw();
        world.write(
            place,
            [&](crdt::Transaction& tx) {
                perform(tx, *world.peer(place)->replica().self(), world.peer(place)->replica().window_dots() + 1,
                        intents);
            },
            [](const auto&) {});
        const auto& edges = world.network().edges();
        const auto& edge = *std::next(edges.begin(), std::ptrdiff_t(random.below(edges.size())));
        if (random.chance(100)) world.network().block(edge.first, edge.second);
        if (random.chance(200)) world.network().unblock(edge.first, edge.second);
        const auto until_us = world.now_us() + random.below(400'000);
        world.at(until_us, [] {});
        while (world.step(until_us)) {
        }
        world.check();
    }
    std::uint64_t malformed = 0;
    for (Place place = 0; place < nodes; ++place) malformed += world.peer(place)->status().counters.malformed;
    return malformed;
}

}  // namespace

TEST_CASE("mangled messages end no peer and leave every structure sound") {
    const auto seeds = starling::testing::number_from("STARLING_LIAR_SEEDS", seeds_default);
    std::uint64_t malformed = 0;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        INFO("seed " << seed);
        malformed += malformed_in(seed);
    }
    CHECK(malformed > seeds);
}
