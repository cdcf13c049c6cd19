// The UDP sockets of one node: one pair (IPv4, IPv6) on the node's own port, which sends everything and takes probes
// and answers, and one pair on the port that all nodes share, which hears multicast and broadcast. Several processes of
// one machine share that port; the system gives each a copy.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "net/beacon.hpp"
#include "net/cards.hpp"

namespace starling::net {

/// Owned by one thread; nothing blocks. A family or a card that is missing makes less noise, never an error: what
/// cannot be sent now is sent when the next beacon is due.
class BeaconSockets {
  public:
    struct Settings {
        std::string listen_address;  ///< numeric, or empty
        std::uint16_t port = 0;      ///< of this node, TCP and UDP
        bool shared = true;          ///< also hear and use the shared port
        std::uint16_t shared_port = 0;
    };
    /// Faults: not_available (the node's port is taken in UDP, or there is no such address).
    static Result<std::unique_ptr<BeaconSockets>> open(const Settings& settings);
    ~BeaconSockets();
    BeaconSockets(const BeaconSockets&) = delete;
    BeaconSockets& operator=(const BeaconSockets&) = delete;

    /// Joins the groups on these cards; only beacons that came in on one of them are heard on the shared port.
    void use_cards(const std::vector<Card>& cards);
    /// One way to reach everybody behind a card.
    struct Way {
        SocketAddress to;
        unsigned card = 0;
        in_addr from_v4{};
    };
    std::vector<Way> ways(const std::vector<Card>& cards) const;

    void send(const SealedBeacon& beacon, const SocketAddress& to);
    /// 0, or the system's reason (errno) why it did not leave.
    int send(const SealedBeacon& beacon, const Way& way);

    struct Datagram {
        std::array<char, beacon_bytes + 1> bytes{};  ///< one more than a beacon, so that a longer one shows
        std::size_t size = 0;
        SocketAddress from;
        unsigned card = 0;  ///< on the shared port: where it came in
    };
    /// The next datagram that waits on any socket; false when there is none.
    bool receive(Datagram& into);
    std::vector<int> descriptors() const;

  private:
    BeaconSockets() = default;
    Result<Done> open_own(const Settings& settings);
    void open_shared(std::uint16_t port);
    bool receive_from(int socket, bool shared, Datagram& into, bool& heard);

    enum : std::size_t { own_v4, own_v6, shared_v4, shared_v6, socket_count };
    std::array<int, socket_count> sockets_{-1, -1, -1, -1};
    std::set<unsigned> cards_;  // by index: those whose beacons are heard
    std::uint16_t shared_port_ = 0;
    std::size_t turn_ = 0;  // where receive() looks first, so that no socket starves another
};

}  // namespace starling::net
