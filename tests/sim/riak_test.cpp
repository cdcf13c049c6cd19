// The regression that Riak's ORSWOT met (riak_dt #89): add x@a; add x@b; a→c; rem x@a; b→a; rem x@b; merge. Both adds
// were removed by somebody who had seen them, so x must be absent; a merge that forgets c's older copy revives it.
#include <doctest/doctest.h>

#include "crdt/codec.hpp"
#include "crdt/difference.hpp"
#include "crdt/views.hpp"
#include "sim/world.hpp"

using namespace starling;
using namespace starling::crdt;

namespace {

const Bytes element = pack_str("x");

struct Node {
    explicit Node(std::uint8_t name) { replica.begin_life({{name}, name}); }

    Changeset write(bool add) {
        Transaction tx(replica, ++stamp);
        add ? Set::add(tx, "s", element) : Set::remove(tx, "s", element);
        REQUIRE(bool(tx.commit()));
        return *replica.cut();
    }
    void hear(const Changeset& changeset) {
        const auto body = decode_body(changeset);
        REQUIRE_FALSE(replica.missing(changeset, body));
        static_cast<void>(replica.apply(changeset, body));
    }
    void merge(const Node& other) {
        const auto difference = answer(other.replica, replica.state().version(), {});
        REQUIRE(bool(valid_difference(replica, difference)));
        static_cast<void>(apply_difference(replica, difference));
    }
    bool has_x() const { return Set::contains(replica.state(), "s", element); }

    Replica replica{0};
    Stamp stamp = 1;
};

}  // namespace

TEST_CASE("riak: by changesets") {
    Node a(1), b(2), c(3);
    const auto add_a = a.write(true), add_b = b.write(true);
    c.hear(add_a);
    const auto remove_a = a.write(false);
    a.hear(add_b);
    const auto remove_b = b.write(false);
    c.hear(remove_a);
    CHECK(a.has_x());  // b's add was concurrent with a's removal
    a.hear(remove_b);
    c.hear(add_b);
    CHECK(c.has_x());
    c.hear(remove_b);
    b.hear(add_a);
    b.hear(remove_a);
    for (const auto* node : {&a, &b, &c}) {
        CHECK_FALSE(node->has_x());
        CHECK(node->replica.state().fingerprint() == a.replica.state().fingerprint());
        node->replica.check();
    }
}

TEST_CASE("riak: by state diffs") {
    Node a(1), b(2), c(3);
    a.write(true);
    b.write(true);
    c.merge(a);
    a.write(false);
    a.merge(b);
    b.write(false);
    a.merge(c);
    CHECK(a.has_x());
    b.merge(a);
    CHECK_FALSE(b.has_x());
    a.merge(b);
    c.merge(b);
    for (const auto* node : {&a, &b, &c}) {
        CHECK_FALSE(node->has_x());
        CHECK(node->replica.state().fingerprint() == a.replica.state().fingerprint());
        node->replica.check();
    }
}

TEST_CASE("riak: through the whole peer, over links, out of the log and by diffs") {
    constexpr sim::Place a = 0, b = 1, c = 2;
    for (const std::size_t log_bytes_max : {std::size_t{1} << 20, std::size_t{0}}) {
        sim::WorldOptions options;
        options.edges = {{a, b}, {a, c}, {b, c}};
        options.limits.log_bytes_max = log_bytes_max;
        sim::World world(options, sim::Random(1));
        for (const auto& [p, q] : options.edges) world.network().block(p, q);
        world.start();
        const auto write = [&](sim::Place place, bool add) {
            world.write(
                place, [&](Transaction& tx) { add ? Set::add(tx, "s", element) : Set::remove(tx, "s", element); },
                [](const Result<peer::Commit>& commit) { REQUIRE(bool(commit)); });
        };
        const auto pass_s = [&](std::uint64_t seconds) {
            const auto until_us = world.now_us() + seconds * 1'000'000;
            world.at(until_us, [] {});
            while (world.step(until_us)) {
            }
        };
        const auto meet = [&](sim::Place p, sim::Place q) {
            world.network().unblock(p, q);
            pass_s(20);
            world.network().block(p, q);
            pass_s(5);
        };
        const auto has_x = [&](sim::Place place) { return Set::contains(world.peer(place)->state(), "s", element); };
        write(a, true);
        write(b, true);
        meet(a, c);
        CHECK(has_x(c));
        write(a, false);
        CHECK_FALSE(has_x(a));
        meet(a, b);
        CHECK(has_x(a));
        write(b, false);
        CHECK(has_x(c));
        meet(a, c);
        for (const auto& [p, q] : options.edges) world.network().unblock(p, q);
        pass_s(30);
        for (const auto place : {a, b, c}) {
            CHECK_FALSE(has_x(place));
            CHECK(world.peer(place)->state().fingerprint() == world.peer(a)->state().fingerprint());
        }
        world.check();
    }
}
