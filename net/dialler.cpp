#include "net/dialler.hpp"

#include <algorithm>

namespace starling::net {

const int Dialler::Dial::watched_events = ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED |
                                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                          ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

Result<ConnectionId> Dialler::dial(const std::string& address, const CurveKey& server) {
    try {
        zmq::socket_t socket(context_, zmq::socket_type::dealer);
        set_limits(socket, limits_);
        set_curve_client(socket, self_, server);
        socket.set(zmq::sockopt::reconnect_ivl, -1);
        socket.set(zmq::sockopt::connect_timeout, limits_.handshake_ms_max);
        socket.set(zmq::sockopt::ipv6, address.front() == '[');
        auto dial = std::make_unique<Dial>(context_, std::move(socket), server);
        dial->socket.connect("tcp://" + address);
        const ConnectionId id = next_id_;
        next_id_ += 2;
        dials_.emplace(id, std::move(dial));
        return id;
    } catch (const zmq::error_t& error) {
        return Fault{FaultCode::not_available, "cannot dial " + address + ": " + error.what()};
    }
}

void Dialler::look_for_end(Dial& dial) {
    while (auto event = dial.monitor.next()) {
        if (dial.ended != nullptr) continue;  // the first event tells why, the next ones what followed from it
        switch (event->kind) {
            case ZMQ_EVENT_CLOSED:
                dial.ended = "could not connect";
                break;
            case ZMQ_EVENT_DISCONNECTED:
                dial.ended = "the connection was closed";
                break;
            default:
                dial.ended = "the handshake failed";
                break;
        }
    }
}

bool Dialler::receive(ConnectionId id, Dial& dial, ConnectionSink& sink, std::size_t& bytes) {
    zmq::message_t body, rest;
    if (!receive_part(dial.socket, body)) {
        dial.readable.emptied();
        return false;
    }
    bytes += body.size() + frame_weight_bytes;
    bool more = body.more();
    const bool single = !more;
    while (more && receive_part(dial.socket, rest)) {
        bytes += rest.size();
        more = rest.more();
    }
    const CurveKey server = dial.server;  // the sink may close the connection
    sink.on_frame(id, server, single ? body.to_string_view() : BytesView());
    return true;
}

bool Dialler::pump(ConnectionSink& sink) {
    std::vector<ConnectionId> order;
    const auto add = [&](const auto& dial) {
        if (dial.second->readable.maybe() || dial.second->monitor.readable().maybe()) order.push_back(dial.first);
    };
    const auto turn = dials_.upper_bound(turn_);
    std::for_each(turn, dials_.end(), add);
    std::for_each(dials_.begin(), turn, add);

    std::size_t bytes = 0, frames = 0;
    for (ConnectionId id : order) {
        auto at = dials_.find(id);
        if (at == dials_.end()) continue;
        look_for_end(*at->second);
        while (at != dials_.end() && receive(id, *at->second, sink, bytes)) {
            if (++frames >= frames_per_poll_max || bytes >= bytes_per_poll_max) {
                turn_ = id;
                return true;
            }
            at = dials_.find(id);
        }
        if (at == dials_.end() || at->second->ended == nullptr) continue;
        const char* reason = at->second->ended;
        dials_.erase(at);
        sink.on_gone(id, reason);
    }
    return false;
}

Sent Dialler::send(ConnectionId id, FrameKind kind, BytesView bytes) {
    auto at = dials_.find(id);
    if (at == dials_.end()) return Sent::gone;
    at->second->readable.look();
    return send_frame(at->second->socket, kind, bytes);
}

void Dialler::close(ConnectionId id) {
    dials_.erase(id);
}

void Dialler::collect(std::vector<Readable*>& sockets) {
    for (auto& [id, dial] : dials_) {
        sockets.push_back(&dial->readable);
        sockets.push_back(&dial->monitor.readable());
    }
}

}  // namespace starling::net
