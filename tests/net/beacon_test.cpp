// Beacons, the table of peers that they fill, and the addresses that they and people give.
#include "net/beacon.hpp"

#include <algorithm>

#include <sodium.h>

#include "net/address.hpp"
#include "net/discovery.hpp"
#include "net/peer_table.hpp"
#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

BytesView view(const SealedBeacon& sealed) {
    return BytesView(reinterpret_cast<const char*>(sealed.data()), sealed.size());
}

Beacon beacon_of(const NodeKey& node, std::uint64_t stamp, BootId boot = 7) {
    return Beacon{node, boot, stamp, 4000, true};
}

constexpr Milliseconds redial_min{100}, redial_max{5000};

TEST_CASE("a beacon comes out as it went in, and looks like noise on the way") {
    auto mesh = MeshSecret::founded_by(Identity::generate());
    auto node = Identity::generate().node_key();
    auto beacon = beacon_of(node, 123456789);
    auto sealed = seal(beacon, mesh.beacon_key());
    auto opened = unseal(view(sealed), mesh.beacon_key());
    REQUIRE(opened);
    CHECK(*opened == beacon);
    // The same beacon twice shares no more bytes than chance would have it.
    auto again = seal(beacon, mesh.beacon_key());
    std::size_t same = 0;
    for (std::size_t at = 0; at < sealed.size(); ++at) same += sealed[at] == again[at] ? 1 : 0;
    CHECK(same < 16);
    CHECK(std::search(sealed.begin(), sealed.end(), node.begin(), node.begin() + 4) == sealed.end());
}

TEST_CASE("a beacon that was changed anywhere, cut, made longer or sealed for others does not open") {
    auto mesh = MeshSecret::founded_by(Identity::generate());
    auto sealed = seal(beacon_of(Identity::generate().node_key(), 1), mesh.beacon_key());
    for (std::size_t at = 0; at < sealed.size(); ++at) {
        auto tampered = sealed;
        tampered[at] ^= 1;
        CHECK(!unseal(view(tampered), mesh.beacon_key()));
    }
    for (std::size_t size = 0; size < sealed.size(); ++size)
        CHECK(!unseal(view(sealed).substr(0, size), mesh.beacon_key()));
    CHECK(!unseal(Bytes(view(sealed)) + "x", mesh.beacon_key()));
    CHECK(!unseal(view(sealed), MeshSecret::founded_by(Identity::generate()).beacon_key()));
    auto portless = beacon_of(Identity::generate().node_key(), 1);
    portless.port = 0;
    CHECK(!unseal(view(seal(portless, mesh.beacon_key())), mesh.beacon_key()));
}

TEST_CASE("the stamp window takes a little disorder and nothing twice") {
    StampWindow window;
    CHECK(window.take(100));
    CHECK(!window.take(100));
    CHECK(window.take(99));
    CHECK(window.take(101));
    CHECK(!window.take(99));
    for (std::uint64_t stamp = 200; stamp < 208; ++stamp) CHECK(window.take(stamp));
    CHECK(!window.take(150));
    CHECK(!window.take(101));
    CHECK(window.newest() == 207);
}

TEST_CASE(
    "a peer is dialled when it is first heard, not when a beacon is repeated, and again at once when it restarted") {
    auto small = Identity::generate().node_key(), great = Identity::generate().node_key();
    if (great < small) std::swap(small, great);
    PeerTable table(small, redial_min, redial_max);
    auto now = Clock::now();
    CHECK(table.hear(beacon_of(great, 10), "10.0.0.1:1", now) == PeerTable::Heard::fresh);
    CHECK(table.hear(beacon_of(great, 10), "6.6.6.6:6", now) == PeerTable::Heard::replayed);
    auto due = table.next_due(now);
    REQUIRE(due);
    CHECK(due->address == "10.0.0.1:1");
    table.dial_failed(great, now);
    CHECK(!table.next_due(now));
    table.check();

    for (int failure = 0; failure < 12; ++failure) {
        now += redial_max * 2;
        CHECK(table.next_due(now));
        table.dial_failed(great, now);
    }
    CHECK(!table.next_due(now + redial_max / 2));
    CHECK(table.hear(beacon_of(great, 11), "10.0.0.1:1", now) == PeerTable::Heard::fresh);
    CHECK(!table.next_due(now));
    CHECK(table.hear(beacon_of(great, 12, 8), "10.0.0.1:2", now) == PeerTable::Heard::fresh);
    due = table.next_due(now);
    REQUIRE(due);
    CHECK(due->address == "10.0.0.1:2");
    table.check();
}

TEST_CASE("the greater key gives the smaller one a head start") {
    auto small = Identity::generate().node_key(), great = Identity::generate().node_key();
    if (great < small) std::swap(small, great);
    PeerTable table(great, redial_min, redial_max);
    auto now = Clock::now();
    table.hear(beacon_of(small, 10), "10.0.0.1:1", now);
    CHECK(!table.next_due(now));
    CHECK(table.next_due(now + 2 * head_start_ms));
    table.check();
}

TEST_CASE("a paused or engaged peer is not dialled, and one that is unpaused is") {
    auto own = NodeKey{};
    auto peer = Identity::generate().node_key();
    PeerTable table(own, redial_min, redial_max);
    auto now = Clock::now();
    table.set_paused({peer}, now);
    table.hear(beacon_of(peer, 1), "10.0.0.1:1", now);
    CHECK(!table.next_due(now + redial_max));
    table.set_paused({}, now);
    CHECK(table.next_due(now));
    table.set_engaged(peer, true, now);
    CHECK(!table.next_due(now + redial_max));
    table.set_engaged(peer, false, now);
    CHECK(table.next_due(now));
    CHECK(!table.next_due(now + peer_forget_after * 2));
    CHECK(table.size() == 0);
    table.check();
}

TEST_CASE("the table keeps at most so many peers, the linked ones and those heard last") {
    PeerTable table(Identity::generate().node_key(), redial_min, redial_max);
    auto now = Clock::now();
    auto linked = Identity::generate().node_key();
    table.hear(beacon_of(linked, 1), "10.0.0.1:1", now);
    table.set_engaged(linked, true, now);
    for (std::size_t count = 0; count < known_peers_max + 50; ++count) {
        now += Milliseconds(1);
        CHECK(table.hear(beacon_of(Identity::generate().node_key(), 1), "10.0.0.2:2", now) == PeerTable::Heard::fresh);
    }
    CHECK(table.size() == known_peers_max);
    CHECK(table.hear(beacon_of(linked, 1), "10.0.0.1:1", now) == PeerTable::Heard::replayed);
    CHECK(table.hear(beacon_of(NodeKey{}, 1), "10.0.0.1:1", now) == PeerTable::Heard::refused);
    table.check();
}

TEST_CASE("a node keeps at most so many addresses, and prefers those that mean something elsewhere") {
    PeerTable table(NodeKey{}, redial_min, redial_max);
    auto peer = Identity::generate().node_key();
    auto now = Clock::now();
    table.hear(beacon_of(peer, 1), "[fe80::1%eth0]:1", now);
    table.hear(beacon_of(peer, 2), "10.0.0.1:1", now);
    for (std::uint64_t stamp = 3; stamp < 20; ++stamp) {
        table.hear(beacon_of(peer, stamp), "10.0.1." + std::to_string(stamp) + ":1", now);
    }
    table.check();
    auto due = table.next_due(now);
    REQUIRE(due);
    CHECK(due->address == "10.0.0.1:1");
}

TEST_CASE("host and port are told apart, and what is neither is said in words") {
    struct Case {
        const char* text;
        const char* host;
        int port;
    };
    for (const auto& [text, host, port] :
         {Case{"10.0.0.1:80", "10.0.0.1", 80}, Case{"[::1]:9", "::1", 9},
          Case{"shop.example:65535", "shop.example", 65535}, Case{"[fe80::1%eth0]:7", "fe80::1%eth0", 7}}) {
        auto parsed = parse_host_port(text);
        REQUIRE(parsed);
        CHECK(parsed->host == host);
        CHECK(parsed->port == port);
    }
    for (const char* text : {"", ":", "host", "host:", ":80", "host:0", "host:65536", "host:-1", "host:8x", "::1:80",
                             "[::1:80", "[]:80", "ho st:80", "a/b:80", "host:99999999999999999999"}) {
        auto parsed = parse_host_port(text);
        REQUIRE(!parsed);
        CHECK(parsed.fault().code == FaultCode::malformed);
    }
    CHECK(!parse_host_port(std::string(100000, 'a') + ":80"));
    CHECK(numeric_address({"127.0.0.1", 5})->text() == "127.0.0.1:5");
    CHECK(numeric_address({"::1", 5})->text() == "[::1]:5");
    CHECK(!numeric_address({"localhost", 5}));
}

}  // namespace
}  // namespace starling::net
