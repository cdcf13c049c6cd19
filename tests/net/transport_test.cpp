// Honest peers on the loopback: they find each other, link once, and notice what happens to each other.
#include <algorithm>
#include <thread>

#include "net/discovery.hpp"
#include "net/flow.hpp"
#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

TransportOptions static_only() {
    auto options = loopback_options();
    options.discovery = false;
    return options;
}

std::string at(const SmallNode& node) {
    return "127.0.0.1:" + std::to_string(node.transport->port());
}

TEST_CASE("five nodes that know only the secret become a full mesh, one link a pair, and talk over every link") {
    SmallMesh mesh;
    for (int count = 0; count < 5; ++count) mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    for (auto& a : mesh.nodes) {
        for (auto& b : mesh.nodes) {
            if (a != b) CHECK(a->transport->send(b->key(), "from " + crdt::short_name(a->key())));
        }
    }
    REQUIRE(mesh.run_until([&] {
        return std::all_of(mesh.nodes.begin(), mesh.nodes.end(),
                           [](const auto& node) { return node->messages.size() == 4; });
    }));
    std::size_t dialled = 0;
    for (auto& node : mesh.nodes) {
        for (const auto& message : node->messages) CHECK(message.bytes == "from " + crdt::short_name(message.peer));
        for (const auto& link : node->transport->links()) {
            dialled += link.we_dialled ? 1 : 0;
            CHECK(link.frames_in == 1);
            CHECK(link.frames_out == 1);
            CHECK(link.bytes_in == link.bytes_out);
        }
        CHECK(node->downs == 0);
    }
    CHECK(dialled == 10);
}

TEST_CASE("a node that is alone opens, waits without work, and can be woken from another thread") {
    SmallMesh mesh;
    auto& lonely = mesh.add(loopback_options());
    mesh.run_for(Milliseconds(50));
    CHECK(lonely.linked.empty());
    CHECK(!lonely.transport->send(Identity::generate().node_key(), "nobody"));
    CHECK(lonely.transport->local_addresses().size() >= 1);
    std::thread other([&] { lonely.transport->waker().wake(); });
    CHECK(lonely.transport->poll(std::chrono::seconds(60)).empty());
    other.join();
}

TEST_CASE("static peers link without beacons, by number and by name") {
    SmallMesh mesh;
    auto& first = mesh.add(static_only());
    auto options = static_only();
    options.static_peers = {at(first)};
    auto& second = mesh.add(options);
    auto& third = mesh.add(static_only());
    REQUIRE(third.transport->add_peer("localhost:" + std::to_string(first.transport->port())));
    REQUIRE(mesh.run_until([&] { return second.has(first) && first.has(second) && third.has(first); }));
    auto bad = third.transport->add_peer("nonsense");
    REQUIRE(!bad);
    CHECK(bad.fault().code == FaultCode::malformed);
    CHECK(third.transport->add_peer("no-such-host.invalid:4000"));
    for (std::size_t port = 1; port < static_peers_max - 1; ++port) {
        REQUIRE(third.transport->add_peer("127.0.0.1:" + std::to_string(port)));
    }
    auto many = third.transport->add_peer("127.0.0.2:1");
    REQUIRE(!many);
    CHECK(many.fault().code == FaultCode::too_large);
}

TEST_CASE("two nodes that dial each other at the same time end with one link and no flapping") {
    for (int round = 0; round < 8; ++round) {
        SmallMesh mesh;
        auto& a = mesh.add(static_only());
        auto& b = mesh.add(static_only());
        REQUIRE(a.transport->add_peer(at(b)));
        REQUIRE(b.transport->add_peer(at(a)));
        REQUIRE(mesh.run_until([&] { return mesh.full(); }));
        // Long enough for a head start and redials to show.
        mesh.run_for(Milliseconds(round == 0 ? 1500 : 100));
        CHECK(a.ups == 1);
        CHECK(b.ups == 1);
        CHECK(a.downs + b.downs == 0);
        REQUIRE(a.transport->links().size() == 1);
        REQUIRE(b.transport->links().size() == 1);
        CHECK(a.transport->links()[0].we_dialled != b.transport->links()[0].we_dialled);
    }
}

TEST_CASE("a peer that is stopped and started again is reported down and up, on the same port or another") {
    SmallMesh mesh;
    auto& stays = mesh.add(loopback_options());
    auto& leaves = mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    auto options = loopback_options();
    for (std::uint16_t port : {std::uint16_t(0), leaves.transport->port()}) {
        options.listen_port = port;
        const auto ups = stays.ups;
        leaves.transport.reset();
        REQUIRE(mesh.run_until([&] { return stays.linked.empty(); }));
        leaves.linked.clear();
        leaves.transport = mesh.open(options, leaves.identity);
        REQUIRE(mesh.run_until([&] { return stays.ups == ups + 1 && mesh.full(); }));
    }
    CHECK(stays.downs == 2);
}

TEST_CASE("a restarted peer replaces its old link even before that one is known to be dead") {
    SmallMesh mesh;
    auto& stays = mesh.add(loopback_options());
    auto& twin = mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    // The first run is not polled any more but its connection stays open, as when a machine froze and another took
    // over.
    auto frozen = std::move(twin.transport);
    twin.linked.clear();
    twin.transport = mesh.open(loopback_options(), twin.identity);
    REQUIRE(mesh.run_until([&] { return stays.ups == 2 && twin.has(stays); }));
    CHECK(stays.downs == 1);
    CHECK(stays.last_reason == "the peer was restarted");
    REQUIRE(stays.transport->send(twin.key(), "to the new one"));
    REQUIRE(mesh.run_until([&] { return twin.messages.size() == 1; }));
}

TEST_CASE("blocked peers are cut off and ignored until they are not blocked any more") {
    SmallMesh mesh;
    for (int count = 0; count < 4; ++count) mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    auto side = [&](std::size_t node) { return node < 2; };
    for (std::size_t node = 0; node < 4; ++node) {
        std::set<NodeKey> others;
        for (std::size_t other = 0; other < 4; ++other) {
            if (side(node) != side(other)) others.insert(mesh.nodes[other]->key());
        }
        mesh.nodes[node]->transport->set_blocked(others);
    }
    REQUIRE(mesh.run_until([&] {
        return std::all_of(mesh.nodes.begin(), mesh.nodes.end(),
                           [](const auto& node) { return node->linked.size() == 1; });
    }));
    mesh.run_for(Milliseconds(800));
    for (std::size_t node = 0; node < 4; ++node) {
        CHECK(mesh.nodes[node]->linked.size() == 1);
        CHECK(mesh.nodes[node]->downs == 2);
        CHECK(!mesh.nodes[node]->transport->send(mesh.nodes[(node + 2) % 4]->key(), "across"));
    }
    for (auto& node : mesh.nodes) node->transport->set_blocked({});
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
}

TEST_CASE("blocking by one side alone is enough") {
    SmallMesh mesh;
    auto& a = mesh.add(loopback_options());
    auto& b = mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    a.transport->set_blocked({b.key()});
    REQUIRE(mesh.run_until([&] { return a.linked.empty() && b.linked.empty(); }));
    mesh.run_for(Milliseconds(1200));
    CHECK(a.ups == 1);
    CHECK(b.ups == 1);
    a.transport->set_blocked({});
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
}

TEST_CASE("messages arrive whole and in order, up to the largest frame and not beyond") {
    SmallMesh mesh;
    auto& a = mesh.add(loopback_options());
    auto& b = mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    const auto largest = TransportOptions{}.frame_bytes_max;
    CHECK(!a.transport->send(b.key(), Bytes(largest + 1, 'x')));
    std::vector<Bytes> sent{Bytes(), Bytes("\0\1\2", 3), Bytes(largest, 'y')};
    for (int count = 0; count < 5000; ++count) sent.push_back(std::to_string(count));
    for (const auto& bytes : sent) REQUIRE(a.transport->send(b.key(), bytes));
    REQUIRE(mesh.run_until([&] { return b.messages.size() == sent.size(); }));
    for (std::size_t count = 0; count < sent.size(); ++count) CHECK(b.messages[count].bytes == sent[count]);
    CHECK(a.downs + b.downs == 0);
    REQUIRE(mesh.run_until([&] { return a.transport->links()[0].bytes_queued == 0; }));
}

TEST_CASE("a link over its byte cap is dropped with a reason, and comes back") {
    SmallMesh mesh;
    auto options = loopback_options();
    options.link_bytes_max = 4 << 20;
    auto& fast = mesh.add(options);
    auto& slow = mesh.add(options);
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    const Bytes chunk(256 << 10, 'z');
    std::size_t accepted = 0;
    while (accepted < 4096 && fast.transport->send(slow.key(), chunk)) ++accepted;
    CHECK(accepted < 4096);
    CHECK(!fast.transport->send(slow.key(), "gone"));
    REQUIRE(mesh.run_until([&] { return fast.downs == 1; }));
    CHECK(fast.last_reason.starts_with("too slow"));
    REQUIRE(mesh.run_until([&] { return mesh.full() && fast.ups == 2; }));
}

TEST_CASE("a reader that is slow costs neither side more than its bounds, and misses nothing") {
    SmallMesh mesh;
    auto& a = mesh.add(loopback_options());
    auto& b = mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    const Bytes chunk(512 << 10, 'c');
    const std::size_t chunks = 80;  // five windows, within the cap of the link
    for (std::size_t count = 0; count < chunks; ++count) REQUIRE(a.transport->send(b.key(), chunk));
    for (int turns = 0; turns < 200; ++turns) {
        for (const auto& event : a.transport->poll(Milliseconds(1))) a.take(event);
    }
    CHECK(a.transport->links()[0].bytes_queued >= chunks * chunk.size());
    REQUIRE(mesh.run_until([&] { return b.messages.size() == chunks; }));
    REQUIRE(mesh.run_until([&] { return a.transport->links()[0].bytes_queued == 0; }));
    CHECK(a.downs + b.downs == 0);
}

TEST_CASE("a peer that says much and leaves while one is busy does not end the process") {
    SmallMesh mesh;
    auto& busy = mesh.add(loopback_options());
    auto& talker = mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    for (int count = 0; count < 5000; ++count) REQUIRE(talker.transport->send(busy.key(), "news"));
    std::this_thread::sleep_for(Milliseconds(200));
    talker.transport.reset();
    std::this_thread::sleep_for(Milliseconds(1200));
    REQUIRE(mesh.run_until([&] { return busy.downs == 1; }));
}

TEST_CASE("a peer that stands still is let go and comes back, and one's own standstill is not blamed on others") {
    SmallMesh mesh;
    auto options = loopback_options();
    options.heartbeat_ms = Milliseconds(40);
    options.heartbeat_timeout_ms = Milliseconds(100);
    auto& a = mesh.add(options);
    auto& b = mesh.add(options);
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    std::this_thread::sleep_for(Milliseconds(1000));
    mesh.run_for(Milliseconds(300));
    CHECK(a.downs + b.downs == 0);

    const auto give_up = Clock::now() + std::chrono::seconds(20);
    while (a.downs == 0 && Clock::now() < give_up) {
        for (const auto& event : a.transport->poll(Milliseconds(10))) a.take(event);
    }
    CHECK(a.downs == 1);
    CHECK(a.last_reason == "the peer fell silent");
    REQUIRE(mesh.run_until([&] { return b.downs == 1 && mesh.full(); }));
}

TEST_CASE("what goes aside passes what is queued, and is dropped where a peer does not read") {
    SmallMesh mesh;
    auto& a = mesh.add(loopback_options());
    auto& b = mesh.add(loopback_options());
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    CHECK_FALSE(a.transport->send_aside(b.key(), Bytes(aside_bytes_max + 1, 'x')));
    CHECK_FALSE(a.transport->send_aside(a.key(), "nobody"));
    const Bytes chunk(512 << 10, 'c');
    const std::size_t chunks = 40;  // more than a window
    for (std::size_t count = 0; count < chunks; ++count) REQUIRE(a.transport->send(b.key(), chunk));
    std::size_t taken = 0;
    while (taken < 100 && a.transport->send_aside(b.key(), Bytes(aside_bytes_max, char(taken)))) ++taken;
    CHECK(taken >= 5);
    CHECK(taken <= (aside_window_bytes + chunk.size()) / aside_bytes_max + 1);
    a.transport->check();
    REQUIRE(mesh.run_until([&] { return b.asides.size() == taken; }));
    CHECK(b.messages.size() < chunks);  // a window of them at most
    REQUIRE(mesh.run_until([&] { return b.messages.size() == chunks; }));
    CHECK(b.asides.front().bytes == Bytes(aside_bytes_max, '\0'));
    REQUIRE(mesh.run_until([&] { return a.transport->links()[0].bytes_queued == 0; }));
    CHECK(a.transport->send_aside(b.key(), "again"));
    CHECK(a.downs + b.downs == 0);
}

TEST_CASE("a port that is taken, or options that make no sense, are faults") {
    SmallMesh mesh;
    auto& first = mesh.add(loopback_options());
    auto options = loopback_options();
    options.listen_port = first.transport->port();
    const auto late = Identity::generate();
    auto taken = Transport::open(options, late, mesh.member(late.node_key()));
    REQUIRE(!taken);
    CHECK(taken.fault().code == FaultCode::not_available);
    auto refused = [&](auto change) {
        auto wrong = loopback_options();
        change(wrong);
        return !Transport::open(wrong, late, mesh.member(late.node_key()));
    };
    CHECK(refused([](auto& wrong) { wrong.listen_address = "not-an-address"; }));
    CHECK(refused([](auto& wrong) { wrong.listen_address = "203.0.113.77"; }));
    CHECK(refused([](auto& wrong) { wrong.static_peers = {"no port"}; }));
    CHECK(refused([](auto& wrong) { wrong.frame_bytes_max = 0; }));
    CHECK(refused([](auto& wrong) { wrong.link_bytes_max = 1; }));
    CHECK(refused([](auto& wrong) { wrong.links_max = 0; }));
    CHECK(refused([](auto& wrong) { wrong.heartbeat_ms = Milliseconds(0); }));
    CHECK(refused([](auto& wrong) { wrong.redial_ms_max = Milliseconds(1); }));
    CHECK(refused([](auto& wrong) { wrong.discovery_port = 0; }));
}

TEST_CASE("a link ends when the certificate of a peer does, and does not come back") {
    SmallMesh mesh;
    auto& stays = mesh.add(loopback_options());
    const auto identity = Identity::generate();
    const auto now_s =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
    const auto own = mesh.invitation({.role = Role::reader, .expires_s = std::uint64_t(now_s.count()) + 3})
                         .admit(identity.node_key());
    auto& guest = mesh.add(loopback_options(), identity, own);
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    const auto links = stays.transport->links();
    REQUIRE(links.size() == 1);
    CHECK(links[0].terms.role == Role::reader);
    REQUIRE(mesh.run_until([&] { return stays.downs == 1 && guest.downs == 1; }));
    REQUIRE(mesh.run_until([&] { return stays.transport->door().refused_for(DoorRefusal::expired) >= 1; }));
    CHECK(stays.ups == 1);
    CHECK(guest.ups == 1);
}

TEST_CASE("links of a revoked node end at once, and its door and others' stay shut for it; it is told why") {
    SmallMesh mesh;
    auto& a = mesh.add(loopback_options());
    auto& b = mesh.add(loopback_options());
    const auto code = mesh.invitation();
    const auto joining = Identity::generate();
    auto& out = mesh.add(loopback_options(), joining, code.admit(joining.node_key()));
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    a.transport->set_roll({{code.invitation.key.node_key()}, {}});
    REQUIRE(mesh.run_until([&] { return !a.has(out) && !out.has(a); }));
    CHECK(a.last_reason == "the peer was revoked");
    CHECK(b.has(out));  // who has not heard of it
    b.transport->set_roll({{code.invitation.key.node_key()}, {}});
    REQUIRE(mesh.run_until([&] { return out.linked.empty(); }));
    const auto refused = [](const SmallNode& by) { return by.transport->door().refused_for(DoorRefusal::revoked); };
    REQUIRE(mesh.run_until([&] { return out.transport->door().told_revoked > 0 && refused(a) > 0 && refused(b) > 0; }));
    CHECK(a.has(b));
    CHECK(a.ups == 2);

    // With another invitation it is somebody again.
    out.transport.reset();
    out.transport = SmallMesh::open(loopback_options(), joining, mesh.member(joining.node_key()));
    out.linked.clear();
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
    CHECK(out.transport->door().told_revoked == 0);
}

TEST_CASE("who knows an earlier secret alone gets in if it is listed, and links by what both know") {
    SmallMesh mesh;
    const auto identity = Identity::generate();
    auto own = mesh.member(identity.node_key());
    REQUIRE(own.mesh.add(1, own.mesh.successor()->root));
    auto& ahead = mesh.add(loopback_options(), identity, own);
    ahead.transport->set_roll({});
    const auto joining = Identity::generate();
    auto& was_away = mesh.add(loopback_options(), joining, mesh.invitation().admit(joining.node_key()));
    REQUIRE(mesh.run_until([&] { return ahead.transport->door().refused_for(DoorRefusal::no_proof) > 0; }));
    CHECK(ahead.transport->door().beacons_heard == 0);  // answered, so that it comes to the door
    CHECK(ahead.linked.empty());
    ahead.transport->set_roll({{}, {was_away.key()}});
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));

    // The link stays while it learns the newer one, and from then on they meet by that.
    was_away.transport->set_secrets(own.mesh);
    ahead.transport->set_roll({});
    mesh.run_for(std::chrono::milliseconds(100));
    CHECK(ahead.downs == 0);
    ahead.transport->set_blocked({was_away.key()});
    REQUIRE(mesh.run_until([&] { return ahead.linked.empty() && was_away.linked.empty(); }));
    ahead.transport->set_blocked({});
    REQUIRE(mesh.run_until([&] { return mesh.full(); }));
}

TEST_CASE("an invitation for one node lets one in, again and again, and no second") {
    SmallMesh mesh;
    auto& host = mesh.add(loopback_options());
    const auto code = mesh.invitation({.uses = 1});
    const auto first = Identity::generate(), second = Identity::generate();
    auto& guest = mesh.add(loopback_options(), first, code.admit(first.node_key()));
    REQUIRE(mesh.run_until([&] { return host.has(guest) && guest.has(host); }));
    auto& late = mesh.add(loopback_options(), second, code.admit(second.node_key()));
    REQUIRE(mesh.run_until([&] { return host.transport->door().refused_for(DoorRefusal::used_up) >= 1; }));
    REQUIRE(mesh.run_until([&] { return guest.transport->door().refused_for(DoorRefusal::used_up) >= 1; }));
    CHECK(late.ups == 0);
    guest.transport->disconnect(host.key(), "for a moment");
    REQUIRE(mesh.run_until([&] { return host.ups >= 2 && host.has(guest); }));
}

TEST_CASE("nodes of two meshes on one beacon port do not see each other") {
    SmallMesh ours, theirs;
    ours.add(loopback_options());
    ours.add(loopback_options());
    theirs.add(loopback_options());
    REQUIRE(ours.run_until([&] {
        theirs.turn();
        return ours.full();
    }));
    for (int turns = 0; turns < 100; ++turns) {
        ours.turn();
        theirs.turn();
    }
    CHECK(theirs.nodes[0]->linked.empty());
    CHECK(theirs.nodes[0]->transport->door().beacons_heard == 0);
    CHECK(theirs.nodes[0]->transport->door().beacons_ignored > 0);
}

}  // namespace
}  // namespace starling::net
