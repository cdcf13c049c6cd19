// The accepting side: one ROUTER for all who dial us, and the bookkeeping that libzmq does not offer. A ROUTER neither
// says when a connection ends nor can it close one, so the listener follows its monitor, which names connections by
// descriptor, and ends a connection by shutting its TCP stream down. The descriptor belongs to libzmq and may be closed
// at any moment, so it is never used as it is: a duplicate is taken, checked to be the very connection that was
// accepted, and only then shut down.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <zmq.hpp>

#include "net/address.hpp"
#include "net/connections.hpp"
#include "net/gatekeeper.hpp"

namespace starling::net {

constexpr std::size_t door_bytes_max = 4096;  // over TCP, handshake included, before a valid HELLO
constexpr std::size_t monitor_events_per_poll_max = 4096;
constexpr Milliseconds door_look_ms{20};  // how often connections at the door are looked at

/// Owned by one thread. Invariants: a connection is known by one descriptor, at most one routing id and one number;
/// unproved ones are at most door_slots (more are shut down, the oldest first); a frame is handed on only with the
/// CURVE key that ZAP saw.
class Listener final : public Connections {
  public:
    struct Settings {
        std::string address;
        std::uint16_t port = 0;
        SocketLimits limits;
        std::size_t door_slots = 0;
    };
    static Result<std::unique_ptr<Listener>> open(zmq::context_t& context, const Settings& settings,
                                                  const Identity& self, Gatekeeper& gatekeeper, DoorCounters& counters);
    ~Listener() override;

    /// Reads what came in, bounded. True: there is more.
    bool pump(Clock::time_point now, ConnectionSink& sink);
    Sent send(ConnectionId id, FrameKind kind, BytesView bytes) override;
    void close(ConnectionId id) override;

    /// A valid HELLO came: the byte limit of the door does not hold any more.
    void mark_member(ConnectionId id);
    /// The door is passed: no deadline holds any more.
    void mark_proved(ConnectionId id);
    /// Not let in, and remembered against the key.
    void refuse(ConnectionId id, DoorRefusal why, Clock::time_point now);
    /// The same, of one that was told and is to end the connection itself; the limits of the door hold for it.
    void turn_away(ConnectionId id, DoorRefusal why, Clock::time_point now);

    std::optional<SocketAddress> remote(ConnectionId id) const;
    std::uint16_t port() const { return port_; }
    void collect(std::vector<Readable*>& sockets);
    Clock::time_point due_at() const { return unproved_ == 0 ? Clock::time_point::max() : next_look_; }
    void check() const;

  private:
    struct Accepted {
        ConnectionId id = 0;
        SocketAddress remote;
        Clock::time_point since;
        std::string routing_id;  // empty until the first frame
        std::string user_id;
        CurveKey key{};
        bool member = false, proved = false, closing = false;
        bool at_door() const { return !proved && !closing; }
    };
    Listener(zmq::context_t& context, Settings settings, const Identity& self, Gatekeeper& gatekeeper,
             DoorCounters& counters);

    void follow_monitor(Clock::time_point now, ConnectionSink& sink);
    void accept(int fd, Clock::time_point now);
    void forget(int fd, ConnectionSink& sink, const char* reason);
    bool receive(ConnectionSink& sink, std::size_t& bytes);
    int owner_of(const std::string& routing_id, zmq::message_t& body);
    void look_at_door(Clock::time_point now);
    void shut_down(int fd, Accepted& connection);
    void end(int fd, Accepted& connection);
    Accepted* find(ConnectionId id, int* fd = nullptr);
    void count(DoorRefusal why) { ++counters_.refused[std::size_t(why)]; }

    Settings settings_;
    Gatekeeper& gatekeeper_;
    DoorCounters& counters_;
    zmq::socket_t router_;
    Readable readable_;
    std::unique_ptr<Monitor> monitor_;
    std::uint16_t port_ = 0;
    std::unordered_map<int, Accepted> by_fd_;
    std::unordered_map<std::string, int> by_routing_id_;
    std::unordered_map<ConnectionId, int> by_id_;
    std::vector<int> gone_;  // ended, but what they sent before may still wait in the ROUTER
    ConnectionId next_id_ = 1;
    std::size_t unproved_ = 0;
    Clock::time_point next_look_;
};

}  // namespace starling::net
