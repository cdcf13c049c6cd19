#include <stdexcept>
#include <thread>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

/// What a watcher heard, in order.
class Heard {
  public:
    auto listener() {
        return [this](const Changes& changes) {
            const std::lock_guard lock(mutex_);
            all_.push_back(changes);
            changed_.notify_all();
        };
    }
    std::vector<Changes> first(std::size_t count) {
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, patience, [&] { return all_.size() >= count; }));
        return {all_.begin(), all_.begin() + std::ptrdiff_t(count)};
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Changes> all_;
};

/// Holds the watcher thread until told otherwise.
struct Gate {
    Signal entered, open;
    void pass() {
        entered.raise();
        open.wait();
    }
};

}  // namespace

TEST_CASE("a watcher gets whole transactions in order, own and others'") {
    Pair nodes;
    Heard heard;
    const auto watching = nodes.b.watch("w/", heard.listener());
    const auto map = nodes.b.map<std::string, int>("w/map");
    nodes.b.transact([&](auto& tx) {
        tx.put(map, "x", 1);
        tx.put(map, "y", 2);
        tx.add(nodes.b.counter("elsewhere"), 1);
        tx.append(nodes.b.journal<int>("w/log"), 10);
        tx.append(nodes.b.journal<int>("w/log"), 11);
    });
    nodes.b.counter("elsewhere").add(1);
    map.erase("x");
    auto got = heard.first(2);
    REQUIRE(got[0].list.size() == 3);
    CHECK(got[0].local);
    CHECK(got[0].origin == nodes.b.id());
    CHECK_FALSE(got[0].overflow);
    CHECK(got[0].list[0].type == Type::map);
    CHECK(got[0].list[0].field == Value("x"));
    CHECK(got[0].list[0].value == Value(1));
    CHECK(got[0].list[2].type == Type::journal);
    REQUIRE(got[0].list[2].appended.size() == 2);
    CHECK(got[0].list[2].appended[0].value == Value(10));
    CHECK(got[0].list[2].appended[1].value == Value(11));
    CHECK(got[0].list[2].appended[1].dot.replica.node == nodes.b.id());
    REQUIRE(got[1].list.size() == 1);
    CHECK_FALSE(got[1].list[0].value.has_value());

    nodes.a.transact([&](auto& tx) {
        tx.add(nodes.a.counter("w/count"), 3);
        tx.set(nodes.a.reg<std::string>("w/reg"), "far");
    });
    got = heard.first(3);
    REQUIRE(got[2].list.size() == 2);
    CHECK_FALSE(got[2].local);
    CHECK(got[2].origin == nodes.a.id());
    CHECK(got[2].list[0].value == Value(3));
    CHECK(got[2].list[1].value == Value("far"));
}

TEST_CASE("handles watch their own key, with its type") {
    const auto node = lone();
    std::mutex mutex;
    std::vector<std::string> heard;
    Signal done;
    const auto note = [&](std::string line) {
        const std::lock_guard lock(mutex);
        heard.push_back(std::move(line));
    };
    const auto counter = node.counter("x");
    const auto flag = node.flag("x");
    const auto reg = node.reg<std::string>("x");
    const auto watching_counter = counter.watch([&](std::int64_t value) { note("counter " + std::to_string(value)); });
    const auto watching_flag = flag.watch([&](bool on) { note(on ? "on" : "off"); });
    const auto watching_reg = reg.watch([&](const auto& value) {
        note("register " + value.value_or("gone"));
        if (!value) done.raise();
    });
    counter.add(2);
    counter.add(3);
    node.counter("xy").add(1);
    flag.enable();
    flag.disable();
    reg.set("here");
    reg.clear();
    REQUIRE(done.wait());
    const std::lock_guard lock(mutex);
    CHECK(heard == std::vector<std::string>{"counter 2", "counter 5", "on", "off", "register here", "register gone"});
}

TEST_CASE("a subscription may end inside its own callback") {
    const auto node = lone();
    Signal ended;
    std::atomic<int> runs = 0;
    auto watching = std::make_unique<Subscription>();
    Signal assigned;
    *watching = node.watch("", [&](const Changes&) {
        assigned.wait();
        ++runs;
        watching.reset();
        ended.raise();
    });
    assigned.raise();
    node.counter("x").add(1);
    node.counter("x").add(1);
    REQUIRE(ended.wait());
    Heard later;  // a second watcher runs after whatever was queued for the first
    const auto marker = node.watch("", later.listener());
    node.counter("x").add(1);
    later.first(1);
    CHECK(runs == 1);
}

TEST_CASE("after a subscription has ended no callback runs, and a run under way is waited for") {
    const auto node = lone();
    Gate gate;
    std::atomic<bool> inside = false;
    auto watching = node.watch("", [&](const Changes&) {
        inside = true;
        gate.pass();
        inside = false;
    });
    node.counter("x").add(1);
    node.counter("x").add(1);
    REQUIRE(gate.entered.wait());
    std::thread opener([&] { gate.open.raise(); });
    watching.reset();
    CHECK_FALSE(inside);
    opener.join();
    CHECK_FALSE(watching);
}

TEST_CASE("a subscription may end inside transact, which does not wait for its run") {
    const auto node = lone();
    Gate gate;
    Signal read;
    auto watching = node.watch("", [&](const Changes&) {
        gate.pass();
        (void)node.counter("x").value();  // needs the lock that transact holds
        read.raise();
    });
    node.counter("x").add(1);
    REQUIRE(gate.entered.wait());
    node.transact([&](auto&) {
        gate.open.raise();
        watching.reset();
    });
    CHECK(read.wait());
}

TEST_CASE("an exception out of a watcher is reported and goes no further") {
    std::mutex mutex;
    std::vector<std::string> lines;
    auto options = quiet();
    options.log = [&](LogLevel, std::string_view line) {
        const std::lock_guard lock(mutex);
        lines.emplace_back(line);
        throw 1;  // nor does one out of the log
    };
    const auto node = Node::open(options);
    Heard heard;
    const auto bad = node.watch("", [](const Changes&) { throw std::runtime_error("on purpose"); });
    const auto good = node.watch("", heard.listener());
    node.counter("x").add(1);
    node.counter("x").add(1);
    heard.first(2);
    const std::lock_guard lock(mutex);
    CHECK(std::count(lines.begin(), lines.end(), "a watcher threw: on purpose") == 2);
}

TEST_CASE("a watcher may read and write, and may not wait") {
    auto node = lone();
    Signal answered;
    Errc waited{}, closed{};
    const auto watching = node.watch("question", [&](const Changes&) {
        waited = code_of([&] { node.wait_synced(1s); });
        closed = code_of([&] { node.close(); });
        node.counter("answer").add(node.counter("question").value() + 1);
        answered.raise();
    });
    node.counter("question").add(41);
    REQUIRE(answered.wait());
    CHECK(waited == Errc::would_deadlock);
    CHECK(closed == Errc::would_deadlock);
    CHECK(node.counter("answer").value() == 42);
}

TEST_CASE("a node may be destroyed inside its own watcher") {
    auto node = std::make_unique<Node>(lone());
    Signal destroyed;
    const auto counter = node->counter("x");
    const auto watching = node->watch("", [&](const Changes&) {
        node.reset();
        destroyed.raise();
    });
    counter.add(1);
    REQUIRE(destroyed.wait());
    CHECK(code_of([&] { counter.add(1); }) == Errc::closed);
}

TEST_CASE("what waits for a slow watcher is bounded; it is told to read anew") {
    const auto node = lone();
    const auto blob = node.reg<std::string>("blob");
    Gate gate;
    Signal overflowed;
    std::atomic<int> kept = 0, after = 0;
    const auto watching = node.watch("", [&](const Changes& changes) {
        gate.pass();
        if (changes.overflow) {
            CHECK(changes.list.empty());
            CHECK(node.reg<std::string>("blob").get()->back() == '!');
            overflowed.raise();
        } else {
            ++(overflowed.raised() ? after : kept);
        }
    });
    const std::string large(150'000, 'x');
    const auto writes = int(watch_queue_bytes_max / large.size()) + 20;
    for (int at = 0; at < writes; ++at) blob.set(large + char('a' + at % 26));
    blob.set("!");
    gate.open.raise();
    REQUIRE(overflowed.wait());
    CHECK(kept > writes / 2);
    CHECK(kept < writes);
    Heard later;
    const auto marker = node.watch("", later.listener());
    blob.set("again");
    later.first(1);
    CHECK(after == 1);  // heard again, from there on
}
