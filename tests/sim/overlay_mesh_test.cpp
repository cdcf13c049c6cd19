#include "sim/overlay_mesh.hpp"

#include <algorithm>

#include <doctest/doctest.h>

#include "tests/environment.hpp"

using namespace starling;
using namespace starling::sim;

namespace {

using MeshPlace = OverlayMesh::Place;
constexpr std::uint64_t mesh_second_us = 1'000'000;

OverlayMeshOptions options_of(std::size_t nodes, std::uint64_t seed, std::uint64_t loss_permille = 0) {
    OverlayMeshOptions options;
    options.nodes = nodes;
    options.seed = seed;
    options.loss_permille = loss_permille;
    options.check_each_step = true;
    return options;
}

/// Everybody joined, and what followed from it is over.
void settle(OverlayMesh& mesh) {
    mesh.start_all(10 * mesh_second_us);
    mesh.run_for(60 * mesh_second_us);
}

void judge(const OverlayMesh& mesh, std::size_t nodes) {
    CHECK(mesh.components() == std::vector{nodes});
    const gossip::OverlayLimits limits;
    for (MeshPlace place = 0; place < mesh.size(); ++place) {
        if (!mesh.alive(place)) continue;
        if (nodes > limits.full_mesh_max) {
            CHECK(mesh.active_links(place) <= limits.active_max);
            CHECK(mesh.active_links(place) >= limits.active_target - 1);
        } else {
            CHECK(mesh.active_links(place) == nodes - 1);
        }
    }
}

std::size_t crash(OverlayMesh& mesh, Random& random, std::size_t percent) {
    std::vector<MeshPlace> places;
    for (MeshPlace place = 0; place < mesh.size(); ++place) places.push_back(place);
    random.shuffle(places);
    places.resize(places.size() * percent / 100);
    for (const auto place : places) mesh.crash(place);
    return mesh.size() - places.size();
}

/// Seconds until the survivors are one component.
std::uint64_t seconds_to_one(OverlayMesh& mesh, std::uint64_t most) {
    std::uint64_t seconds = 0;
    while (seconds < most && mesh.components().size() > 1) {
        mesh.run_for(mesh_second_us);
        ++seconds;
    }
    return seconds;
}

}  // namespace

TEST_CASE("small meshes are full meshes, larger ones partial views within their bounds") {
    for (const std::size_t nodes : {1, 2, 3, 7, 12, 20, 21, 26, 40, 150}) {
        CAPTURE(nodes);
        for (std::uint64_t seed = 1; seed <= 3; ++seed) {
            OverlayMesh mesh(options_of(nodes, seed));
            settle(mesh);
            judge(mesh, nodes);
            CHECK(mesh.symmetric());
        }
    }
}

TEST_CASE("a mesh at rest keeps its links") {
    for (const std::size_t nodes : {10, 20, 21, 22, 60}) {
        CAPTURE(nodes);
        OverlayMesh mesh(options_of(nodes, 5));
        settle(mesh);
        mesh.run_for(120 * mesh_second_us);
        mesh.counters = {};
        mesh.run_for(1200 * mesh_second_us);
        CHECK(mesh.counters.activated == 0);
    }
}

TEST_CASE("growing past the full mesh and shrinking below it") {
    OverlayMesh mesh(options_of(40, 2));
    for (MeshPlace place = 0; place < 15; ++place) {
        mesh.start(place);
        if (place > 0) mesh.introduce(place, 0);
    }
    mesh.run_for(30 * mesh_second_us);
    judge(mesh, 15);
    for (MeshPlace place = 15; place < 40; ++place) {
        mesh.start(place);
        mesh.introduce(place, place - 1);
        mesh.run_for(3 * mesh_second_us);
        CHECK(mesh.components() == std::vector{std::size_t(place) + 1});
    }
    mesh.run_for(60 * mesh_second_us);
    judge(mesh, 40);
    for (MeshPlace place = 10; place < 40; ++place) mesh.crash(place);
    mesh.run_for(30 * mesh_second_us);
    CHECK(mesh.components() == std::vector<std::size_t>{10});
    mesh.run_for(720 * mesh_second_us);  // word of a node counts for ten minutes
    judge(mesh, 10);
}

TEST_CASE("after a mass crash the survivors find together, also where messages are lost") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        for (const std::size_t percent : {80, 90}) {
            CAPTURE(seed);
            CAPTURE(percent);
            Random random(seed);
            OverlayMesh mesh(options_of(300, seed, seed % 2 == 0 ? 50 : 0));
            settle(mesh);
            crash(mesh, random, percent);
            CHECK(seconds_to_one(mesh, 60) <= (percent == 80 ? 20 : 60));
            mesh.run_for(30 * mesh_second_us);
            CHECK(mesh.components().size() == 1);
            mesh.check();
        }
    }
}

TEST_CASE("halves of a split of any length are one within a minute of the heal") {
    const auto splits = testing::number_from("STARLING_SPLITS", 24);
    for (std::uint64_t seed = 1; seed <= splits; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const auto nodes = random.between(2, 60);
        const auto away_permille = random.between(20, 500);
        const auto split_s = std::array{5, 20, 40, 200, 1500, 20'000}[random.below(6)];
        CAPTURE(nodes);
        CAPTURE(split_s);
        OverlayMesh mesh(options_of(nodes, seed, random.below(2) * 20));
        settle(mesh);
        std::vector<std::uint32_t> groups;
        while (groups.size() < nodes) groups.push_back(random.chance(away_permille) ? 1 : 0);
        mesh.set_groups(groups);
        mesh.run_for(std::uint64_t(split_s) * mesh_second_us);
        mesh.heal();
        CHECK(seconds_to_one(mesh, 60) < 60);
        mesh.run_for(60 * mesh_second_us);
        CHECK(mesh.components().size() == 1);
        mesh.check();
    }
}

TEST_CASE("a node that comes back with an empty memory finds its place again") {
    OverlayMesh mesh(options_of(50, 9));
    settle(mesh);
    Random random(9);
    for (int round = 0; round < 30; ++round) {
        const auto place = MeshPlace(random.below(50));
        mesh.crash(place);
        mesh.run_for(random.below(5 * mesh_second_us));
        mesh.start(place);
        mesh.introduce(place, (place + 1) % 50);
        mesh.run_for(random.below(10 * mesh_second_us));
    }
    mesh.run_for(60 * mesh_second_us);
    judge(mesh, 50);
    CHECK(mesh.symmetric());
}

TEST_CASE("the same seed is the same run") {
    const auto run = [](std::uint64_t seed) {
        OverlayMesh mesh(options_of(60, seed));
        settle(mesh);
        return std::pair(mesh.counters.bytes, mesh.counters.connects);
    };
    CHECK(run(3) == run(3));
    CHECK(run(3) != run(4));
}
