// Whole peers whose overlays decide on the links, under all faults: the judges of sim/checker.hpp look on.
#include <doctest/doctest.h>

#include "sim/scenario.hpp"

using namespace starling;
using namespace starling::sim;

namespace {

/// Partial views among a handful of nodes, so that a small world shows them.
gossip::OverlayLimits small_views() {
    gossip::OverlayLimits limits;
    limits.full_mesh_max = 4;
    limits.full_mesh_again = 3;
    limits.full_links_max = 6;
    limits.active_target = 3;
    limits.active_max = 4;
    limits.stable_links = 2;
    limits.passive_max = 6;
    return limits;
}

Outcome run_with(const gossip::OverlayLimits& limits, std::size_t nodes, std::uint64_t seed) {
    auto config = Config::drawn(nodes, seed);
    config.overlay = limits;
    return run(config);
}

}  // namespace

TEST_CASE("under all faults a world whose overlay decides on the links converges, with a full mesh or partial views") {
    std::uint64_t failed = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        const bool partial = seed % 2 == 0;
        const auto nodes = partial ? 6 + seed % 6 : 2 + seed % 5;
        const auto outcome = run_with(partial ? small_views() : gossip::OverlayLimits{}, nodes, seed);
        if (outcome.good()) continue;
        ++failed;
        MESSAGE("seed " << seed << ", " << nodes << " nodes\n" << outcome.violation.value_or("did not converge"));
    }
    CHECK(failed == 0);
}

TEST_CASE("links that an overlay asks for are the same in every run of a seed") {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        const auto once = run_with(small_views(), 9, seed), twice = run_with(small_views(), 9, seed);
        CHECK(once.trace_hash == twice.trace_hash);
        CHECK(once.events == twice.events);
    }
}

TEST_CASE("a world of few nodes becomes a full mesh, one of many keeps partial views, and all are brought level") {
    for (const std::size_t nodes : {6, 20, 40}) {
        CAPTURE(nodes);
        WorldOptions options;
        options.nodes = nodes;
        options.overlay = gossip::OverlayLimits{};
        World world(options, Random(nodes));
        world.start();
        const auto run_for = [&](std::uint64_t us) {
            for (const auto end_us = world.now_us() + us; world.step(end_us);) {
            }
        };
        run_for(30'000'000);
        world.write(
            0, [](crdt::Transaction& tx) { tx.put({crdt::Type::map, "m", crdt::pack_int(1)}, crdt::pack_int(2)); },
            [](const auto& commit) { CHECK(commit); });
        run_for(5'000'000);
        for (Place place = 0; place < nodes; ++place) {
            const auto status = world.peer(place)->status();
            const bool full = nodes <= options.overlay->full_mesh_max;
            CHECK(status.full_mesh == full);
            CHECK(status.links.size() <= (full ? nodes - 1 : options.overlay->active_max));
            CHECK(world.peer(place)->version() == world.peer(0)->version());
            CHECK(world.peer(place)->synced());
        }
        world.check();
    }
}
