// Catching up: out of the logs of peers, or by a state diff.
#include <algorithm>

#include <doctest/doctest.h>

#include "gossip/wire.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::testing;

namespace {

constexpr std::uint64_t pull_second_us = 1'000'000;
constexpr std::size_t peers = 5;
constexpr std::size_t newcomer = peers;

/// Five nodes that write one after another, each after what the others wrote, and a sixth that lacks all of it.
Mesh written(std::size_t rounds, gossip::Limits limits = {}) {
    Mesh mesh(peers + 1, limits);
    for (std::size_t a = 0; a < peers; ++a) {
        for (std::size_t b = a + 1; b < peers; ++b) mesh.link(a, b);
    }
    for (std::size_t i = 0; i < rounds; ++i) {
        for (std::size_t node = 0; node < peers; ++node) {
            const auto field = "f" + std::to_string(rounds * node + i);
            REQUIRE(mesh.write(node, put(field.c_str(), std::int64_t(i))));
            mesh.handle(node, gossip::Flush{});
        }
        mesh.run(2'000);
    }
    mesh.run();
    return mesh;
}

/// What all changesets of a node take in one frame of a new link.
std::size_t bytes_of_all(Mesh& mesh, std::size_t node) {
    gossip::Changesets all;
    for (const auto& changeset : mesh.applied[node]) all.changesets.push_back(*changeset);
    gossip::RefSender refs;
    return gossip::encode(0, all, refs).size();
}

}  // namespace

TEST_CASE("what is missing comes out of several logs, none of it twice, in little more than its bytes") {
    gossip::Limits limits;
    limits.frame_changesets_bytes_max = 2 * 1024;  // many answers
    auto mesh = written(200, limits);
    std::array<std::uint64_t, peers> before{};
    for (std::size_t i = 0; i < peers; ++i) before[i] = mesh[i].status().counters.changesets_sent;
    const auto bytes_before = mesh.bytes;
    for (std::size_t i = 0; i < peers; ++i) mesh.link(i, newcomer);
    mesh.run(10 * pull_second_us);
    CHECK(mesh.state(newcomer).version() == mesh.state(0).version());
    const auto counters = mesh[newcomer].status().counters;
    CHECK(counters.changesets_received == peers * 200);
    CHECK(counters.changesets_redundant == 0);
    CHECK(counters.diffs == 0);
    const auto sources = std::count_if(before.begin(), before.end(), [&, i = 0U](auto sent) mutable {
        return mesh[i++].status().counters.changesets_sent > sent + 50;
    });
    CHECK(sources >= 3);
    MESSAGE("bytes on all links: ", mesh.bytes - bytes_before, ", of the changesets: ", bytes_of_all(mesh, newcomer));
    constexpr double hellos = 600.0 * peers;  // both ways, with the names of five replicas on each link, and digests
    CHECK(double(mesh.bytes - bytes_before) <= 1.25 * double(bytes_of_all(mesh, newcomer)) + hellos);
}

TEST_CASE("a pull that breaks off is gone on with elsewhere") {
    gossip::Limits limits;
    limits.frame_changesets_bytes_max = 2 * 1024;
    auto mesh = written(120, limits);
    std::size_t answers = 0;
    mesh.drop = [&](const Bytes& bytes) {
        constexpr std::uint8_t changesets_kind = 3;
        return std::uint8_t(bytes[3]) == changesets_kind && ++answers % 7 == 3;  // some answers never come
    };
    for (std::size_t i = 0; i < peers; ++i) mesh.link(i, newcomer);
    mesh.run(2'000);
    mesh.unlink(0, newcomer);
    mesh.unlink(3, newcomer);
    mesh.run(20 * pull_second_us);
    CHECK(mesh.state(newcomer).version() == mesh.state(0).version());
    CHECK(mesh[newcomer].status().counters.changesets_redundant == 0);
}

TEST_CASE("changesets that are greater than a slice, and a small waiting buffer") {
    gossip::Limits limits;
    limits.waiting_bytes_max = 40 * 1024;
    limits.frame_changesets_bytes_max = 4 * 1024;
    Mesh mesh(3, limits);
    mesh.link(0, 1);
    for (int i = 0; i < 40; ++i) {
        for (const std::size_t node : {0U, 1U}) {
            REQUIRE(mesh.write(node, [&](Transaction& tx) {
                for (int f = 0; f < 300; ++f)
                    Map::put(tx, "map", pack_str(std::to_string(300 * (2 * i + int(node)) + f)), pack_int(f));
            }));
            mesh.run(3'000);
        }
    }
    mesh.run();
    mesh.link(2, 0);
    mesh.link(2, 1);
    mesh.run(30 * pull_second_us);
    CHECK(mesh.equal());
}

TEST_CASE("log or state diff: the cheaper by far, and the log where they are near") {
    struct Case {
        int writes, keys;
        bool diff;
    };
    for (const auto& [writes, keys, diff] :
         {Case{1'500, 20, true}, Case{1'500, 1'500, false}, Case{1'500, 1'000, false}, Case{300, 1, false}}) {
        CAPTURE(writes);
        CAPTURE(keys);
        Mesh mesh(2);
        for (int i = 0; i < writes; ++i) {
            const auto field = "some field " + std::to_string(i % keys);
            REQUIRE(mesh.write(0, put(field.c_str(), i)));
            mesh.handle(0, gossip::Flush{});
        }
        const auto of_log = bytes_of_all(mesh, 0);
        const auto before = mesh.bytes;
        mesh.link(0, 1);
        mesh.run(5 * pull_second_us);
        CHECK(mesh.equal());
        CHECK((mesh[1].status().counters.diffs > 0) == diff);
        const auto bytes = double(mesh.bytes - before);
        CHECK(bytes <= 1.25 * double(of_log) + 200);  // as much as hellos and digests take
        if (diff) CHECK(bytes < 0.5 * double(of_log));
    }
}

TEST_CASE("a session ends, whatever its peer says to keep it") {
    Mesh mesh(1);
    REQUIRE(mesh.write(0, put("f", 1)));
    mesh.handle(0, gossip::Flush{});
    const NodeKey peer{9};
    mesh.handle(0, gossip::LinkUp{peer});
    gossip::RefSender refs;
    const auto say = [&](const gossip::Message& message) {
        mesh.handle(0, gossip::Received{peer, gossip::encode(0, message, refs)});
    };
    constexpr std::uint64_t step_us = 5'000'000;
    say(gossip::DiffOpen{3, 1, {}, {}});
    const auto steps = gossip::Limits{}.diff_session_us_max / step_us;
    for (std::uint64_t i = 0; i < steps; ++i) {
        CHECK(mesh[0].status().counters.diffs_failed == 0);
        mesh.run(step_us);
        say(gossip::DiffAck{3, false, 0});
    }
    CHECK(mesh[0].status().counters.diffs_failed == 1);
}
