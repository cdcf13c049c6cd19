// What the link table sees of the two kinds of connection, those that were accepted and those that were dialled: frames
// come in, connections end, frames go out. Which kind it is shows in the parity of the number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "net/flow.hpp"
#include "net/zmq_sockets.hpp"

namespace starling::net {

// What one poll reads from either kind; the rest comes with the next.
constexpr std::size_t frames_per_poll_max = 512;
constexpr std::size_t bytes_per_poll_max = std::size_t{8} << 20;

/// Never used twice in one process run of a transport. Odd: accepted here; even: dialled by us.
using ConnectionId = std::uint64_t;

/// Receives what happens on connections.
class ConnectionSink {
  public:
    virtual ~ConnectionSink() = default;
    /// A whole frame. `key` is the CURVE key of the other end, as the handshake proved it.
    virtual void on_frame(ConnectionId id, const CurveKey& key, BytesView frame) = 0;
    /// The connection is gone; its number is not heard of again. Also comes, some time later, for one that was closed
    /// from here.
    virtual void on_gone(ConnectionId id, const std::string& reason) = 0;
};

class Connections {
  public:
    virtual ~Connections() = default;
    virtual Sent send(ConnectionId id, FrameKind kind, BytesView bytes) = 0;
    /// Ends it; no frame is heard from it any more.
    virtual void close(ConnectionId id) = 0;
};

}  // namespace starling::net
