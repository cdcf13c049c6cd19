#include <thread>
#include <unistd.h>

#include "tests/node/pair.hpp"
#include "tests/temporary_directory.hpp"

using namespace starling;
using namespace starling::test;

TEST_CASE("two nodes converge on every type") {
    Pair nodes;
    nodes.a.counter("bolts").add(5);
    nodes.b.counter("bolts").add(-2);
    nodes.a.set<std::string>("tags").insert("low");
    nodes.b.set<int>("numbers").insert(7);
    nodes.a.map<std::string, int>("shelf").put("left", 1);
    nodes.b.map<std::string, int>("shelf").put("right", 2);
    nodes.a.reg<std::vector<double>>("scale").set({0.5, 2});
    nodes.b.multi_value<bool>("vote").set(true);
    nodes.b.flag("open").enable();
    nodes.a.journal<std::string>("log").append("first");
    nodes.b.journal<std::string>("log").append("second");
    nodes.settle();
    for (const auto* node : {&nodes.a, &nodes.b}) {
        CHECK(node->counter("bolts").value() == 3);
        CHECK(node->set<std::string>("tags").elements() == std::vector<std::string>{"low"});
        CHECK(node->set<int>("numbers").contains(7));
        CHECK(node->map<std::string, int>("shelf").items() ==
              std::vector<std::pair<std::string, int>>{{"left", 1}, {"right", 2}});
        CHECK(node->reg<std::vector<double>>("scale").get() == std::vector<double>{0.5, 2});
        CHECK(node->multi_value<bool>("vote").get() == std::vector<bool>{true});
        CHECK(node->flag("open").enabled());
        CHECK(node->journal<std::string>("log").values().size() == 2);
    }
    CHECK(nodes.a.journal<std::string>("log").values() == nodes.b.journal<std::string>("log").values());
    CHECK(nodes.a.wait_synced(patience));
    CHECK(nodes.b.wait_synced(patience));
}

TEST_CASE("waiting for a version ends when it is there, and not before") {
    Pair nodes;
    CHECK_FALSE(lone().wait_synced(50ms));  // nobody is there
    const auto done = nodes.a.counter("x").add(1);
    CHECK(nodes.a.wait_until(done.version(), 0ms));
    CHECK(nodes.b.wait_until(done.version(), patience));
    CHECK(nodes.b.counter("x").value() == 1);
    CHECK(nodes.b.wait_until({}, 0ms));
    const Version never({{{nodes.a.id(), 1}, 1}});
    CHECK_FALSE(nodes.b.wait_until(never, 20ms));
    CHECK(nodes.b.wait_until(done.version(), std::chrono::milliseconds::max()));
}

TEST_CASE("nodes find each other by beacons") {
    const testing::TemporaryDirectory scratch;
    auto options = quiet();
    options.mesh = Node::create_mesh(scratch / "mesh");  // a code without addresses
    options.listen_address.clear();
    options.discovery = true;
    options.interfaces = {"lo"};
    options.discovery_port = std::uint16_t(20'000 + ::getpid() % 30'000);  // other tests may run at the same time
    const auto a = Node::open(options);
    const auto b = Node::open(options);
    b.counter("x").add(7);
    CHECK(a.wait_until(b.version(), patience));
    CHECK(a.counter("x").value() == 7);
}

TEST_CASE("blocked peers drift apart and meet again") {
    Pair nodes;
    nodes.a.counter("x").add(1);
    nodes.settle();
    nodes.a.block_peers({nodes.b.id()});
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!nodes.a.peers().empty() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(5ms);
    REQUIRE(nodes.a.peers().empty());
    const auto there = nodes.a.counter("x").add(10);
    nodes.b.counter("x").add(100);
    nodes.a.set<std::string>("s").insert("a");
    nodes.b.set<std::string>("s").insert("b");
    CHECK_FALSE(nodes.b.wait_until(there.version(), 100ms));
    CHECK(nodes.b.counter("x").value() == 101);
    nodes.a.block_peers({});
    nodes.settle();
    CHECK(nodes.a.counter("x").value() == 111);
    CHECK(nodes.b.set<std::string>("s").size() == 2);
}

TEST_CASE("status tells who is linked and what was carried") {
    Pair nodes;
    nodes.a.map<int, std::string>("m").put(1, std::string(1000, 'x'));
    nodes.settle();
    REQUIRE(nodes.a.wait_synced(patience));
    const auto status = nodes.a.status();
    CHECK(status.id == nodes.a.id());
    CHECK(status.mesh_id == nodes.b.status().mesh_id);
    CHECK(status.version == nodes.a.version());
    CHECK(status.live_entries == 3);  // and that each of both is a member
    CHECK(status.port != 0);
    CHECK(status.synced);
    CHECK_FALSE(status.update_needed);
    CHECK(status.counters.faults == 0);
    CHECK(status.counters.changesets_sent >= 1);
    CHECK(status.counters.changeset_bytes_sent >= 1000);
    REQUIRE(status.peers.size() == 1);
    CHECK(status.peers[0].id == nodes.b.id());
    CHECK(status.peers[0].synced);
    CHECK(status.peers[0].lag == 0);
    CHECK(status.peers[0].behind == 0);
    CHECK(status.peers[0].bytes_out >= 1000);
    CHECK_FALSE(status.peers[0].address.empty());
}

TEST_CASE("a node of another mesh gets no answer") {
    const auto inside = lone();
    const auto stranger = lone();
    stranger.add_peer("127.0.0.1:" + std::to_string(inside.status().port));
    const auto until = std::chrono::steady_clock::now() + patience;
    while (inside.status().counters.beacons_ignored == 0 && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(5ms);
    const auto status = inside.status();
    CHECK(status.counters.beacons_ignored > 0);
    CHECK(status.counters.door_admitted == 0);
    CHECK(status.peers.empty());
    CHECK(stranger.peers().empty());
}

TEST_CASE("a node that comes late, and one that was closed, are caught up") {
    Pair nodes;
    const auto map = nodes.a.map<int, int>("m");
    for (int at = 0; at < 2000; ++at) map.put(at, at);
    for (int at = 0; at < 1000; ++at) map.erase(2 * at);
    nodes.settle();
    nodes.b.close();
    map.put(0, 7);
    const auto late = Pair::joined_to(nodes.a);
    REQUIRE(late.wait_until(nodes.a.version(), patience));
    CHECK(late.map<int, int>("m").size() == 1001);
    CHECK(late.status().fingerprint == nodes.a.status().fingerprint);
}

TEST_CASE("what is written right before closing still arrives") {
    Pair nodes;
    nodes.settle();
    nodes.a.counter("x").add(1);
    nodes.settle();
    const auto last = nodes.a.map<int, std::string>("m").put(1, std::string(100'000, 'x'));
    nodes.a.close();
    CHECK(nodes.b.wait_until(last.version(), patience));
}
