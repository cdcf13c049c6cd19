#include <doctest/doctest.h>

#include "gossip/wire.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::testing;

TEST_CASE("on a full mesh the origin sends to all and nobody forwards") {
    Mesh mesh(5);
    mesh.link_all();
    mesh.run();
    const auto before = mesh[0].status().counters.changesets_sent;
    (void)mesh.write(0, put("a", 1));
    mesh.run();
    CHECK(mesh.equal());
    CHECK(mesh[0].status().counters.changesets_sent == before + 4);
    for (std::size_t i = 1; i < 5; ++i) {
        CHECK(mesh[i].status().full_mesh);
        CHECK(mesh[i].status().counters.changesets_sent == 0);
        CHECK(mesh[i].status().counters.changesets_redundant == 0);
        CHECK(mesh[i].synced());
    }
}

TEST_CASE("on a path every node forwards to the next, once") {
    Mesh mesh(4);
    for (std::size_t i = 0; i < 3; ++i) mesh.link(i, i + 1);
    mesh.run();
    (void)mesh.write(0, put("a", 1));
    mesh.run();
    CHECK(mesh.equal());
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(mesh[i].status().counters.changesets_sent == (i < 3 ? 1 : 0));
        CHECK(mesh[i].status().counters.changesets_redundant == 0);
    }
}

TEST_CASE("pushes that gather leave as one frame, and not to a peer that sent the same meanwhile") {
    constexpr std::uint64_t hour_us = 3'600'000'000;
    gossip::Limits limits;
    limits.push_window_us = limits.digest_busy_us = limits.digest_busy_wide_us = limits.digest_idle_us = hour_us;
    Mesh mesh(4, limits);  // a square with one diagonal: five links, a flood crosses seven times
    for (std::size_t i = 0; i < 4; ++i) mesh.link(i, (i + 1) % 4);
    mesh.link(0, 2);
    mesh.run();
    for (int i = 0; i < 3; ++i) {
        (void)mesh.write(0, put("a", i));
        mesh.run(10'000);  // longer than the flush window: three changesets
    }
    const auto frames = mesh.frames;
    CHECK(mesh[0].status().counters.changesets_sent == 0);
    std::size_t crossings = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        mesh.handle(i, gossip::Flush{});
        mesh.run(4'000);  // in all less than a request to stop waits
        crossings += mesh[i].status().counters.changesets_sent;
    }
    CHECK(mesh.equal());
    CHECK(crossings == 3 * 5);         // every link once
    CHECK(mesh.frames == frames + 5);  // all three together
}

TEST_CASE(
    "what gathers is pushed when its window ends, with the own writes, and who hears of it before does not pull") {
    gossip::Limits limits;
    limits.push_window_us = 200'000;  // longer than a peer waits before it pulls
    limits.flush_window_us = 3'600'000'000;
    SUBCASE("the window ends first") {}
    SUBCASE("the digest is due first") {
        limits.digest_busy_us = limits.digest_busy_wide_us = 20'000;
    }
    Mesh mesh(3, limits);
    for (std::size_t i = 0; i < 2; ++i) mesh.link(i, i + 1);
    mesh.run();
    (void)mesh.write(0, put("a", 1));
    mesh.handle(0, gossip::Flush{});
    (void)mesh.write(1, put("b", 2));  // its window stays open by itself for an hour
    mesh.run(500'000);
    CHECK(mesh.equal());
    CHECK(mesh.state(2).live_count() == 2);
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(mesh[i].status().counters.pulls == 0);
        CHECK(mesh[i].status().counters.changesets_redundant == 0);
    }
}

TEST_CASE("what gathers for a link fills one frame at most: more of it does not wait for the window to end") {
    constexpr std::uint64_t hour_us = 3'600'000'000;
    constexpr int writes = 50;
    gossip::Limits limits;
    limits.push_window_us = limits.digest_busy_us = limits.digest_busy_wide_us = limits.digest_idle_us = hour_us;
    limits.frame_changesets_bytes_max = 1'000;
    Mesh mesh(2, limits);
    mesh.link(0, 1);
    mesh.run();
    for (int i = 0; i < writes; ++i) {
        (void)mesh.write(0, put(std::to_string(i).c_str(), i));
        mesh.run(10'000);  // longer than the flush window: a changeset each
    }
    CHECK(mesh.state(1).live_count() > writes / 2);
    CHECK(mesh.state(1).live_count() < writes);
    mesh.handle(0, gossip::Flush{});
    mesh.run(10'000);
    CHECK(mesh.equal());
}

TEST_CASE("a settled peer has no window: its version and its fingerprint are of one instant") {
    Mesh mesh(2);
    mesh.link(0, 1);
    mesh.run();
    (void)mesh.write(0, put("a", 1));
    mesh.run();
    (void)mesh.write(0, put("a", 2));
    REQUIRE(mesh[0].replica().window_open());
    CHECK(mesh[0].settle(mesh.now()));
    CHECK_FALSE(mesh[0].settle(mesh.now()));
    const auto print = mesh.state(0).fingerprint();
    CHECK(mesh.state(0).version() == mesh[0].version());
    mesh.handle(0, gossip::Written{});
    mesh.run();
    CHECK(mesh.equal());
    CHECK(mesh.state(1).fingerprint() == print);
}

TEST_CASE("what was written apart is pulled out of the logs, once") {
    Mesh mesh(3);
    for (int i = 0; i < 50; ++i) {
        for (std::size_t n = 0; n < 3; ++n) (void)mesh.write(n, put(std::to_string(i % 20).c_str(), i));
        mesh.run(5'000);
    }
    mesh.link_all();
    mesh.run(3'000'000);
    CHECK(mesh.equal());
    for (std::size_t n = 0; n < 3; ++n) {
        CHECK(mesh[n].status().counters.diffs == 0);
        CHECK(mesh[n].status().counters.changesets_redundant == 0);
        CHECK(mesh[n].synced());
    }
}

TEST_CASE("where the log no longer serves, a state diff brings both sides level") {
    gossip::Limits limits;
    limits.log_bytes_max = 4096;
    limits.diff_part_bytes_max = 700;  // many parts
    Mesh mesh(2, limits);
    mesh.link(0, 1);
    for (int i = 0; i < 40; ++i) (void)mesh.write(0, put(std::to_string(i).c_str(), i));
    mesh.run();
    REQUIRE(mesh.equal());
    mesh.unlink(0, 1);
    for (int i = 0; i < 200; ++i) {
        (void)mesh.write(0, put(std::to_string(i % 60).c_str(), i));
        (void)mesh.write(1, [&](Transaction& tx) { Map::erase(tx, "map", pack_str(std::to_string(i % 30))); });
        (void)mesh.write(1, [&](Transaction& tx) { Journal::append(tx, "log", pack_int(i)); });
        mesh.run(5'000);
    }
    mesh.link(0, 1);
    mesh.run(5'000'000);
    CHECK(mesh.equal());
    CHECK(mesh[0].status().counters.diffs + mesh[1].status().counters.diffs >= 1);
    CHECK(mesh[0].status().counters.diffs_failed == 0);
    CHECK(mesh[0].status().staged_bytes == 0);
    CHECK(mesh[1].status().staged_bytes == 0);
    CHECK(Journal::read(mesh.state(0), "log").size() == 200);
    (void)mesh.write(0, put("after", 1));  // stamps are decoded right after the diff
    (void)mesh.write(1, put("after", 2));
    mesh.run();
    CHECK(mesh.equal());
}

TEST_CASE("entries of a diff that a dying link cut short are not sent again") {
    gossip::Limits limits;
    limits.log_bytes_max = 1;
    limits.diff_part_bytes_max = 2'000;
    Mesh mesh(2, limits);
    for (int i = 0; i < 1000; ++i) (void)mesh.write(0, put(std::to_string(i).c_str(), i));
    mesh.run(10'000);
    std::size_t frames = 0;
    mesh.drop = [&](const Bytes&) { return ++frames > 20; };
    mesh.link(0, 1);
    mesh.run(100'000);
    const auto first = mesh.bytes;
    CHECK(mesh[1].status().staged_bytes > 0);
    mesh.unlink(0, 1);
    mesh.drop = nullptr;
    mesh.link(0, 1);
    mesh.run(3'000'000);
    CHECK(mesh.equal());
    Mesh whole(2, limits);
    for (int i = 0; i < 1000; ++i) (void)whole.write(0, put(std::to_string(i).c_str(), i));
    whole.run(10'000);
    whole.link(0, 1);
    whole.run(3'000'000);
    CHECK(whole.equal());
    CHECK(mesh.bytes - first < whole.bytes);
}

TEST_CASE("a reborn node takes another life and catches up") {
    Mesh mesh(3);
    mesh.link_all();
    (void)mesh.write(2, put("a", 1));
    mesh.run();
    const auto before = *mesh[2].replica().self();
    mesh.reborn(2);
    mesh.link(0, 2);
    mesh.link(1, 2);
    (void)mesh.write(2, put("b", 2));
    mesh.run(2'000'000);
    CHECK(mesh.equal());
    CHECK(mesh[2].replica().self()->node == before.node);
    CHECK(mesh[2].replica().self() != before);
    CHECK(Map::items(mesh.state(2), "map").size() == 2);
}

TEST_CASE("lost definitions and lost hellos heal") {
    Mesh mesh(2);
    std::size_t frames = 0;
    mesh.drop = [&](const Bytes&) { return ++frames % 3 != 0; };
    mesh.link(0, 1);
    for (int i = 0; i < 30; ++i) {
        (void)mesh.write(0, put("a", i));
        (void)mesh.write(1, put("b", i));
        mesh.run(50'000);
    }
    mesh.drop = nullptr;
    mesh.run(10'000'000);
    CHECK(mesh.equal());
    CHECK(mesh.disconnects == 0);
}

TEST_CASE("transactions within a window travel as one changeset, and watchers see each whole") {
    Mesh mesh(2);
    mesh.link(0, 1);
    mesh.run();
    mesh.deliveries.clear();
    for (int i = 0; i < 10; ++i) {
        (void)mesh.write(0, [&](Transaction& tx) {
            Counter::add(tx, "count", 1);
            Set::add(tx, "set", pack_int(i));
        });
    }
    mesh.run();
    CHECK(mesh.equal());
    CHECK(mesh.deliveries[0].size() == 10);
    REQUIRE(mesh.deliveries[1].size() == 1);
    CHECK(mesh.deliveries[1][0].changes.size() == 11);
    CHECK(Counter::read(mesh.state(1), "count") == 10);
}

TEST_CASE("a faulty transaction changes nothing and takes no dot") {
    Mesh mesh(2);
    mesh.link(0, 1);
    (void)mesh.write(0, put("a", 1));
    mesh.run();
    const auto version = mesh[0].version();
    const auto fingerprint = mesh.state(0).fingerprint();
    CHECK_FALSE(mesh.write(0, [](Transaction& tx) {
        Map::put(tx, "map", pack_str("a"), pack_int(2));
        Map::put(tx, "map", pack_str("b"), Bytes(200 * 1024, 'x'));
    }));
    CHECK_FALSE(mesh.write(0, [](Transaction& tx) { Map::put(tx, "$mesh/members", pack_str("me"), pack_int(1)); }));
    CHECK_THROWS_AS((void)mesh.write(0,
                                     [](Transaction& tx) {
                                         Map::erase(tx, "map", pack_str("a"));
                                         throw 7;
                                     }),
                    int);
    mesh.run();
    CHECK(mesh[0].version() == version);
    CHECK(mesh.state(0).fingerprint() == fingerprint);
    CHECK(mesh.equal());
}

TEST_CASE("garbage on a link ends the link and changes nothing") {
    Mesh mesh(2);
    mesh.link(0, 1);
    (void)mesh.write(0, put("a", 1));
    mesh.run();
    const auto fingerprint = mesh.state(1).fingerprint();
    for (const Bytes& bytes : {Bytes(), Bytes(1, '\xc1'), Bytes(300, '\x91'), Bytes("\x95\x01\x00\x00\x90", 5),
                               Bytes("\xdd\xff\xff\xff\xff", 5)}) {
        mesh.handle(1, gossip::Received{mesh.name(0), bytes});
    }
    CHECK(mesh.disconnects == 5);
    CHECK(mesh.state(1).fingerprint() == fingerprint);
}

TEST_CASE("the same inputs give the same bytes") {
    const auto story = [] {
        Mesh mesh(4);
        mesh.link_all();
        for (int i = 0; i < 20; ++i) {
            (void)mesh.write(std::size_t(i % 4), put("x", i));
            mesh.run(1'000);
        }
        mesh.run();
        return std::tuple(mesh.frames, mesh.bytes, mesh.state(0).fingerprint());
    };
    CHECK(story() == story());
}

TEST_CASE("equal versions with unequal states are a fault, once, and a state diff is asked for") {
    Mesh mesh(1);
    REQUIRE(mesh.write(0, put("f", 1)));
    mesh.handle(0, gossip::Flush{});
    const NodeKey liar{9};
    mesh.handle(0, gossip::LinkUp{liar});
    const auto& state = mesh.state(0);
    gossip::RefSender refs;
    const auto say = [&](Fingerprint fingerprint) {
        mesh.handle(0,
                    gossip::Received{liar, gossip::encode(0, gossip::Hello{1, state.version(), fingerprint, 0}, refs)});
        return mesh[0].status().counters;
    };
    CHECK(say(state.fingerprint()).faults == 0);
    for (int time = 0; time < 2; ++time) {
        const auto counters = say({1, 2});
        CHECK(counters.faults == 1);
        CHECK(counters.diffs == 1);
    }
}
