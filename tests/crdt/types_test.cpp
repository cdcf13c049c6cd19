// What each type reads after concurrent writes, over replicas that exchange changesets by hand.
#include <doctest/doctest.h>

#include "crdt/clock.hpp"
#include "crdt/codec.hpp"
#include "crdt/limits.hpp"
#include "crdt/views.hpp"

using namespace starling::crdt;

namespace {

/// A replica that keeps its changesets, so that tests deliver them when they like.
struct Node {
    explicit Node(std::uint8_t name) : replica(0) { replica.begin_life({{name}, name}); }

    template <class Write>
    void write(Write write) {
        Transaction tx(replica, clock.next(0));
        write(tx);
        REQUIRE(tx.commit());
        if (auto changeset = replica.cut()) log.push_back(std::move(*changeset));
        replica.check();
    }
    void write_at(Stamp wall, const Bytes& field, const Bytes& value) {
        Transaction tx(replica, clock.next(wall));
        Map::put(tx, "m", field, value);
        REQUIRE(tx.commit());
        log.push_back(*replica.cut());
    }
    /// Everything of `other` that is deliverable here, with what it depends on.
    void pull(const Node& other) {
        for (bool moved = true; moved;) {
            moved = false;
            for (const auto& changeset : other.seen_log()) {
                if (changeset.last() <= replica.state().seen(changeset.origin)) continue;
                const auto body = decode_body(changeset);
                if (replica.missing(changeset, body)) continue;
                replica.apply(changeset, body);
                foreign.push_back(changeset);
                replica.check();
                moved = true;
            }
        }
    }
    std::vector<Changeset> seen_log() const {
        auto all = log;
        all.insert(all.end(), foreign.begin(), foreign.end());
        return all;
    }
    const State& state() const { return replica.state(); }

    Replica replica;
    Clock clock;
    std::vector<Changeset> log, foreign;
};

void sync(Node& a, Node& b) {
    a.pull(b);
    b.pull(a);
    CHECK(a.state().version() == b.state().version());
    CHECK(a.state().fingerprint() == b.state().fingerprint());
}

const auto x = pack_str("x");

}  // namespace

TEST_CASE("counter: concurrent increments add up, and a new total supersedes only its own replica's") {
    Node a(1), b(2);
    a.write([](auto& tx) { Counter::add(tx, "c", 5); });
    b.write([](auto& tx) { Counter::add(tx, "c", -2); });
    sync(a, b);
    a.write([](auto& tx) { Counter::add(tx, "c", 10); });
    b.write([](auto& tx) { Counter::add(tx, "c", 100); });
    sync(a, b);
    CHECK(Counter::read(a.state(), "c") == 113);
    CHECK(a.state().live_count() == 2);
}

TEST_CASE("counter: overflow is refused when written and saturates when read") {
    Node a(1), b(2);
    a.write([](auto& tx) { Counter::add(tx, "c", INT64_MAX); });
    Transaction tx(a.replica, a.clock.next(0));
    Counter::add(tx, "c", 1);
    CHECK(tx.commit().fault().code == FaultCode::too_large);
    b.write([](auto& t) { Counter::add(t, "c", 5); });
    sync(a, b);
    CHECK(Counter::read(a.state(), "c") == INT64_MAX);
}

TEST_CASE("counter: nobody removes another replica's entry") {
    Node a(1), b(2);
    a.write([](auto& tx) { Counter::add(tx, "c", 5); });
    b.pull(a);
    {
        Transaction tx(b.replica, b.clock.next(0));
        tx.drop(slot_of(Type::counter, "c"));
        CHECK(tx.commit().fault().code == FaultCode::refused);
    }
    b.write([](auto& tx) { tx.put(slot_of(Type::counter, "c"), pack_int(3)); });  // as an add of 3: supersedes its own
    CHECK(Counter::read(b.state(), "c") == 8);
    Changeset lie;
    lie.origin = {{9}, 9};
    lie.first = lie.count = lie.depth = 1;
    lie.refs = {*a.replica.self()};
    Body body;
    body.add_removal(1, false, DotRuns{{1, 1}});
    lie.body = encode_body(lie, body);
    (void)a.replica.apply(lie, decode_body(lie));
    CHECK(Counter::read(a.state(), "c") == 5);
}

TEST_CASE("set: a concurrent add wins over a remove, an observed one does not") {
    Node a(1), b(2);
    a.write([](auto& tx) { Set::add(tx, "s", x); });
    sync(a, b);
    a.write([](auto& tx) { Set::remove(tx, "s", x); });
    b.write([](auto& tx) { Set::add(tx, "s", x); });
    sync(a, b);
    CHECK(Set::contains(a.state(), "s", x));
    b.write([](auto& tx) { Set::remove(tx, "s", x); });
    sync(a, b);
    CHECK_FALSE(Set::contains(a.state(), "s", x));
    CHECK(a.state().live_count() == 0);
}

TEST_CASE("the ORSWOT regression of Riak: a removed element does not come back through a third replica") {
    Node a(1), b(2), c(3);
    a.write([](auto& tx) { Set::add(tx, "s", x); });
    b.write([](auto& tx) { Set::add(tx, "s", x); });
    c.pull(a);
    a.write([](auto& tx) { Set::remove(tx, "s", x); });
    a.pull(b);
    b.write([](auto& tx) { Set::remove(tx, "s", x); });
    a.pull(c);
    b.pull(a);
    CHECK_FALSE(Set::contains(b.state(), "s", x));
    sync(a, c);
    sync(a, b);
    CHECK_FALSE(Set::contains(a.state(), "s", x));
}

TEST_CASE("map: among concurrent puts the highest stamp wins; what was observed loses whatever its stamp") {
    Node a(1), b(2);
    a.write_at(1000, x, pack_int(1));
    b.write_at(2000, x, pack_int(2));
    sync(a, b);
    CHECK(Map::get(a.state(), "m", x) == pack_int(2));
    a.write_at(0, x, pack_int(3));  // the clock of `a` is behind, and yet it has seen the other write
    sync(a, b);
    CHECK(Map::get(b.state(), "m", x) == pack_int(3));
}

TEST_CASE("map: an erase drops what it observed, a concurrent put survives it") {
    Node a(1), b(2);
    a.write([](auto& tx) { Map::put(tx, "m", x, pack_int(1)); });
    sync(a, b);
    a.write([](auto& tx) { Map::erase(tx, "m", x); });
    b.write([](auto& tx) { Map::put(tx, "m", x, pack_int(2)); });
    sync(a, b);
    CHECK(Map::get(a.state(), "m", x) == pack_int(2));
}

TEST_CASE("register, multi-value and flag") {
    Node a(1), b(2);
    const auto both = [&](auto write_a, auto write_b) {
        a.write(write_a);
        b.write(write_b);
        sync(a, b);
    };
    both([](auto& tx) { Register::set(tx, "r", pack_int(1)); },
         [](auto& tx) { MultiValue::set(tx, "v", pack_int(1)); });
    both([](auto& tx) { MultiValue::set(tx, "v", pack_int(2)); },
         [](auto& tx) { MultiValue::set(tx, "v", pack_int(3)); });
    CHECK(Register::get(b.state(), "r") == pack_int(1));
    CHECK(MultiValue::get(a.state(), "v").size() == 2);
    both([](auto& tx) { MultiValue::set(tx, "v", pack_int(4)); }, [](auto& tx) { Flag::set(tx, "f", true); });
    CHECK(MultiValue::get(b.state(), "v") == std::vector{pack_int(4)});
    both([](auto& tx) { Flag::set(tx, "f", false); }, [](auto& tx) { Flag::set(tx, "f", true); });
    CHECK(Flag::read(a.state(), "f"));
    both([](auto& tx) { Flag::set(tx, "f", false); }, [](auto& tx) { Register::clear(tx, "r"); });
    CHECK_FALSE(Flag::read(a.state(), "f"));
    CHECK_FALSE(Register::get(a.state(), "r"));
}

TEST_CASE("journal: causes come before effects, and nothing but a trim removes") {
    Node a(1), b(2);
    a.write([](auto& tx) { Journal::append(tx, "j", pack_int(1)); });
    b.write([](auto& tx) { Journal::append(tx, "j", pack_int(2)); });
    sync(a, b);
    b.write([](auto& tx) { Journal::append(tx, "j", pack_int(3)); });
    a.pull(b);
    a.write([](auto& tx) { Journal::append(tx, "j", pack_int(4)); });
    sync(a, b);
    std::vector<std::int64_t> values;
    for (const auto* entry : Journal::read(b.state(), "j")) values.push_back(*integer_value(entry->value()));
    CHECK(values == std::vector<std::int64_t>{1, 2, 3, 4});
    {
        Transaction tx(b.replica, b.clock.next(0));
        tx.drop(slot_of(Type::journal, "j"));
        CHECK(tx.commit().fault().code == FaultCode::refused);
    }
    const auto second = Journal::read(b.state(), "j")[1]->dot();
    b.write([&](auto& tx) { tx.trim("j", second); });
    sync(a, b);
    CHECK(Journal::read(a.state(), "j").size() == 2);
}

TEST_CASE("a journal entry that waits in the window lies deeper than what arrives meanwhile") {
    Node a(1), b(2);
    {
        Transaction tx(a.replica, a.clock.next(0));
        Journal::append(tx, "j", pack_int(2));
        REQUIRE(tx.commit());
    }
    b.write([](auto& tx) { Journal::append(tx, "j", pack_int(1)); });
    a.pull(b);
    a.log.push_back(*a.replica.cut());
    sync(a, b);
    CHECK(integer_value(Journal::read(b.state(), "j").back()->value()) == 2);
}

TEST_CASE("types under one key never clash") {
    Node a(1);
    a.write([](auto& tx) {
        Counter::add(tx, "k", 1);
        Set::add(tx, "k", packed_nil());
        Register::set(tx, "k", pack_int(9));
        Journal::append(tx, "k", pack_int(7));
    });
    CHECK(Counter::read(a.state(), "k") == 1);
    CHECK(Set::contains(a.state(), "k", packed_nil()));
    CHECK(Register::get(a.state(), "k") == pack_int(9));
}

TEST_CASE("a void body does nothing, and its dots count") {
    Node a(1), b(2);
    a.write([](auto& tx) { Set::add(tx, "s", x); });
    auto bad = a.log[0];
    bad.body = Bytes("\x01\xc0", 2);
    const auto body = decode_body(bad);
    REQUIRE_FALSE(body);
    CHECK(b.replica.apply(bad, body).empty());
    CHECK(b.state().seen(bad.origin) == 1);
    CHECK(b.state().live_count() == 0);
}

TEST_CASE("stamps of strangers are clamped to a minute past the own clock") {
    Clock clock;
    CHECK_FALSE(clock.observe(1'000'000, 1'000'000));
    CHECK(clock.observe(UINT64_MAX / 2, 1'000'000));
    CHECK(clock.next(1'000'000) == 1'000'000 + clock_lead_us_max + 1);
}

TEST_CASE("malformed values read as their absence") {
    Node a(1);
    a.write([](auto& tx) { tx.put(slot_of(Type::counter, "c"), pack_str("not a number")); });
    CHECK(Counter::read(a.state(), "c") == 0);
    a.write([](auto& tx) { Counter::add(tx, "c", 4); });
    CHECK(Counter::read(a.state(), "c") == 4);
}

TEST_CASE("explain names the winner first") {
    Node a(1), b(2);
    a.write_at(1000, x, pack_int(1));
    b.write_at(2000, x, pack_int(2));
    sync(a, b);
    const auto reasons = explain(a.state(), slot_of(Type::map, "m", x));
    REQUIRE(reasons.size() == 2);
    CHECK(reasons[0].decides);
    CHECK(reasons[0].dot.replica == *b.replica.self());
    CHECK(reasons[0].stamp == 2000);
    CHECK_FALSE(reasons[1].decides);
}

TEST_CASE("coalescing drops superseded puts and keeps every removal") {
    Node a(1), b(2);
    a.write([](auto& tx) { Map::put(tx, "m", x, pack_int(0)); });
    b.pull(a);
    Transaction first(b.replica, b.clock.next(0));
    Map::put(first, "m", x, pack_int(1));
    REQUIRE(first.commit());
    Transaction second(b.replica, b.clock.next(0));
    Map::erase(second, "m", x);
    REQUIRE(second.commit());
    const auto changeset = *b.replica.cut();
    CHECK(changeset.count == 2);
    const auto body = decode_body(changeset);
    REQUIRE(body);
    CHECK(body->puts.empty());
    REQUIRE(body->removals.size() == 1);
    REQUIRE(body->removals[0].place == 1);
    CHECK(changeset.refs[0] == *a.replica.self());
    b.log.push_back(changeset);
    sync(a, b);
    CHECK(a.state().live_count() == 0);
}

TEST_CASE("a rolled back transaction leaves no trace") {
    Node a(1), b(2);
    a.write([](auto& tx) {
        Map::put(tx, "m", x, pack_int(0));
        Journal::append(tx, "j", pack_int(1));
    });
    b.pull(a);
    const auto before = b.state().fingerprint();
    {
        Transaction tx(b.replica, b.clock.next(0));
        Map::put(tx, "m", x, pack_int(1));
        Map::erase(tx, "m", x);
        Counter::add(tx, "c", 1);
        Journal::append(tx, "j", pack_int(2));
        tx.trim("j", Journal::read(b.state(), "j").front()->dot());
    }
    b.replica.check();
    CHECK(b.state().fingerprint() == before);
    CHECK_FALSE(b.replica.window_open());
}

TEST_CASE("a transaction that removes what too many replicas wrote fails whole, before peers would refuse it") {
    Node node(1);
    Replica& replica = node.replica;
    constexpr std::size_t lives = transaction_refs_max * 2 + 1;
    std::optional<Dot> last;
    for (std::size_t life = 1; life <= lives; ++life) {
        Changeset changeset;
        changeset.origin = {{7}, life};
        changeset.first = changeset.count = 1;
        changeset.depth = life;
        if (last) changeset.deps.push_back(*last);
        Body body;
        body.add_put(1, {Type::journal, "j", packed_nil()}, 1, pack_int(1));
        changeset.body = encode_body(changeset, body);
        (void)replica.apply(changeset, decode_body(changeset));
        last = Dot{changeset.origin, 1};
    }
    {
        Transaction tx(replica, node.clock.next(0));
        tx.trim("j", *last);
        const auto commit = tx.commit();
        REQUIRE_FALSE(commit);
        CHECK(commit.fault().code == FaultCode::too_large);
    }
    replica.check();
    CHECK(node.state().live_count() == lives);
    // Two that are within the limit always fit one window, one after the other.
    for (std::size_t upto : {transaction_refs_max, 2 * transaction_refs_max}) {
        REQUIRE_FALSE(Transaction::must_cut_first(replica));
        Transaction tx(replica, node.clock.next(0));
        tx.trim("j", {{{7}, upto}, 1});
        REQUIRE(tx.commit());
    }
    CHECK(Transaction::must_cut_first(replica));
    const auto changeset = replica.cut();
    REQUIRE(changeset);
    CHECK(changeset->refs.size() == changeset_refs_max);
    CHECK(valid_header(*changeset));
    CHECK(decode_body(*changeset));
    CHECK(node.state().live_count() == 1);
}
