#include "sim/history.hpp"

#include <doctest/doctest.h>

#include "crdt/codec.hpp"
#include "crdt/views.hpp"
#include "sim/oracle.hpp"

using namespace starling;
using namespace starling::crdt;
using sim::History;
using sim::Operation;

namespace {

const ReplicaId a{{1}, 7}, b{{2}, 7};
const Slot x = slot_of(Type::set, "s", pack_str("x"));
const Slot total = slot_of(Type::counter, "n");
const Slot name = slot_of(Type::register_, "name");

Operation put(Slot slot, std::vector<Dot> observed = {}, Bytes value = packed_nil(), std::int64_t amount = 0) {
    return {std::move(slot), true, std::move(value), amount, std::move(observed)};
}
Operation drop(Slot slot, std::vector<Dot> observed) {
    return {std::move(slot), false, {}, 0, std::move(observed)};
}

}  // namespace

TEST_CASE("a removal takes what it observed and nothing else: the add that it did not see wins") {
    History history;
    CHECK_FALSE(history.record({a, 1, 10, {}, {put(x)}}));
    CHECK_FALSE(history.record({b, 1, 11, {}, {put(x)}}));
    CHECK_FALSE(history.record({a, 2, 12, {{a, 1}}, {drop(x, {{a, 1}})}}));
    CHECK(history.implied({{a, 1}}).live_count() == 1);
    CHECK(history.implied({{a, 2}}).live_count() == 0);
    const auto both = history.implied({{a, 2}, {b, 1}});
    REQUIRE(both.live.contains(x));
    CHECK(both.live.at(x).size() == 1);
    CHECK(both.live.at(x)[0].dot == Dot{b, 1});
}

TEST_CASE("counters are the sum of all amounts covered") {
    History history;
    CHECK_FALSE(history.record({a, 1, 10, {}, {put(total, {}, pack_int(5), 5)}}));
    CHECK_FALSE(history.record({a, 2, 11, {{a, 1}}, {put(total, {{a, 1}}, pack_int(3), -2)}}));
    CHECK_FALSE(history.record({b, 1, 10, {}, {put(total, {}, pack_int(40), 40)}}));
    CHECK(history.implied({{a, 1}}).counters.at("n") == 5);
    CHECK(history.implied({{a, 2}, {b, 1}}).counters.at("n") == 43);
}

TEST_CASE("among concurrent writes the last by stamp wins, then by replica") {
    History history;
    CHECK_FALSE(history.record({a, 1, 10, {}, {put(name, {}, pack_str("a"))}}));
    CHECK_FALSE(history.record({b, 1, 10, {}, {put(name, {}, pack_str("b"))}}));
    CHECK_FALSE(history.record({a, 2, 30, {{a, 1}}, {put(name, {{a, 1}}, pack_str("late"))}}));
    CHECK(history.implied({{a, 1}, {b, 1}}).winner(name)->operation->value == pack_str("b"));
    CHECK(history.implied({{a, 2}, {b, 1}}).winner(name)->operation->value == pack_str("late"));
    CHECK(history.implied({{a, 2}, {b, 1}}).newest_first(name).size() == 2);
    CHECK(history.implied({}).winner(name) == nullptr);
}

TEST_CASE("versions that no reader can be at are named") {
    History history;
    CHECK_FALSE(history.record({a, 1, 10, {}, {put(x), put(name)}}));
    CHECK_FALSE(history.record({b, 1, 11, {{a, 2}}, {drop(x, {{a, 1}})}}));
    CHECK_FALSE(history.impossible({{a, 2}}));
    CHECK_FALSE(history.impossible({{a, 2}, {b, 1}}));
    CHECK(history.impossible({{a, 1}})->find("inside a transaction") != std::string::npos);
    CHECK(history.impossible({{b, 1}})->find("without its cause") != std::string::npos);
    CHECK(history.impossible({{a, 3}})->find("nobody wrote") != std::string::npos);
}

TEST_CASE("a record that cannot be is refused") {
    History history;
    CHECK(history.record({a, 2, 10, {}, {put(x)}}));
    CHECK(history.record({a, 1, 10, {}, {}}));
    CHECK(history.record({a, 1, 10, {}, {drop(x, {{b, 1}})}}));
    CHECK_FALSE(history.record({a, 1, 10, {}, {put(x)}}));
    CHECK(history.written() == Version{{a, 1}});
}

// -- the judge judged: each planted fault must be found

namespace {

/// One replica that wrote, and the history that knows it.
struct Author {
    sim::Oracle oracle;
    Replica replica{0};
    Stamp stamp = 100;

    Author() { replica.begin_life(a); }

    template <class Write>
    void write(std::vector<Operation> operations, Write write) {
        const auto first = replica.state().seen(a) + 1;
        auto context = replica.state().version();
        Transaction tx(replica, ++stamp);
        write(tx);
        REQUIRE(bool(tx.commit()));
        REQUIRE_FALSE(oracle.history.record({a, first, stamp, std::move(context), std::move(operations)}));
        changesets.push_back(*replica.cut());
    }
    std::vector<Changeset> changesets;
    sim::Verdict verdict() { return oracle.judge(replica.state(), replica.state().version()); }
};

bool says(const sim::Verdict& verdict, const char* word) {
    return verdict && verdict->find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("an honest replica passes") {
    Author author;
    author.write({put(x)}, [](Transaction& tx) { Set::add(tx, "s", pack_str("x")); });
    author.write({put(total, {}, {}, 4)}, [](Transaction& tx) { Counter::add(tx, "n", 4); });
    author.write({drop(x, {{a, 1}})}, [](Transaction& tx) { Set::remove(tx, "s", pack_str("x")); });
    CHECK_FALSE(author.verdict());
}

TEST_CASE("planted: a write that is lost, a wrong value, a wrong sum, an entry that rises") {
    SUBCASE("lost") {
        Author author;
        author.write({put(x)}, [](Transaction& tx) { Set::add(tx, "s", pack_str("x")); });
        author.write({put(name)}, [](Transaction& tx) { Set::remove(tx, "s", pack_str("x")); });
        CHECK(says(author.verdict(), "lost"));
    }
    SUBCASE("wrong value") {
        Author author;
        author.write({put(name, {}, pack_str("one"))},
                     [](Transaction& tx) { Register::set(tx, "name", pack_str("two")); });
        CHECK(says(author.verdict(), "changed"));
    }
    SUBCASE("wrong sum") {
        Author author;
        author.write({put(total, {}, {}, 4)}, [](Transaction& tx) { Counter::add(tx, "n", 5); });
        CHECK(says(author.verdict(), "reads 5"));
    }
    SUBCASE("risen") {
        Author author;
        author.write({put(x)}, [](Transaction& tx) { Set::add(tx, "s", pack_str("x")); });
        author.write({put(name, {{a, 1}}, pack_str("n"))},
                     [](Transaction& tx) { Register::set(tx, "name", pack_str("n")); });
        CHECK(says(author.verdict(), "risen"));
    }
}

TEST_CASE("planted: a replica that drops one removal of a changeset") {
    Author author;
    author.write({put(x)}, [](Transaction& tx) { Set::add(tx, "s", pack_str("x")); });
    author.write({drop(x, {{a, 1}})}, [](Transaction& tx) { Set::remove(tx, "s", pack_str("x")); });
    Replica forgetful(0);
    for (const auto& changeset : author.changesets) {
        auto body = decode_body(changeset);
        REQUIRE(bool(body));
        body->removals.clear();
        static_cast<void>(forgetful.apply(changeset, body));
    }
    CHECK(says(author.oracle.judge(forgetful.state(), forgetful.state().version()), "risen"));
    CHECK(says(sim::judge_equals(forgetful.state(), author.replica.state()), "equal versions"));
}

TEST_CASE("planted: a reader that sees half a transaction") {
    Author author;
    const auto left = slot_of(Type::map, "pair", pack_str("left")),
               right = slot_of(Type::map, "pair", pack_str("right"));
    author.write({put(left, {}, pack_int(1)), put(right, {}, pack_int(1))}, [](Transaction& tx) {
        Map::put(tx, "pair", pack_str("left"), pack_int(1));
        Map::put(tx, "pair", pack_str("right"), pack_int(1));
    });
    CHECK(says(author.oracle.judge(author.replica.state(), {{a, 1}}), "inside a transaction"));
}
