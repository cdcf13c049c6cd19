// Meshes with many old lives: what is kept of them, and what two nodes say to each other until both know who has what.
#include <functional>
#include <random>

#include <doctest/doctest.h>

#include "gossip/matching.hpp"
#include "gossip/version_ranges.hpp"
#include "gossip/wire.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::gossip;
using namespace starling::testing;

namespace {

constexpr std::uint64_t lives_second_us = 1'000'000;

/// The lives of some nodes, in the order in which they began; one in `lives_per_entry` has left an entry.
constexpr std::size_t lives_per_node = 500, lives_per_entry = 50;

ReplicaId old_life(std::uint64_t number) {
    const auto node = number / lives_per_node;
    std::mt19937_64 random(number);
    return {{0xf0, std::uint8_t(node * 37), std::uint8_t(node >> 8), std::uint8_t(node)}, random()};
}

/// It depends on the one before, so that heads are few.
Changeset of_old_life(std::uint64_t number, const std::optional<Dot>& before) {
    Changeset changeset;
    changeset.origin = old_life(number);
    changeset.first = 1;
    changeset.count = 1 + number % 3;
    changeset.depth = 1;
    if (before) changeset.deps = {*before};
    Body body;
    if (number % lives_per_entry == 0)
        body.add_put(1, {Type::map, "m", pack_int(std::int64_t(number))}, 1'000 + number, pack_int(1));
    changeset.body = encode_body(changeset, body);
    return changeset;
}

using Lacks = std::function<bool(std::uint64_t number)>;

/// What came long ago from nodes that are gone: the lives of numbers `from` to `to`, without, but for some.
void live_through(Mesh& mesh, std::size_t node, std::uint64_t from, std::uint64_t to, const Lacks& lacks = {}) {
    constexpr std::uint64_t in_a_frame = 8'000;
    const NodeKey gone{250};
    mesh.handle(node, LinkUp{gone});
    RefSender refs;
    Changesets message;
    std::optional<Dot> before;
    for (auto number = from; number < to; ++number) {
        if (!lacks || !lacks(number)) {
            message.changesets.push_back(of_old_life(number, before));
            before = Dot{message.changesets.back().origin, message.changesets.back().last()};
        }
        if (message.changesets.size() < in_a_frame && number + 1 < to) continue;
        mesh.handle(node, Received{gone, encode(0, message, refs)});
        message.changesets.clear();
    }
    mesh.handle(node, LinkDown{gone});
    REQUIRE(mesh.state(node).seen(before->replica) == before->seq);
}

Limits short_logs() {
    Limits limits;
    limits.log_bytes_max = 64 * 1024;
    return limits;
}

/// What is said, by kind.
struct Traffic {
    explicit Traffic(Mesh& mesh) {
        mesh.drop = [this](const Bytes& frame) {
            largest = std::max(largest, frame.size());
            by_kind[std::uint8_t(frame[3])] += frame.size();
            total += frame.size();
            return lose && lose(frame);
        };
    }
    /// Hellos, digests, requests for hellos, ranges.
    std::size_t about_versions() { return by_kind[0] + by_kind[1] + by_kind[2] + by_kind[14]; }
    std::size_t largest = 0, total = 0;
    std::map<std::uint8_t, std::size_t> by_kind;
    std::function<bool(const Bytes&)> lose;
};

void check_in_step(Mesh& mesh, std::size_t nodes) {
    CHECK(mesh.equal());
    for (std::size_t i = 0; i < nodes; ++i) {
        CHECK(mesh[i].synced());
        CHECK(mesh[i].status().numbered_lives <= Limits{}.numbered_lives_max);
        for (const auto& link : mesh[i].status().links) CHECK(link.lag + link.behind == 0);
    }
}

}  // namespace

TEST_CASE("two nodes of 60,000 lives that never met find what differs, and no message is too long") {
    Mesh mesh(2, short_logs());
    live_through(mesh, 0, 0, 55'000);
    live_through(mesh, 1, 5'000, 60'000);
    Traffic traffic(mesh);
    mesh.link(0, 1);
    mesh.run(30 * lives_second_us);
    check_in_step(mesh, 2);
    CHECK(mesh.state(0).lives() == 60'000);
    CHECK(traffic.largest <= frame_bytes_max);
    CHECK(mesh[0].counters().diffs + mesh[1].counters().diffs >= 1);
    CHECK(mesh[0].counters().diffs_failed + mesh[1].counters().diffs_failed == 0);
    CHECK(mesh.disconnects == 0);
    MESSAGE("of 60,000 lives 10,000 differ: ", traffic.total, " bytes, about versions ", traffic.about_versions());
    REQUIRE(mesh.write(0, put("later", 1)));
    REQUIRE(mesh.write(1, put("later", 2)));
    mesh.run();
    check_in_step(mesh, 2);
}

TEST_CASE("a node without a past meets one of 60,000 lives") {
    Mesh mesh(2, short_logs());
    live_through(mesh, 0, 0, 60'000);
    Traffic traffic(mesh);
    mesh.link(0, 1);
    mesh.run(20 * lives_second_us);
    check_in_step(mesh, 2);
    CHECK(traffic.largest <= frame_bytes_max);
    CHECK(traffic.total < 60'000 * 30);
    CHECK(mesh[1].counters().diffs == 1);
    MESSAGE("an empty node meets 60,000 lives: ", traffic.total, " bytes, about versions ", traffic.about_versions());
}

TEST_CASE("what one link brings all at once, the others learn by ranges") {
    Mesh mesh(3, short_logs());
    REQUIRE(mesh.write(1, put("f", 1)));
    mesh.link(1, 2);
    mesh.run(lives_second_us);
    live_through(mesh, 0, 0, 18'000);
    mesh.link(0, 1);
    mesh.run(30 * lives_second_us);
    check_in_step(mesh, 3);
    REQUIRE(mesh.write(2, put("f", 2)));
    REQUIRE(mesh.write(0, put("f", 3)));
    mesh.run(lives_second_us);
    check_in_step(mesh, 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(mesh[i].status().numbered_lives <= 20);  // all others are quiet
}

TEST_CASE("where nearly all differs, a base goes in parts") {
    Mesh mesh(2, short_logs());
    live_through(mesh, 0, 0, 18'000);
    live_through(mesh, 1, 18'000, 36'000);
    Traffic traffic(mesh);
    std::size_t frames = 0;
    SUBCASE("") {}
    SUBCASE("also where frames are lost") {
        traffic.lose = [&](const Bytes&) { return ++frames % 11 == 0 && frames < 60; };
    }
    mesh.link(0, 1);
    mesh.run(120 * lives_second_us);
    check_in_step(mesh, 2);
    CHECK(traffic.largest <= frame_bytes_max);
    CHECK(traffic.by_kind[15] > 0);
    CHECK(mesh.disconnects == 0);
}

TEST_CASE("what few lives differ costs little, and what is equal a hash") {
    constexpr std::uint64_t common = 10'000;
    for (const std::uint64_t differ : {0, 1, 10, 1'000}) {
        CAPTURE(differ);
        Mesh mesh(2);
        // Here and there, and at both ends.
        const auto each = differ == 0 ? common + 1 : common / differ;
        for (std::uint64_t side = 0; side < 2; ++side) {
            live_through(mesh, side, 0, common, [&](std::uint64_t number) {
                return number % each == each / 2 && (number / each + side) % 2 == 0 && number / each < differ;
            });
        }
        Traffic traffic(mesh);
        mesh.link(0, 1);
        mesh.run();
        const auto until = traffic.about_versions();
        mesh.run(9 * lives_second_us);
        check_in_step(mesh, 2);
        CHECK(traffic.by_kind[0] == 0);
        CHECK(until <= (differ == 0 ? 160 : 2'500 + 700 * differ));
        MESSAGE(common, " lives and ", differ, " that differ: ", until, " bytes about versions, ", traffic.total,
                " in all");
    }
}

TEST_CASE("matchings go on while both sides write, and where frames are lost or come twice") {
    Mesh mesh(3, short_logs());
    live_through(mesh, 0, 0, 4'000);
    live_through(mesh, 1, 100, 4'100);
    live_through(mesh, 2, 50, 4'050);
    Traffic traffic(mesh);
    std::mt19937_64 random(5);
    bool lossy = true;
    traffic.lose = [&](const Bytes&) { return lossy && random() % 8 == 0; };
    mesh.link_all();
    for (int i = 0; i < 200; ++i) {
        REQUIRE(mesh.write(random() % 3, put("f", i)));
        mesh.run(lives_second_us / 20);
        if (i % 50 == 49) {
            mesh.unlink(0, 1);
            mesh.link(0, 1);
        }
    }
    lossy = false;
    mesh.run(60 * lives_second_us);
    CHECK(mesh.equal());
    for (std::size_t i = 0; i < 3; ++i) CHECK(mesh[i].synced());
}

TEST_CASE("numbers are given back when there are many") {
    auto limits = short_logs();
    limits.numbered_lives_max = 500;
    Mesh mesh(3, limits);
    mesh.link_all();
    for (std::uint64_t i = 0; i < 20; ++i) {
        live_through(mesh, i % 3, 100 * i, 100 * i + 100);
        mesh.run(lives_second_us);
    }
    mesh.run(20 * lives_second_us);
    CHECK(mesh.equal());
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(mesh[i].synced());
        CHECK(mesh[i].status().numbered_lives <= 500);
    }
}

TEST_CASE("what a matching found is believed only if it adds up") {
    Mesh mesh(1);
    live_through(mesh, 0, 0, 100);
    const NodeKey peer{9};
    mesh.handle(0, LinkUp{peer});
    RefSender refs;
    const auto say = [&](const Message& message) { mesh.handle(0, Received{peer, encode(0, message, refs)}); };
    say(Ranges{1, 0, GaveUp::no, {}, {}, RangesHead{1, {3, 4}, {}, 0, {5, 6}, 100}});
    say(Ranges{1, 2, GaveUp::no, {}, {}});  // all the rest is equal, though the hash is another
    CHECK_FALSE(mesh[0].synced());
    say(Ranges{1, 4, GaveUp::no, {{{}, false, 1}}, {}});  // of a matching that has ended
    say(Ranges{2, 0, GaveUp::no, {}, {}, RangesHead{2, mesh.state(0).version_hash(), {}, 0, {5, 6}, 100}});
    CHECK(mesh[0].synced());
    CHECK(mesh.disconnects == 0);
}

TEST_CASE("a stranger's matching ends by itself") {
    Mesh mesh(1);
    live_through(mesh, 0, 0, 2'000);
    const NodeKey peer{9};
    mesh.handle(0, LinkUp{peer});
    RefSender refs;
    const auto say = [&](const Message& message) { mesh.handle(0, Received{peer, encode(0, message, refs)}); };
    const RangesHead head{1, {3, 4}, {}, 0, {5, 6}, 2'000};
    say(Ranges{1, 0, GaveUp::no, {}, {}, head});
    for (std::uint64_t step = 2; step < 2 * matching_steps_max; step += 2)  // never content
        say(Ranges{1, step, GaveUp::no, {{{}, false, step}}, {}});
    say(Ranges{2, 0, GaveUp::no, {}, {}, head});
    for (std::uint64_t step = 2; step < 12; step += 2) {  // lines without end
        Ranges message{2, step, GaveUp::no, {{{}, false, step}}, {}};
        message.ranges.clear();
        for (std::uint64_t i = 0; i < 5'000; ++i) message.lines[{{1, std::uint8_t(step)}, i}] = 7;
        message.ranges.push_back({{{{2}, 0}, {}}, false, step});
        say(message);
    }
    CHECK(mesh[0].status().numbered_lives <= 2'000 + 10);
    CHECK(mesh.disconnects == 0);
}

TEST_CASE("two versions are told apart by their ranges, line by line") {
    std::mt19937_64 random(3);
    for (const std::uint64_t differ : {0, 1, 7, 300, 9'000}) {
        CAPTURE(differ);
        State states[2];
        for (std::uint64_t number = 0; number < 20'000 + differ; ++number) {
            const auto id = old_life(number);
            const auto at = random() % 3;  // at one of them, or at both with other seqs
            for (std::uint64_t side = 0; side < 2; ++side) {
                if (number >= 20'000 && at == side) continue;
                auto& origin = states[side].touch(id);
                states[side].raise(origin, 1 + number % 5 + (number >= 20'000 ? 7 * side : 0), 1);
            }
        }
        const Origins none;
        const Seqs now(true);
        const PinnedVersion pinned[2] = {{states[0], none, now}, {states[1], none, now}};
        Version found[2];
        std::vector<Range> ranges{{{}, false, 0}};
        Version lines;
        std::size_t messages = 0, side = 0;
        for (; !ranges.empty() || !lines.empty(); side = 1 - side) {
            RefSender refs;
            RefReceiver received;
            const Ranges message{1, 2 + messages, GaveUp::no, ranges, lines};
            const auto frame = encode(0, message, refs);
            CHECK(frame.size() <= frame_bytes_max / 4);
            REQUIRE(*decode(0, frame, received) == Message(message));
            auto next = answer_ranges(pinned[side], ranges, lines);
            for (const auto& [id, seq] : next.theirs) {
                REQUIRE(seq == states[1 - side].seen(id));
                REQUIRE(seq != states[side].seen(id));
                found[side][id] = seq;
            }
            const bool last = ranges.empty();
            ranges = std::move(next.ranges);
            lines = std::move(next.lines);
            if (last) break;
            REQUIRE(++messages < 200);
        }
        CHECK(found[0].size() == differ);
        CHECK(found[1].size() == differ);
    }
}

TEST_CASE("bounds are as short as they can be") {
    const ReplicaId a{{1, 2, 3}, 5}, b{{1, 2, 9, 9}, 7}, c{{1, 2, 9, 9}, 0x0102030405060708};
    CHECK(between(a, b) == ReplicaId{{1, 2, 9}, 0});
    CHECK(between(b, c) == ReplicaId{{1, 2, 9, 9}, 0x0100000000000000});
    CHECK(between(c, {{1, 2, 9, 9}, 0x0102030405060709}) == ReplicaId{{1, 2, 9, 9}, 0x0102030405060709});
}
