// Advisory locks: a courtesy among nodes that hear each other, and no exclusion among those that do not.
#include <thread>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

template <class Holds>
bool soon(Holds holds) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

}  // namespace

TEST_CASE("whoever has heard of another does not take it") {
    const Pair pair;
    auto here = pair.a.advisory_lock("desk", 1h), there = pair.b.advisory_lock("desk", 1h);
    CHECK_FALSE(here.state().holder);
    CHECK_FALSE(here.renew());
    CHECK(here.take("Ann"));
    CHECK(here.take("Ann, still"));
    CHECK(here.held());
    pair.settle();
    CHECK_FALSE(there.take());
    CHECK(there.state().holder == pair.a.id());
    CHECK(there.state().note == "Ann, still");
    CHECK_FALSE(there.state().mine);
    there.release();  // it has nothing
    pair.settle();
    CHECK(here.renew());
    here.release();
    CHECK_FALSE(here.held());
    pair.settle();
    CHECK(there.take());
    CHECK(there.held());
}

TEST_CASE("apart both take it; together the later word stands, and the other sees that") {
    const Pair pair;
    REQUIRE(pair.a.wait_synced(patience));
    pair.a.block_peers({pair.b.id()});
    REQUIRE(soon([&] { return pair.a.peers().empty() && pair.b.peers().empty(); }));
    auto here = pair.a.advisory_lock("desk", 1h), there = pair.b.advisory_lock("desk", 1h);
    CHECK(here.take());
    std::this_thread::sleep_for(5ms);
    CHECK(there.take());
    CHECK(here.held());
    CHECK(there.held());
    pair.a.block_peers({});
    pair.settle();
    CHECK(there.held());
    CHECK_FALSE(here.held());
    CHECK_FALSE(here.renew());
    CHECK(here.state().holder == pair.b.id());
}

TEST_CASE("whoever is silent for its time to live is followed, and not sooner") {
    const Pair pair;
    auto here = pair.a.advisory_lock("desk", 400ms), there = pair.b.advisory_lock("desk", 1h);
    CHECK(here.take());
    pair.settle();
    const auto first = std::chrono::steady_clock::now();
    CHECK_FALSE(there.take());  // its first look, from which it counts
    REQUIRE(soon([&] { return there.take(); }));
    CHECK(std::chrono::steady_clock::now() - first >= 400ms);
    CHECK_FALSE(here.held());
    pair.settle();
    CHECK_FALSE(here.renew());
}

TEST_CASE("what is no word is none, and what cannot be is refused") {
    const auto node = lone();
    const auto said = node.reg<Value>("desk");
    auto desk = node.advisory_lock("desk", 1h);
    const Bytes name(32);
    for (const Value& wrong : {Value(7), Value(Value::Array{}), Value(Value::Array{name, 1, 1, 1'000, 5}),
                               Value(Value::Array{Bytes(3), 1, 1, 1, ""}), Value(Value::Array{name, 1, 1, -1, ""}),
                               Value(Value::Array{name, 1, 1, INT64_MAX, ""})}) {
        said.set(wrong);
        CHECK_FALSE(desk.state().holder);
    }
    CHECK(desk.take());
    said.set(Value::Array{name, 1, INT64_MAX, 86'400'000, "another"});
    CHECK_FALSE(desk.take());
    CHECK_FALSE(desk.held());
    CHECK(code_of([&] { desk.take(std::string(lock_note_bytes_max + 1, 'x')); }) == Errc::too_large);
    CHECK(code_of([&] { node.advisory_lock("desk", 99ms); }) == Errc::invalid_argument);
    CHECK(code_of([&] { node.advisory_lock("desk", 25h); }) == Errc::invalid_argument);
}
