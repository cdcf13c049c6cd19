#include "net/zmq_sockets.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

namespace starling::net {
namespace {

constexpr int monitor_events_max = 65536;
constexpr int linger_ms = 50;
// ZMQ_ZAP_ENFORCE_DOMAIN: in every libzmq since 4.3, but the header names it only with the draft interfaces.
constexpr int option_zap_enforce_domain = 93;

}  // namespace

Sent send_frame(zmq::socket_t& socket, FrameKind kind, BytesView bytes) {
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, bytes.size() + 1) != 0) return Sent::gone;
    auto* out = static_cast<char*>(zmq_msg_data(&message));
    out[0] = char(kind);
    std::copy(bytes.begin(), bytes.end(), out + 1);
    if (uninterrupted([&] { return zmq_msg_send(&message, socket.handle(), ZMQ_DONTWAIT); }) >= 0) return Sent::yes;
    zmq_msg_close(&message);
    return Sent::gone;
}

void set_limits(zmq::socket_t& socket, const SocketLimits& limits) {
    // The kind byte, and what CURVE wraps around a frame on the wire.
    constexpr std::int64_t wrapping_bytes = 128;
    socket.set(zmq::sockopt::linger, linger_ms);
    socket.set(zmq::sockopt::maxmsgsize, std::int64_t(limits.frame_bytes_max) + wrapping_bytes);
    socket.set(zmq::sockopt::handshake_ivl, limits.handshake_ms_max);
    socket.set(zmq::sockopt::tcp_maxrt, limits.lost_ms_max);
    // No limit on what waits to be read, and no heartbeats of libzmq's own: 4.3.4 (the one measured) aborts the process
    // when a connection ends while its input is held up by a full queue and a heartbeat, ours or a stranger's, comes
    // up. What waits is bounded by the windows of the links and by the byte limit of the door instead.
    socket.set(zmq::sockopt::rcvhwm, 0);
    socket.set(zmq::sockopt::sndhwm, 0);
    socket.set(zmq::sockopt::heartbeat_ivl, 0);
}

void set_curve_client(zmq::socket_t& socket, const Identity& self, const CurveKey& server) {
    socket.set(zmq::sockopt::curve_serverkey, zmq::const_buffer(server.data(), server.size()));
    socket.set(zmq::sockopt::curve_publickey,
               zmq::const_buffer(self.curve_public().data(), self.curve_public().size()));
    socket.set(zmq::sockopt::curve_secretkey,
               zmq::const_buffer(self.curve_secret().data(), self.curve_secret().size()));
}

void set_curve_server(zmq::socket_t& socket, const Identity& self, const std::string& zap_domain) {
    socket.set(zmq::sockopt::curve_server, true);
    socket.set(zmq::sockopt::curve_secretkey,
               zmq::const_buffer(self.curve_secret().data(), self.curve_secret().size()));
    socket.set(zmq::sockopt::zap_domain, zap_domain);
    // Without this a missing handler would let everybody in.
    const int enforce = 1;
    const int set = zmq_setsockopt(socket.handle(), option_zap_enforce_domain, &enforce, sizeof enforce);
    STARLING_ASSERT(set == 0, "libzmq can be told to ask who is there");
}

bool receive_part(zmq::socket_t& socket, zmq::message_t& part) {
    return uninterrupted([&] { return zmq_msg_recv(part.handle(), socket.handle(), ZMQ_DONTWAIT); }) >= 0;
}

Monitor::Monitor(zmq::context_t& context, zmq::socket_t& watched, int events)
    : watched_(watched), pair_(context, zmq::socket_type::pair), readable_(pair_) {
    static std::atomic<std::uint64_t> count{0};
    const std::string name = "inproc://starling-monitor-" + std::to_string(++count);
    pair_.set(zmq::sockopt::linger, 0);
    pair_.set(zmq::sockopt::rcvhwm, monitor_events_max);
    if (zmq_socket_monitor(watched_.handle(), name.c_str(), events) != 0) throw zmq::error_t();
    pair_.connect(name);
}

Monitor::~Monitor() {
    while (next()) {
        // A full pipe would hold libzmq's thread inside the lock that stopping needs.
    }
    zmq_socket_monitor(watched_.handle(), nullptr, 0);
}

std::optional<Monitor::Event> Monitor::next() {
    zmq::message_t what, where;
    if (!receive_part(pair_, what)) {
        readable_.emptied();
        return std::nullopt;
    }
    // The second part, the endpoint, was written together with the first; it says nothing that is needed here.
    receive_part(pair_, where);
    STARLING_ASSERT(what.size() == 6, "a monitor event is two bytes of kind and four of value");
    std::uint16_t kind = 0;
    std::uint32_t value = 0;
    std::memcpy(&kind, what.data(), sizeof kind);
    std::memcpy(&value, static_cast<const char*>(what.data()) + sizeof kind, sizeof value);
    return Event{int(kind), int(value)};
}

}  // namespace starling::net
