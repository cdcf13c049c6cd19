// The dialling side: one DEALER for each connection that this node makes, used once. libzmq would go on reconnecting
// some failed sockets for ever and others never; here a connection that fails or ends is thrown away, and whether and
// when to dial again is the peer table's business.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <zmq.hpp>

#include "net/connections.hpp"
#include "net/peer_table.hpp"

namespace starling::net {

/// Owned by one thread. Invariant: every dial has a socket and a monitor on it, and none outlives its on_gone or
/// close().
class Dialler final : public Connections {
  public:
    Dialler(zmq::context_t& context, const Identity& self, const SocketLimits& limits)
        : context_(context), self_(self), limits_(limits) {}

    /// Begins to connect; frames sent before the handshake is through wait for it. Faults: not_available (no
    /// descriptors left, or an address that cannot be dialled).
    Result<ConnectionId> dial(const std::string& address, const CurveKey& server);
    /// Reads what came in, bounded. True: there is more.
    bool pump(ConnectionSink& sink);
    Sent send(ConnectionId id, FrameKind kind, BytesView bytes) override;
    void close(ConnectionId id) override;

    void collect(std::vector<Readable*>& sockets);
    std::size_t size() const { return dials_.size(); }

  private:
    struct Dial {
        Dial(zmq::context_t& context, zmq::socket_t made, const CurveKey& to)
            : socket(std::move(made)), readable(socket), monitor(context, socket, watched_events), server(to) {}
        static const int watched_events;
        zmq::socket_t socket;
        Readable readable;
        Monitor monitor;  // after the socket: destroyed before it
        CurveKey server;
        const char* ended = nullptr;  // why, once it did; what came before is read, unless libzmq let go of it
    };
    bool receive(ConnectionId id, Dial& dial, ConnectionSink& sink, std::size_t& bytes);
    static void look_for_end(Dial& dial);

    zmq::context_t& context_;
    const Identity& self_;
    SocketLimits limits_;
    std::map<ConnectionId, std::unique_ptr<Dial>> dials_;
    ConnectionId next_id_ = 2;
    ConnectionId turn_ = 0;  // where the next pump begins, so that no connection starves another
};

}  // namespace starling::net
