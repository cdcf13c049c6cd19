#include <thread>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

// Run under the thread sanitizer too (scripts/test --full).

namespace {

constexpr int rounds = 300;

}  // namespace

TEST_CASE("many threads write, read, watch and wait at once, on two linked nodes") {
    Pair nodes;
    std::atomic<bool> stop = false;
    std::atomic<std::int64_t> heard = 0;
    std::vector<std::thread> writers, others;
    for (auto* node : {&nodes.a, &nodes.b}) {
        for (int writer = 0; writer < 3; ++writer) {
            writers.emplace_back([node, writer] {
                const auto counter = node->counter("count");
                const auto even = node->counter("even");
                const auto odd = node->counter("odd");
                const auto map = node->map<int, std::string>("map");
                for (int round = 0; round < rounds; ++round) {
                    counter.add(1);
                    map.put(round, "writer " + std::to_string(writer));
                    node->transact([&](auto& tx) {
                        tx.add(even, 1);
                        tx.add(odd, 1);
                    });
                }
            });
        }
        others.emplace_back([node, &stop] {
            const auto even = node->counter("even");
            while (!stop) {
                // Always written together, so always read together.
                node->transact([&](auto& tx) { CHECK(tx.value(even) == node->counter("odd").value()); });
                (void)node->map<int, std::string>("map").items();
                (void)node->status();
                (void)node->keys();
                (void)node->explain(Type::counter, "count");
            }
        });
        others.emplace_back([node, &stop, &heard] {
            while (!stop) {
                const auto watching = node->watch("", [&heard](const Changes& changes) {
                    for (const auto& change : changes) heard += change.value.has_value() ? 1 : 0;
                });
                node->wait_synced(2ms);
                node->flush();
            }
        });
    }
    for (auto& writer : writers) writer.join();
    stop = true;
    for (auto& other : others) other.join();
    nodes.settle();
    for (const auto* node : {&nodes.a, &nodes.b}) {
        CHECK(node->counter("count").value() == 2 * 3 * rounds);
        CHECK(node->counter("even").value() == 2 * 3 * rounds);
        CHECK(node->map<int, std::string>("map").size() == rounds);
    }
}

TEST_CASE("a watcher hears every local transaction once, in an order that its values show") {
    const auto node = lone();
    const auto counter = node.counter("count");
    std::vector<std::int64_t> heard;
    Signal all;
    const auto watching = counter.watch([&](std::int64_t value) {
        heard.push_back(value);
        if (value == 4 * rounds) all.raise();
    });
    std::vector<std::thread> writers;
    for (int writer = 0; writer < 4; ++writer) {
        writers.emplace_back([&counter] {
            for (int round = 0; round < rounds; ++round) counter.add(1);
        });
    }
    for (auto& writer : writers) writer.join();
    REQUIRE(all.wait());
    REQUIRE(heard.size() == 4 * rounds);
    for (std::size_t at = 0; at < heard.size(); ++at) CHECK(heard[at] == std::int64_t(at) + 1);
}

TEST_CASE("nodes open and close while others talk to them") {
    Pair nodes;
    for (int round = 0; round < 5; ++round) {
        const auto guest = Pair::joined_to(nodes.a);
        const auto counter = guest.counter("guests");
        std::thread writer([&counter] {
            for (int at = 0; at < 50; ++at) counter.add(1);
        });
        nodes.a.counter("host").add(1);
        writer.join();
        REQUIRE(nodes.a.wait_until(guest.version(), patience));
    }
    CHECK(nodes.a.counter("guests").value() == 250);
    nodes.settle();
}
