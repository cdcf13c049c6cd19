#include <doctest/doctest.h>

#include "gossip/past.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::gossip;
using namespace starling::testing;

namespace {

constexpr std::uint64_t hello_second_us = 1'000'000;
constexpr std::uint8_t hello_kind = 0;

/// 60 origins, too many for a hello that nobody asked for: the lives of a node that was restarted so often.
constexpr std::size_t lives = 60;

void write_in_lives(Mesh& mesh, std::size_t node, std::size_t others) {
    for (std::size_t i = 0; i < lives; ++i) {
        mesh.reborn(node);
        mesh.link(node, others);
        mesh.run(hello_second_us / 10);
        REQUIRE(mesh.write(node, put("f", std::int64_t(i))));
        mesh.run(hello_second_us / 10);
    }
    mesh.run(10 * hello_second_us);
    REQUIRE(mesh.equal());
    REQUIRE(mesh.state(others).lives() >= lives);
}

struct Watch {
    explicit Watch(Mesh& mesh) {
        mesh.drop = [this](const Bytes& bytes) {
            hellos += std::uint8_t(bytes[3]) == hello_kind ? 1 : 0;
            total += bytes.size();
            return lose && lose(bytes);
        };
    }
    std::size_t hellos = 0, total = 0;
    std::function<bool(const Bytes&)> lose;
};

}  // namespace

TEST_CASE("equal nodes that link again say a hash each, however long their version") {
    Mesh mesh(2);
    write_in_lives(mesh, 1, 0);
    Watch watch(mesh);
    mesh.unlink(0, 1);
    mesh.link(0, 1);
    mesh.run(hello_second_us / 100);
    CHECK(watch.hellos == 0);
    CHECK(watch.total <= 2 * 80);
    CHECK(mesh[0].synced());
    CHECK(mesh[1].synced());
    REQUIRE(mesh.write(1, put("g", 1)));
    mesh.run();
    CHECK(mesh.equal());
    CHECK(mesh[0].synced());
    CHECK(watch.hellos == 0);
}

TEST_CASE("a link that comes back begins with what rose meanwhile") {
    Mesh mesh(2);
    write_in_lives(mesh, 1, 0);
    for (const std::size_t writer : {1U, 0U, 1U}) {
        mesh.unlink(0, 1);
        REQUIRE(mesh.write(writer, put("g", std::int64_t(writer))));
        mesh.run();
        Watch watch(mesh);
        mesh.link(0, 1);
        mesh.run();
        CHECK(mesh.equal());
        CHECK(mesh[0].synced());
        CHECK(mesh[1].synced());
        CHECK(watch.hellos <= 2);
        CHECK(watch.total < 1'000);  // a whole version: 60 lines of some 45 bytes, twice
    }
}

TEST_CASE("who forgot, or is not who it was, gets a whole version") {
    Mesh mesh(2);
    write_in_lives(mesh, 1, 0);
    mesh.add();
    mesh.link(0, 2);
    mesh.run();
    CHECK(mesh.state(2).version() == mesh.state(0).version());
    mesh.reborn(2);
    REQUIRE(mesh.write(0, put("h", 2)));
    mesh.link(0, 2);
    mesh.run(10 * hello_second_us);
    CHECK(mesh.equal());
    mesh.reborn(0);  // 1 and 2 remember another engine of that node
    mesh.link(0, 1);
    mesh.link(0, 2);
    mesh.run(10 * hello_second_us);
    CHECK(mesh.equal());
    CHECK(mesh[1].synced());
}

TEST_CASE("a lost digest costs what rose, not a whole version") {
    Mesh mesh(2);
    write_in_lives(mesh, 1, 0);
    REQUIRE(mesh.write(1, put("g", 0)));
    mesh.run(10 * hello_second_us);  // the summary has come, and with it a bookmark
    Watch watch(mesh);
    bool lost = false;
    constexpr std::uint8_t digest_kind = 1;
    watch.lose = [&](const Bytes& bytes) {
        return std::uint8_t(bytes[3]) == digest_kind && !std::exchange(lost, true);
    };
    for (int i = 0; i < 3; ++i) {
        REQUIRE(mesh.write(1, put("g", i)));
        mesh.run();
    }
    mesh.run(10 * hello_second_us);
    CHECK(lost);
    CHECK(watch.hellos >= 1);
    CHECK(watch.total < 2'000);
    CHECK(mesh.equal());
    CHECK(mesh[0].synced());
    CHECK(mesh[1].synced());
}

TEST_CASE("a hello that goes on from what is not known here is not read") {
    Mesh mesh(1);
    REQUIRE(mesh.write(0, put("f", 1)));
    mesh.handle(0, Flush{});
    const NodeKey peer{9};
    mesh.handle(0, LinkUp{peer});
    RefSender refs;
    const ReplicaId id{peer, 5};
    const auto say = [&](const Message& message) {
        mesh.handle(0, Received{peer, encode(0, message, refs)});
        return mesh[0].status().links[0].behind;
    };
    CHECK(say(Hello{3, {{id, 4}}, {}, 0, {7, 20}, 11, {}}) == 0);
    CHECK(say(Hello{4, {{id, 4}}, {}, 0, {7, 20}}) == 4);
    CHECK(say(Hello{5, {{id, 6}}, {}, 0, {7, 30}, 21, {}}) == 4);  // what rose at 21 is missing
    CHECK(say(Hello{6, {{id, 6}}, {}, 0, {7, 30}}) == 6);
    CHECK(say(Hello{7, {{id, 9}}, {}, 0, {8, 40}, 30, {}}) == 6);  // of another engine
    CHECK(say(Hello{8, {{id, 6}}, {}, 0, {7, 30}}) == 6);
    CHECK(say(Hello{9, {{id, 9}}, {}, 0, {7, 40}, 30, {}}) == 9);
    CHECK(mesh.disconnects == 0);
}

TEST_CASE("what is remembered of peers is bounded; the latest stay") {
    Pasts pasts(10);
    Origins origins;
    const auto past = [&](std::size_t lines) {
        Past of{{1, 1}, {}};
        for (std::size_t i = 0; i < lines; ++i) of.known.raise(origins, origins.intern({{std::uint8_t(i)}, 1}, 0), 1);
        return of;
    };
    for (std::uint8_t i = 1; i <= 4; ++i) {
        pasts.remember({i}, past(3));
        pasts.check();
    }
    CHECK(pasts.lines() == 9);
    CHECK_FALSE(pasts.recall({1}));
    CHECK(pasts.recall({2}));
    CHECK_FALSE(pasts.recall({2}));
    pasts.remember({3}, past(2));
    CHECK(pasts.lines() == 5);
    pasts.remember({5}, past(11));
    pasts.check();
    CHECK(pasts.size() == 2);
    pasts.remember({6}, past(7));
    CHECK_FALSE(pasts.recall({4}));
    CHECK(pasts.recall({3}));
}
