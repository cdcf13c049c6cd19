// When beacons are sent and to whom. A node that has just started, or whose cards have just changed, speaks often for a
// few seconds; a lonely one every second or two; a linked one rarely, since its links tell enough. Static peers get a
// beacon of their own, sent to their address, which asks for one back.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/beacon.hpp"
#include "net/beacon_sockets.hpp"
#include "net/cards.hpp"
#include "net/diagnosis.hpp"
#include "net/mesh.hpp"
#include "net/peer_table.hpp"
#include "net/resolver.hpp"

namespace starling::net {

constexpr std::size_t static_peers_max = 256;
constexpr std::size_t datagrams_per_poll_max = 256;
constexpr std::size_t answers_per_second_max = 64;

constexpr Milliseconds hurry_for_ms{3000};
constexpr Milliseconds hurry_interval_ms{150};
constexpr Milliseconds lonely_interval_ms{1500};
constexpr Milliseconds linked_interval_ms{5000};
constexpr Milliseconds cards_interval_ms{2000};
constexpr Milliseconds probe_ms_min{200};
constexpr Milliseconds probe_ms_max{5000};
constexpr unsigned earlier_every = 4;  // so many probes, one is under an earlier secret: who was away knows no other
constexpr Milliseconds resolve_again_ms{30000};  // names: the address may have changed

struct HeardBeacon {
    Beacon beacon;
    SocketAddress source;  ///< where to answer
    std::string address;   ///< where, by this beacon, the node listens
    std::size_t secret;    ///< place of the mesh secret that it was sealed under among those known; 0: the newest
};

/// Owned by one thread; nothing blocks. Invariant: memory does not depend on what strangers send.
class Discovery {
  public:
    struct Settings {
        NodeKey node{};
        BootId boot = 0;
        std::vector<Secret<32>> beacon_keys;  // the newest first, at least one
        bool beacons = true;
        std::string listen_address;
        std::uint16_t port = 0;
        std::uint16_t shared_port = 0;
        std::vector<std::string> interfaces;
    };
    static Result<std::unique_ptr<Discovery>> open(const Settings& settings, Clock::time_point now);

    Result<Done> add_static(const std::string& address, Clock::time_point now);

    /// Sends what is due. `linked` tells whether a node needs no probing.
    void pump(Clock::time_point now, const std::function<bool(const NodeKey&)>& linked);
    /// Reads what came in, bounded.
    std::vector<HeardBeacon> listen();
    /// Sends one beacon to where another came from; at most answers_per_second_max, the rest is not sent.
    /// Under the secret of that place: who asks may know no newer one.
    void answer(const SocketAddress& to, std::size_t secret, Clock::time_point now);
    void set_beacon_keys(std::vector<Secret<32>> keys) { settings_.beacon_keys = std::move(keys); }
    /// How many peers are linked; the loss of the last one makes it speak often for a while.
    void set_links(std::size_t count, Clock::time_point now);
    /// Speak often for a while: something changed.
    void hurry(Clock::time_point now);

    Clock::time_point due_at() const;
    std::vector<int> descriptors() const { return sockets_->descriptors(); }
    const std::vector<Card>& cards() const { return cards_; }
    std::uint64_t ignored() const { return ignored_; }
    /// All but the dials.
    Diagnosis diagnose() const;
    void check() const;

  private:
    struct StaticPeer {
        HostPort at;
        std::vector<SocketAddress> addresses;  // a name may have several, of which some may lead nowhere
        std::optional<NodeKey> node;           // who answered from there
        Clock::time_point next_probe, resolved_at;
        Milliseconds interval = probe_ms_min;
        std::uint64_t probes = 0;
        bool numeric = false;
    };
    Discovery(const Settings& settings, std::unique_ptr<BeaconSockets> sockets, Clock::time_point now);
    SealedBeacon next_beacon(bool asks, std::size_t secret = 0);
    void look_at_cards(Clock::time_point now);
    void speak(Clock::time_point now);
    void probe(Clock::time_point now, const std::function<bool(const NodeKey&)>& linked);
    void resolve(StaticPeer& peer, Clock::time_point now);
    void take_resolved(Clock::time_point now);
    void remember_stranger(const BeaconSockets::Datagram& datagram);
    CardDiagnosis* on(unsigned card);

    Settings settings_;
    std::unique_ptr<BeaconSockets> sockets_;
    std::vector<Card> cards_;
    std::map<unsigned, CardDiagnosis> seen_;  // by index: of the cards that are up
    std::deque<std::string> strangers_;       // newest last
    std::vector<StaticPeer> statics_;
    Resolver resolver_;
    std::size_t links_ = 0;
    std::uint64_t stamp_us_ = 0, ignored_ = 0;
    Clock::time_point hurry_until_, next_beacon_at_, next_cards_at_, answers_since_;
    std::size_t answers_ = 0;
};

}  // namespace starling::net
