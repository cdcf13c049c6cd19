// The few things that every ZeroMQ socket here needs, and the traps of libzmq 4.3 around them: nothing blocks, nothing
// lingers, and every socket is watched.
#pragma once

#include <cerrno>
#include <optional>
#include <string>

#include <zmq.hpp>

#include "net/door.hpp"
#include "net/identity.hpp"

namespace starling::net {

enum class Sent { yes, gone };

/// Calls libzmq again where a signal came in between. It does not say then whether it took the word of a socket's
/// descriptor back, or left a message half sent.
template <class Call>
int uninterrupted(Call call) {
    int result = call();
    while (result < 0 && zmq_errno() == EINTR) result = call();
    return result;
}

/// Sends `kind ‖ bytes` as the last part of a message, without waiting. libzmq takes as much as it is given; how much
/// that may be is the link's business (links.hpp).
Sent send_frame(zmq::socket_t& socket, FrameKind kind, BytesView bytes);

/// What all of our TCP sockets share.
struct SocketLimits {
    std::size_t frame_bytes_max = 0;
    int handshake_ms_max = 0;
    int lost_ms_max = 0;  ///< a connection whose bytes the other machine does not acknowledge for so long is gone
};
void set_limits(zmq::socket_t& socket, const SocketLimits& limits);
void set_curve_client(zmq::socket_t& socket, const Identity& self, const CurveKey& server);
void set_curve_server(zmq::socket_t& socket, const Identity& self, const std::string& zap_domain);

/// Receives one part without waiting; false when there is none.
bool receive_part(zmq::socket_t& socket, zmq::message_t& part);

/// Whether a socket may have something to read. Its descriptor says so (ZMQ_FD), but any call on the socket may take
/// that word back unread: so it is read until it is empty, and looked at again after each send. zmq_poll does without,
/// for four system calls a socket and round.
class Readable {
  public:
    explicit Readable(zmq::socket_t& socket) : descriptor_(int(socket.get(zmq::sockopt::fd))) {}
    int descriptor() const { return descriptor_; }
    bool maybe() const { return maybe_; }
    void look() { maybe_ = true; }
    /// The last receive found nothing, and nothing was done with the socket since.
    void emptied() { maybe_ = false; }

  private:
    int descriptor_;
    bool maybe_ = true;
};

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
    Readable& readable() { return readable_; }

  private:
    zmq::socket_t& watched_;
    zmq::socket_t pair_;
    Readable readable_;
};

}  // namespace starling::net
