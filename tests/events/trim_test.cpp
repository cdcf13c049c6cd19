// Trimming: what is gone everywhere, who is told, and what is left of those who read on.
#include <thread>
#include <utility>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

std::vector<int> values_of(const EventPage<int>& page) {
    std::vector<int> values;
    for (const auto& event : page.events) values.push_back(event.value);
    return values;
}

std::string why(const auto& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

Projection<int, int> sum_of(const Events<int>& events, ProjectionOptions options = {}) {
    return {events, 0, [](int& sum, const auto& event) { sum += event.value; }, std::move(options)};
}

}  // namespace

TEST_CASE("the oldest events go, on every node, and a reader that came too late is told") {
    const Pair nodes;
    const auto log = nodes.a.journal<int>("log");
    for (int i = 1; i <= 10; ++i) log.append(i);
    nodes.settle();
    const auto there = nodes.b.journal<int>("log");
    const auto read_some = there.events().since({}, 4);
    const auto read_all = there.events().since({});
    CHECK(values_of(read_all).size() == 10);
    const auto commit = log.trim(3);
    CHECK(commit.wrote());
    CHECK_FALSE(log.trim(3).wrote());
    nodes.settle();
    CHECK(there.values() == std::vector<int>{8, 9, 10});
    // Who has read all misses nothing; who begins, begins with what there is.
    CHECK(there.events().since(read_all.next).events.empty());
    CHECK(values_of(there.events().since({})) == std::vector<int>{8, 9, 10});
    if (values_of(read_some).size() < 7) {  // unless one flush window held them all
        CHECK(code_of([&] { (void)there.events().since(read_some.next); }) == Errc::trimmed);
        const auto past = there.events().past_the_gap(read_some.next);
        CHECK(why([&] { (void)there.events().since(read_some.next); }).find(past.to_string()) != std::string::npos);
        CHECK(Cursor::parse(past.to_string()) == past);
        CHECK(values_of(there.events().since(past)).size() >= 3);
        CHECK(code_of([&] { (void)there.events().watch(read_some.next, [](const auto&) {}); }) == Errc::trimmed);
    }
    log.append(11);
    nodes.settle();
    CHECK(values_of(there.events().since(read_all.next)) == std::vector<int>{11});
}

TEST_CASE("by age; a trim of many is several transactions") {
    const auto node = lone();
    const auto log = node.journal<int>("log");
    const auto append_many = [&] {
        for (int i = 0; i < 5; ++i) log.append_all(std::vector<int>(2'000, 1));
    };
    append_many();
    CHECK_FALSE(log.trim(SIZE_MAX, 1h).wrote());
    std::this_thread::sleep_for(20ms);
    log.append(2);
    log.trim(SIZE_MAX, 10ms);
    CHECK(log.values().size() <= 1);
    append_many();
    log.trim(5);
    CHECK(log.values().size() == 5);
    log.trim(0);
    CHECK(log.values().empty());
    CHECK(node.keys().empty());  // a mark is no data
    CHECK(node.changes(node.version()).list.empty());
}

TEST_CASE("concurrent trims count together, and events that nobody had seen stay") {
    const Pair nodes;
    const auto here = nodes.a.journal<int>("log"), there = nodes.b.journal<int>("log");
    here.append_all({1, 2});
    nodes.settle();
    nodes.a.block_peers({nodes.b.id()});
    nodes.b.block_peers({nodes.a.id()});
    here.append_all({3, 4});
    there.append_all({5, 6});
    here.trim(1);   // leaves 4
    there.trim(1);  // leaves 6
    nodes.a.block_peers({});
    nodes.b.block_peers({});
    nodes.settle();
    auto left = here.values();
    std::sort(left.begin(), left.end());
    CHECK(left == std::vector<int>{4, 6});
    CHECK(here.values() == there.values());
    CHECK(code_of([&] { (void)here.events().since(Cursor(Version({{ReplicaId{nodes.a.id(), 1}, 1}}))); }) ==
          Errc::trimmed);
}

TEST_CASE("a feed of several journals reads on across what was trimmed before it began") {
    const auto node = lone();
    const auto a = node.journal<int>("logs/a"), b = node.journal<int>("logs/b");
    for (int i = 0; i < 20; ++i) {
        a.append(i);
        b.append(100 + i);
        node.flush();
        std::this_thread::sleep_for(1ms);
    }
    a.trim(1);
    // The reader is between old events of one journal when it goes on, and younger ones of the other are gone.
    std::vector<int> read;
    EventPage<int> page;
    do {
        page = node.events<int>("logs/").since(page.next, 3);
        for (const auto& event : page.events) read.push_back(event.value);
    } while (page.more);
    CHECK(read.size() == 21);
    b.append(200);
    CHECK(values_of(node.events<int>("logs/").since(page.next)) == std::vector<int>{200});
}

TEST_CASE("a tail goes on, and a projection keeps what it had folded") {
    const auto node = lone();
    const auto log = node.journal<int>("log");
    const auto store = node.snapshots();
    ProjectionOptions options;
    options.snapshots = store.get();
    options.name = "sum";
    const auto sum = sum_of(log.events(), options), late = sum_of(log.events());
    log.append_all({1, 2, 3});
    sum.update();
    log.append_all({4});
    late.update();
    log.append_all({5});
    node.flush();
    log.trim(1);
    CHECK(code_of([&] { sum.update(); }) == Errc::trimmed);  // 4 went before it was folded
    late.update();
    CHECK(late.state() == 15);
    CHECK(code_of([&] { late.rebuild(); }) == Errc::trimmed);
    CHECK(late.state() == 15);
    CHECK(sum_of(log.events()).update() == 1);  // a new one begins with what there is
    sum.snapshot();
    const auto restored = sum_of(log.events(), options);
    CHECK(restored.counters().from_snapshot);
    CHECK(code_of([&] { restored.update(); }) == Errc::trimmed);
}

TEST_CASE("what is late and lies before the trim is folded when it comes") {
    const Pair nodes;
    const auto here = nodes.a.journal<int>("log");
    here.append(1);
    nodes.settle();
    nodes.a.block_peers({nodes.b.id()});
    nodes.b.block_peers({nodes.a.id()});
    nodes.b.journal<int>("log").append(100);
    for (int i = 0; i < 5; ++i) {
        here.append(1);
        nodes.a.flush();
        std::this_thread::sleep_for(5ms);
    }
    std::vector<int> order;
    const Projection<int, int> sum(here.events(), 0, [&](int& total, const auto& event) {
        total += event.value;
        order.push_back(event.value);
    });
    sum.update();
    here.trim(1);
    sum.update();
    nodes.a.block_peers({});
    nodes.b.block_peers({});
    nodes.settle();
    sum.update();
    CHECK(sum.state() == 106);
    CHECK(order.back() == 100);
    CHECK(sum.counters().out_of_order == 1);
    CHECK(sum.counters().went_back == 0);
}
