// The few things that every ZeroMQ socket here needs, and the traps of libzmq 4.3 around them: nothing blocks, nothing
// lingers, every socket is watched, and bytes that libzmq holds are counted until it lets go of them.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include <zmq.hpp>

#include "net/door.hpp"
#include "net/identity.hpp"

namespace starling::net {

/// Bytes that libzmq holds for one link; its own thread counts them down.
using QueuedBytes = std::shared_ptr<std::atomic<std::size_t>>;
constexpr std::size_t frame_overhead_bytes = 256;  // what a queued frame costs besides its bytes, about

enum class Sent { yes, full, gone };

/// Sends `kind ‖ bytes` as the last part of a message, without waiting, and charges it to `queued` until it is on the
/// wire.
Sent send_frame(zmq::socket_t& socket, FrameKind kind, BytesView bytes, const QueuedBytes& queued);

/// What all of our TCP sockets share.
struct SocketLimits {
    std::size_t frame_bytes_max = 0;
    int handshake_ms_max = 0;
    int heartbeat_ms = 0;
    int heartbeat_timeout_ms = 0;
};
void set_limits(zmq::socket_t& socket, const SocketLimits& limits);
void set_curve_client(zmq::socket_t& socket, const Identity& self, const CurveKey& server);
void set_curve_server(zmq::socket_t& socket, const Identity& self, const std::string& zap_domain);

/// Receives one part without waiting; false when there is none.
bool receive_part(zmq::socket_t& socket, zmq::message_t& part);

/// Watches the connections of one socket. Invariant: it is destroyed before its socket, which stops the monitor before
/// its pipe is closed (the other order hangs). It has to be read often: a full pipe holds up libzmq's own thread.
class Monitor {
  public:
    Monitor(zmq::context_t& context, zmq::socket_t& watched, int events);
    ~Monitor();
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;

    struct Event {
        int kind = 0;   ///< ZMQ_EVENT_…
        int value = 0;  ///< a file descriptor, or an error, by kind
    };
    std::optional<Event> next();
    zmq::socket_t& socket() { return pair_; }

  private:
    zmq::socket_t& watched_;
    zmq::socket_t pair_;
};

}  // namespace starling::net
