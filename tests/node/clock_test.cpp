#include "crdt/views.hpp"
#include "net/transport.hpp"
#include "node/network.hpp"
#include "node/sealer.hpp"
#include "peer/peer.hpp"
#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

/// A member whose clock is an hour ahead, driven by hand.
class Wild {
  public:
    explicit Wild(const std::string& join_code) {
        const auto code = net::parse_join_code(join_code);
        REQUIRE(code);
        net::TransportOptions options;
        options.listen_address = "127.0.0.1";
        options.discovery = false;
        options.links_on_demand = true;
        options.static_peers = code->addresses;
        auto opened = net::Transport::open(options, identity_, code->admit(identity_.node_key()));
        REQUIRE(opened);
        transport_ = std::move(*opened);
        peer::Options made;
        made.node = identity_.node_key();
        made.random = [] { return 7; };
        made.overlay = gossip::OverlayLimits{};
        made.sealer = std::make_shared<const detail::KeySealer>(identity_);
        made.mesh = code->mesh.mesh_id();
        peer_ = std::make_unique<peer::Peer>(std::move(made));
    }
    NodeId id() const { return {identity_.node_key()}; }
    void add(const std::string& counter) {
        REQUIRE(peer_->write(now(), [&](auto& tx) { crdt::Counter::add(tx, counter, 1); }));
        perform(peer_->handle(gossip::Flush{}, now()));
    }
    void turn() {
        for (auto& event : transport_->poll(5ms)) {
            if (const auto* heard = std::get_if<net::Heard>(&event))
                perform(peer_->handle(gossip::Candidate{{heard->peer, heard->address}}, now()));
            if (const auto* failed = std::get_if<net::DialFailed>(&event))
                perform(peer_->handle(gossip::ConnectFailed{failed->peer}, now()));
            if (const auto* up = std::get_if<net::LinkUp>(&event))
                perform(peer_->handle(gossip::LinkUp{up->peer, up->address}, now()));
            if (const auto* down = std::get_if<net::LinkDown>(&event))
                perform(peer_->handle(gossip::LinkDown{down->peer}, now()));
            if (auto* message = std::get_if<net::Message>(&event))
                perform(peer_->handle(gossip::Received{message->peer, std::move(message->bytes)}, now()));
        }
        perform(peer_->handle(gossip::Tick{}, now()));
    }

  private:
    static gossip::Now now() {
        auto now = detail::present();
        now.wall_us += 3'600'000'000;
        return now;
    }
    void perform(const gossip::Effects& effects) {
        for (const auto& send : effects.sends) transport_->send(send.peer, send.bytes);
        for (const auto& peer : effects.connect) transport_->connect(peer.node, peer.address);
    }

    net::Identity identity_ = net::Identity::generate();
    std::unique_ptr<net::Transport> transport_;
    std::unique_ptr<peer::Peer> peer_;
};

}  // namespace

TEST_CASE("the application is told of a wrong clock, once a minute, and data converges all the same") {
    Signal told;
    std::atomic<int> times = 0;
    NodeId who;
    auto options = quiet();
    options.wrong_clock = [&](const NodeId& id) {
        who = id;
        ++times;
        told.raise();
    };
    const auto node = Node::open(options);
    Wild wild(node.join_code());
    const auto counter = node.counter("x");
    const auto until = std::chrono::steady_clock::now() + patience;
    const auto turn_until = [&](auto met) {
        while (!met() && std::chrono::steady_clock::now() < until) wild.turn();
        REQUIRE(met());
    };
    wild.add("x");
    turn_until([&] { return counter.value() == 1; });
    wild.add("x");
    turn_until([&] { return counter.value() == 2; });
    REQUIRE(told.wait());
    CHECK(who == wild.id());
    CHECK(times == 1);
    CHECK(node.status().counters.clock_warnings > 0);
    CHECK(counter.add(1).wrote());
}
