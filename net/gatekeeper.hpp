// Answers libzmq's question, asked once for every CURVE handshake, whether a key may come as far as the door. Nearly
// every key may: membership is proved at the door. Refused are blocked keys, keys that failed at the door too often
// lately, and unknown keys beyond a rate, so that a stranger cannot make the node shake hands all day.
#pragma once

#include <map>
#include <set>

#include <zmq.hpp>

#include "net/peer_table.hpp"
#include "net/transport.hpp"
#include "net/zmq_sockets.hpp"

namespace starling::net {

constexpr std::size_t suspects_max = 256;
constexpr unsigned door_failures_max = 3;  // of one key, then it is denied for a while
constexpr std::chrono::seconds denied_for{10};
constexpr double unknown_keys_per_second = 50;  // admitted to the door
constexpr double unknown_keys_burst = 100;
constexpr int requests_per_poll_max = 64;

/// The text form in which libzmq hands a key from here to the messages of its connection ("User-Id").
std::string user_id_of(const CurveKey& key);
std::optional<CurveKey> key_of_user_id(std::string_view user_id);

/// The ZAP handler (ZeroMQ RFC 27), run by the network thread itself. Invariant: at most suspects_max keys are
/// remembered.
class Gatekeeper {
  public:
    static constexpr const char* zap_domain = "starling";

    /// Throws zmq::error_t when there are no descriptors left.
    Gatekeeper(zmq::context_t& context, const PeerTable& peers, DoorCounters& counters);

    /// True when somebody asked.
    bool pump(Clock::time_point now);
    void set_blocked(std::set<CurveKey> blocked) { blocked_ = std::move(blocked); }
    /// A key failed at the door.
    void suspect(const CurveKey& key, Clock::time_point now);
    Readable& readable() { return readable_; }
    void check() const;

  private:
    struct Suspect {
        unsigned failures = 0;
        Clock::time_point last;
    };
    bool admits(const CurveKey& key, Clock::time_point now);

    const PeerTable& peers_;
    DoorCounters& counters_;
    zmq::socket_t socket_;
    Readable readable_;
    std::set<CurveKey> blocked_;
    std::map<CurveKey, Suspect> suspects_;
    double unknown_left_ = unknown_keys_burst;
    Clock::time_point refilled_;
};

}  // namespace starling::net
