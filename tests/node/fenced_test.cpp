// Maps whose writes name a token: an old holder's late writes lose everywhere.
#include <thread>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

/// Two nodes that do not hear each other until `meet`.
struct Apart : Pair {
    Apart() {
        REQUIRE(a.wait_synced(patience));
        a.block_peers({b.id()});
        b.block_peers({a.id()});
        const auto end = std::chrono::steady_clock::now() + patience;
        while ((!a.peers().empty() || !b.peers().empty()) && std::chrono::steady_clock::now() < end)
            std::this_thread::sleep_for(2ms);
        REQUIRE((a.peers().empty() && b.peers().empty()));
    }
    void meet() const {
        a.block_peers({});
        b.block_peers({});
        settle();
    }
};

}  // namespace

TEST_CASE("writes under a lower token lose on every node, whichever came later") {
    Apart pair;
    const auto here = pair.a.fenced_map<std::string, int>("jobs"), there = pair.b.fenced_map<std::string, int>("jobs");
    there.put(2, "both", 20);
    there.put(2, "erased", 20);
    there.erase(2, "erased");
    there.put(1, "same", 1);
    here.put(3, "other way", 30);
    // The old holder has not heard of it, and its clock is later.
    std::this_thread::sleep_for(5ms);
    here.put(1, "both", 10);
    here.put(1, "erased", 10);
    here.put(1, "same", 2);
    there.put(2, "other way", 20);
    CHECK(here.get("both") == 10);
    pair.meet();
    for (const auto& map : {here, there}) {
        CHECK(map.get("both") == 20);
        CHECK(map.token("both") == 2);
        CHECK_FALSE(map.contains("erased"));
        CHECK(map.token("erased") == 2);
        CHECK(map.get("same") == 2);  // of one token the newest
        CHECK(map.get("other way") == 30);
        CHECK(map.items() == std::vector<std::pair<std::string, int>>{{"both", 20}, {"same", 2}, {"other way", 30}});
        CHECK(map.token("nothing") == 0);
    }
    // Who knows better is told.
    CHECK(code_of([&] { here.put(1, "both", 11); }) == Errc::fenced);
    CHECK(code_of([&] { here.erase(1, "erased"); }) == Errc::fenced);
    CHECK(code_of([&] { here.put(1, "erased", 11); }) == Errc::fenced);
    CHECK(code_of([&] { here.put(0, "both", 11); }) == Errc::invalid_argument);
    here.put(2, "both", 21);
    there.put(3, "erased", 31);
    pair.settle();
    CHECK(there.get("both") == 21);
    CHECK(here.get("erased") == 31);
}

TEST_CASE("fenced writes are part of transactions, whole or not at all") {
    Pair pair;
    const auto map = pair.a.fenced_map<int, std::string>("m");
    pair.a.transact([&](Tx& tx) {
        map.put(tx, 5, 1, "one");
        map.put(tx, 5, 2, "two");
        map.erase(tx, 6, 2);
        tx.add(pair.a.counter("n"), 1);
    });
    CHECK(map.get(1) == "one");
    CHECK_FALSE(map.contains(2));
    const auto late = [&] {
        pair.a.transact([&](Tx& tx) {
            tx.add(pair.a.counter("n"), 1);
            map.put(tx, 5, 1, "again");
            map.put(tx, 5, 2, "late");
        });
    };
    CHECK(code_of(late) == Errc::fenced);
    CHECK(pair.a.counter("n").value() == 1);
    CHECK(map.get(1) == "one");
    // What is no fenced entry reads as absent, and any token writes over it.
    pair.a.map<int, std::string>("m").put(7, "plain");
    CHECK_FALSE(map.contains(7));
    map.put(1, 7, "fenced");
    CHECK(map.get(7) == "fenced");
    pair.settle();
    CHECK(pair.b.fenced_map<int, std::string>("m").get(1) == "one");
}
