// Feeds, tails and projections of nodes.
#include <algorithm>
#include <stdexcept>
#include <thread>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

using Ints = std::vector<int>;

Ints values_of(const std::vector<Event<int>>& events) {
    Ints values;
    for (const auto& event : events) values.push_back(event.value);
    return values;
}

/// What a tail was given.
class Taken {
  public:
    auto taker() {
        return [this](const EventPage<int>& page) {
            const std::lock_guard lock(mutex_);
            for (const auto& event : page.events) events_.push_back(event);
            next_ = page.next;
            changed_.notify_all();
        };
    }
    Ints first(std::size_t count) {
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, patience, [&] { return events_.size() >= count; }));
        return values_of(events_);
    }
    Cursor next() {
        const std::lock_guard lock(mutex_);
        return next_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Event<int>> events_;
    Cursor next_;
};

}  // namespace

TEST_CASE("a cursor goes on where it was, on any node that has seen it") {
    const Pair nodes;
    const auto orders = nodes.a.journal<int>("orders/1");
    CHECK(orders.events().since({}).events.empty());
    orders.append_all({1, 2, 3});
    nodes.a.journal<int>("orders/2").append(4);
    nodes.a.journal<int>("other").append(5);
    const auto page = nodes.a.events<int>("orders/").since({});
    CHECK(values_of(page.events) == Ints{1, 2, 3, 4});
    CHECK_FALSE(page.more);
    CHECK(page.events[0].journal == "orders/1");
    CHECK(page.events[3].journal == "orders/2");
    CHECK(page.events[3].position.dot.replica.node == nodes.a.id());
    CHECK(page.events[3].idempotency_key.empty());
    CHECK(values_of(orders.events().since({}).events) == Ints{1, 2, 3});
    CHECK(values_of(nodes.a.events<int>().since({}).events) == Ints{1, 2, 3, 4, 5});

    const auto cursor = Cursor::parse(page.next.to_string());
    REQUIRE(cursor);
    REQUIRE(nodes.b.wait_until(cursor->version(), patience));
    CHECK(nodes.b.events<int>("orders/").since(*cursor).events.empty());
    const auto commit = nodes.b.journal<int>("orders/1").append(6);
    CHECK(values_of(nodes.b.events<int>("orders/").since(*cursor).events) == Ints{6});
    REQUIRE(nodes.a.wait_until(commit.version(), patience));
    CHECK(values_of(nodes.a.events<int>("orders/").since(*cursor).events) == Ints{6});
    CHECK(nodes.a.events<int>("orders/").since(nodes.b.version()).events.empty());
}

TEST_CASE("pages end with whole transactions, and replay goes through all of them") {
    const auto node = lone();
    const auto journal = node.journal<int>("j");
    for (int at = 0; at < 50; ++at) {
        journal.append_all({2 * at, 2 * at + 1});
        (void)node.status();  // ends the window
    }
    Ints read;
    Cursor cursor;
    for (bool more = true; more;) {
        const auto page = journal.events().since(cursor, 3);
        CHECK(page.events.size() % 2 == 0);
        CHECK(page.events.size() <= 4);
        for (const auto& event : page.events) read.push_back(event.value);
        more = page.more;
        cursor = page.next;
    }
    Ints all(100);
    for (int at = 0; at < 100; ++at) all[std::size_t(at)] = at;
    CHECK(read == all);
    Ints replayed;
    const auto end = journal.events().replay([&](const Event<int>& event) { replayed.push_back(event.value); });
    CHECK(replayed == all);
    CHECK(end == cursor);
    CHECK(journal.values() == all);
}

TEST_CASE("an idempotency key appends once, and says so") {
    const Pair nodes;
    const auto here = nodes.a.journal<int>("j"), there = nodes.b.journal<int>("j");
    const auto first = here.append_once("order-1", {1, 2});
    CHECK(first.wrote());
    const auto again = here.append_once("order-1", {3});
    CHECK_FALSE(again.wrote());
    CHECK(again.version().covers(first.version()));
    REQUIRE(nodes.b.wait_until(first.version(), patience));
    CHECK_FALSE(there.append_once("order-1", {4}).wrote());
    CHECK(there.append_once("order-2", {5}).wrote());
    nodes.b.transact([&](Tx& tx) {
        CHECK_FALSE(tx.append_once(there, "order-2", {6}));
        CHECK(tx.append_once(there, "order-3", {7}));
        CHECK_FALSE(tx.append_once(there, "order-3", {8}));
        tx.append_all(there, {9, 10});
    });
    nodes.settle();
    const auto events = here.events().since({}).events;
    CHECK(values_of(events) == Ints{1, 2, 5, 7, 9, 10});
    CHECK(events[0].idempotency_key == "order-1");
    CHECK(events[4].idempotency_key.empty());
}

TEST_CASE("concurrent appends with one key are read once: the first in the order, or the one that was read already") {
    const Pair nodes;
    REQUIRE(nodes.a.wait_synced(patience));
    nodes.a.block_peers({nodes.b.id()});
    while (!nodes.a.peers().empty() || !nodes.b.peers().empty()) std::this_thread::sleep_for(1ms);
    const auto here = nodes.a.journal<int>("j"), there = nodes.b.journal<int>("j");
    CHECK(here.append_once("k", {1, 2}).wrote());
    CHECK(there.append_once("k", {3, 4}).wrote());
    const auto read_here = here.events().since({});
    const auto read_there = there.events().since({});
    CHECK(values_of(read_here.events) == Ints{1, 2});
    CHECK(values_of(read_there.events) == Ints{3, 4});
    nodes.a.block_peers({});
    nodes.settle();
    const auto order = values_of(here.events().since({}).events);
    CHECK((order == Ints{1, 2} || order == Ints{3, 4}));
    CHECK(values_of(there.events().since({}).events) == order);
    CHECK(here.values() == order);
    const auto reasons = nodes.b.explain(Type::journal, "j");
    REQUIRE(reasons.size() == 4);
    CHECK(reasons[1].decides);
    CHECK_FALSE(reasons[2].decides);
    CHECK(here.events().since(read_here.next).events.empty());
    CHECK(there.events().since(read_there.next).events.empty());
    CHECK_FALSE(here.append_once("k", {5}).wrote());
}

TEST_CASE("what an append or a feed cannot take is said") {
    auto node = lone();
    const auto other = lone();
    const auto journal = node.journal<int>("j");
    CHECK(code_of([&] { journal.append_once("", {1}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { journal.append_once("k", {}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { journal.append_once(std::string(257, 'k'), {1}); }) == Errc::too_large);
    CHECK(journal.append_once(std::string(256, 'k'), {1}).wrote());
    CHECK(code_of([&] { node.transact([&](Tx& tx) { tx.append_all(other.journal<int>("j"), {1}); }); }) ==
          Errc::wrong_node);
    CHECK(code_of([&] { node.transact([&](Tx&) { journal.events().since({}); }); }) == Errc::nested_transaction);
    node.journal<std::string>("j").append("text");
    CHECK(values_of(journal.events().since({}).events) == Ints{1});
    CHECK(node.events<Value>("j").since({}).events.size() == 2);
    const auto events = journal.events();
    node.close();
    CHECK(values_of(events.since({}).events) == Ints{1});
    CHECK(code_of([&] { (void)events.watch({}, [](const auto&) {}); }) == Errc::closed);
    CHECK(code_of([&] { (void)Node().events<int>(); }) == Errc::closed);
}

TEST_CASE("a tail has no gap and no repeat while others write, and goes on from its cursor") {
    const Pair nodes;
    constexpr int each = 400;
    nodes.b.journal<int>("orders/b").append(-1);
    REQUIRE(nodes.a.wait_until(nodes.b.version(), patience));
    Taken taken;
    auto tail = nodes.a.events<int>("orders/").watch({}, taken.taker());
    const auto write = [&](const Node& node, int from) {
        for (int at = 0; at < each; ++at) {
            node.journal<int>(at % 2 == 0 ? "orders/even" : "orders/odd").append(from + at);
            node.counter("elsewhere").add(1);
        }
    };
    std::thread here([&] { write(nodes.a, 0); });
    std::thread there([&] { write(nodes.b, each); });
    taken.first(each / 2);
    tail.reset();
    const auto cursor = taken.next();
    const auto stopped = taken.first(0).size();
    here.join();
    there.join();
    tail = nodes.a.events<int>("orders/").watch(cursor, taken.taker());
    auto got = taken.first(2 * each + 1);
    CHECK(stopped <= got.size());
    nodes.settle();
    got = taken.first(2 * each + 1);
    std::ranges::sort(got);
    Ints all;
    for (int at = -1; at < 2 * each; ++at) all.push_back(at);
    CHECK(got == all);
}

TEST_CASE("a tail that stands still while very much comes misses nothing") {
    const auto node = lone();
    Signal entered, open;
    Taken taken;
    const auto tail = node.events<int>().watch({}, [&, take = taken.taker()](const EventPage<int>& page) {
        entered.raise();
        open.wait();
        take(page);
    });
    const auto journal = node.journal<int>("j");
    journal.append(0);
    REQUIRE(entered.wait());
    Ints all{0};
    for (int at = 1; at <= 10'000; at += 100) {
        Ints batch;
        for (int one = at; one < at + 100; ++one) batch.push_back(one);
        journal.append_all(batch);
        all.insert(all.end(), batch.begin(), batch.end());
    }
    open.raise();
    CHECK(taken.first(all.size()) == all);
}

TEST_CASE("a page out of which an exception comes is given again") {
    const auto node = lone();
    const auto journal = node.journal<int>("j");
    Taken taken;
    Signal thrown;
    const auto tail = journal.events().watch({}, [&, take = taken.taker()](const EventPage<int>& page) {
        if (!thrown.raised()) {
            thrown.raise();
            throw std::runtime_error("on purpose");
        }
        take(page);
    });
    journal.append(1);
    REQUIRE(thrown.wait());
    journal.append(2);
    CHECK(taken.first(2) == Ints{1, 2});
}

TEST_CASE("a tail may end inside its own callback, with more to come") {
    const auto node = lone();
    const auto journal = node.journal<int>("j");
    for (int at = 0; at < 100; ++at) journal.append_all(Ints(100, at));
    auto tail = std::make_unique<Subscription>();
    Signal assigned, ended;
    std::atomic<int> runs = 0;
    *tail = journal.events().watch({}, [&](const EventPage<int>&) {
        assigned.wait();
        ++runs;
        tail.reset();
        ended.raise();
    });
    assigned.raise();
    REQUIRE(ended.wait());
    Taken later;
    const auto marker = journal.events().watch(node.version(), later.taker());
    journal.append(7);
    CHECK(later.first(1) == Ints{7});
    CHECK(runs == 1);
}

TEST_CASE("projections on two nodes end equal, and one that follows keeps up") {
    const Pair nodes;
    struct Row {
        int sum = 0;
        Ints order;
    };
    const auto fold = [](Row& row, const Event<int>& event) {
        row.sum += event.value;
        row.order.push_back(event.value);
    };
    const Projection<Row, int> here(nodes.a.events<int>("p/"), {}, fold);
    const Projection<Row, int> there(nodes.b.events<int>("p/"), {}, fold);
    const auto following = here.follow();
    REQUIRE(nodes.a.wait_synced(patience));
    nodes.a.block_peers({nodes.b.id()});
    while (!nodes.a.peers().empty() || !nodes.b.peers().empty()) std::this_thread::sleep_for(1ms);
    for (int at = 0; at < 20; ++at) {
        nodes.a.journal<int>("p/" + std::to_string(at % 3)).append(at);
        nodes.b.journal<int>("p/" + std::to_string(at % 3)).append(100 + at);
        there.update();
    }
    nodes.a.block_peers({});
    nodes.settle();
    const auto until = std::chrono::steady_clock::now() + patience;
    while (here.state().order.size() < 40 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
    there.update();
    const auto seen = here.state();
    CHECK(seen.order.size() == 40);
    CHECK(there.state().order == seen.order);
    CHECK(there.state().sum == 190 + 2'190);
    CHECK(there.counters().went_back > 0);
    CHECK(here.cursor().version() == nodes.a.version());
    CHECK(code_of([&] { here.snapshot(); }) == Errc::invalid_argument);  // no store

    MemorySnapshots snapshots;
    ProjectionOptions options;
    options.snapshots = &snapshots;
    options.name = "list";
    const auto list = [](Ints& all, const Event<int>& event) { all.push_back(event.value); };
    {
        const Projection<Ints, int> kept(nodes.a.events<int>("p/"), {}, list, options);
        CHECK(kept.update() == 40);
        kept.snapshot();
    }
    nodes.a.journal<int>("p/0").append(7);
    const Projection<Ints, int> again(nodes.a.events<int>("p/"), {}, list, options);
    CHECK(again.counters().from_snapshot);
    CHECK(again.update() == 1);
    CHECK(again.read([](const Ints& all) { return all.size(); }) == 41);
    again.rebuild();
    CHECK(again.state().back() == 7);
}
