#include "net/listener.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/tcp.h>
#include <unistd.h>
#include <utility>

namespace starling::net {
namespace {

constexpr int backlog = 1024;  // the default of 100 makes joining nodes wait for retries
constexpr int watched_events = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;

std::optional<SocketAddress> remote_of(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
    if (storage.ss_family != AF_INET && storage.ss_family != AF_INET6) return std::nullopt;
    return SocketAddress(storage);
}

std::uint16_t local_port_of(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
    return SocketAddress(storage).port();
}

/// A duplicate of a descriptor that libzmq owns, if it still is the connection from `remote` to `port`.
class Borrowed {
  public:
    Borrowed(int fd, const SocketAddress& remote, std::uint16_t port) : copy_(::fcntl(fd, F_DUPFD_CLOEXEC, 0)) {
        if (copy_ < 0) return;
        auto now = remote_of(copy_);
        same_ = now && *now == remote && local_port_of(copy_) == port;
    }
    ~Borrowed() {
        if (copy_ >= 0) ::close(copy_);
    }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;

    void shut_down() const {
        if (same_) ::shutdown(copy_, SHUT_RDWR);
    }
    std::uint64_t bytes_received() const {
        tcp_info info{};
        socklen_t size = sizeof info;
        if (!same_ || ::getsockopt(copy_, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
        return info.tcpi_bytes_received;
    }

  private:
    int copy_;
    bool same_ = false;
};

}  // namespace

Listener::Listener(zmq::context_t& context, Settings settings, const Identity& self, Gatekeeper& gatekeeper,
                   DoorCounters& counters)
    : settings_(std::move(settings)),
      gatekeeper_(gatekeeper),
      counters_(counters),
      router_(context, zmq::socket_type::router),
      readable_(router_),
      next_look_(Clock::now()) {
    set_limits(router_, settings_.limits);
    set_curve_server(router_, self, Gatekeeper::zap_domain);
    router_.set(zmq::sockopt::router_mandatory, true);
    router_.set(zmq::sockopt::backlog, backlog);
    monitor_ = std::make_unique<Monitor>(context, router_, watched_events);
}

Listener::~Listener() = default;

Result<std::unique_ptr<Listener>> Listener::open(zmq::context_t& context, const Settings& settings,
                                                 const Identity& self, Gatekeeper& gatekeeper, DoorCounters& counters) {
    std::unique_ptr<Listener> listener(new Listener(context, settings, self, gatekeeper, counters));
    const bool any = settings.address.empty();
    const bool v6 = settings.address.find(':') != std::string::npos;
    const std::string host = any ? "*" : v6 ? "[" + settings.address + "]" : settings.address;
    const std::string endpoint = "tcp://" + host + ":" + (settings.port == 0 ? "*" : std::to_string(settings.port));
    // "*" with IPv6 takes both families; where the system has no IPv6 at all it is IPv4 alone.
    auto bound = [&](bool with_v6) {
        const int flag = with_v6 ? 1 : 0;
        zmq_setsockopt(listener->router_.handle(), ZMQ_IPV6, &flag, sizeof flag);
        return zmq_bind(listener->router_.handle(), endpoint.c_str()) == 0;
    };
    if (!bound(any || v6) && !(any && errno != EADDRINUSE && bound(false))) {
        return Fault{FaultCode::not_available, "cannot listen on " + endpoint + ": " + zmq_strerror(zmq_errno())};
    }
    const std::string at = listener->router_.get(zmq::sockopt::last_endpoint);
    listener->port_ = std::uint16_t(std::atoi(at.c_str() + at.rfind(':') + 1));
    return listener;
}

Listener::Accepted* Listener::find(ConnectionId id, int* fd) {
    auto at = by_id_.find(id);
    if (at == by_id_.end()) return nullptr;
    if (fd != nullptr) *fd = at->second;
    return &by_fd_.at(at->second);
}

void Listener::accept(int fd, Clock::time_point now) {
    auto remote = remote_of(fd);
    if (!remote) return;  // gone already
    Accepted connection;
    connection.id = next_id_;
    connection.remote = *remote;
    connection.since = now;
    next_id_ += 2;
    by_id_.emplace(connection.id, fd);
    by_fd_.insert_or_assign(fd, std::move(connection));
    if (++unproved_ <= settings_.door_slots) return;
    // The oldest goes: an honest peer needs the door for milliseconds, so a crowd of silent ones cannot keep it out.
    auto oldest = by_fd_.end();
    for (auto at = by_fd_.begin(); at != by_fd_.end(); ++at) {
        if (!at->second.at_door()) continue;
        if (oldest == by_fd_.end() || at->second.id < oldest->second.id) oldest = at;
    }
    count(DoorRefusal::too_many);
    end(oldest->first, oldest->second);
}

void Listener::end(int fd, Accepted& connection) {
    if (connection.closing) return;
    if (connection.at_door()) --unproved_;
    connection.closing = true;
    shut_down(fd, connection);
}

void Listener::shut_down(int fd, Accepted& connection) {
    Borrowed(fd, connection.remote, port_).shut_down();
}

void Listener::forget(int fd, ConnectionSink& sink, const char* reason) {
    auto at = by_fd_.find(fd);
    if (at == by_fd_.end()) return;
    const Accepted connection = std::move(at->second);
    if (connection.at_door()) --unproved_;
    if (!connection.routing_id.empty()) by_routing_id_.erase(connection.routing_id);
    by_id_.erase(connection.id);
    by_fd_.erase(at);
    sink.on_gone(connection.id, reason);
}

void Listener::follow_monitor(Clock::time_point now, ConnectionSink& sink) {
    for (std::size_t count_left = monitor_events_per_poll_max; count_left > 0; --count_left) {
        auto event = monitor_->next();
        if (!event) return;
        if (event->kind == ZMQ_EVENT_ACCEPTED) {
            // The system reuses descriptors: a new connection says that the old one under this number is gone. What
            // that sent is read first, or it would be taken for the new one's.
            std::size_t frames = 0, bytes = 0;
            while (by_fd_.contains(event->value) && frames < frames_per_poll_max && receive(sink, bytes)) ++frames;
            std::erase(gone_, event->value);
            forget(event->value, sink, "the connection was closed");
            accept(event->value, now);
        } else if (event->kind == ZMQ_EVENT_DISCONNECTED) {
            gone_.push_back(event->value);
        } else {
            count(DoorRefusal::no_curve);
        }
    }
}

int Listener::owner_of(const std::string& routing_id, zmq::message_t& body) {
    // libzmq 4.3 may lose what it knows about a peer on the first part of a message, never on the body.
    const char* user_id = zmq_msg_gets(body.handle(), "User-Id");
    if (user_id == nullptr) return -1;
    if (auto at = by_routing_id_.find(routing_id); at != by_routing_id_.end()) {
        // Routing ids are the peer's choice, so it is the key that tells who is speaking.
        return by_fd_.at(at->second).user_id == user_id ? at->second : -1;
    }
    const int fd = zmq_msg_get(body.handle(), ZMQ_SRCFD);
    auto at = by_fd_.find(fd);
    if (at == by_fd_.end() || !at->second.routing_id.empty()) return -1;
    Accepted& connection = at->second;
    auto key = key_of_user_id(user_id);
    if (!key) return -1;
    connection.routing_id = routing_id;
    connection.user_id = user_id;
    connection.key = *key;
    by_routing_id_.emplace(routing_id, fd);
    return fd;
}

bool Listener::receive(ConnectionSink& sink, std::size_t& bytes) {
    zmq::message_t from, body, rest;
    if (!receive_part(router_, from)) {
        readable_.emptied();
        return false;
    }
    if (!from.more() || !receive_part(router_, body)) return true;
    bytes += body.size() + frame_weight_bytes;
    bool more = body.more();
    const bool single = !more;
    while (more && receive_part(router_, rest)) {
        bytes += rest.size();
        more = rest.more();
    }
    const int fd = owner_of(std::string(from.to_string_view()), body);
    if (fd < 0) return true;
    Accepted& connection = by_fd_.at(fd);
    if (connection.closing) return true;
    // Several parts are no frame of ours; the empty frame stands for whatever is not one.
    sink.on_frame(connection.id, connection.key, single ? body.to_string_view() : BytesView());
    return true;
}

void Listener::look_at_door(Clock::time_point now) {
    if (unproved_ == 0 || now < next_look_) return;
    next_look_ = now + door_look_ms;
    const auto patience = Milliseconds(settings_.limits.handshake_ms_max);
    for (auto& [fd, connection] : by_fd_) {
        if (!connection.at_door()) continue;
        if (now - connection.since > patience) {
            refuse(connection.id, DoorRefusal::silent, now);
        } else if (!connection.member && Borrowed(fd, connection.remote, port_).bytes_received() > door_bytes_max) {
            // A message in endless parts never gets as far as being received, so it is weighed where it comes in.
            refuse(connection.id, DoorRefusal::malformed, now);
        }
    }
}

bool Listener::pump(Clock::time_point now, ConnectionSink& sink) {
    // In this order: a connection is known (monitor) before its first frame is read, since the frame waits for the
    // handshake; and what came before its end is read before it is forgotten.
    auto& monitor = monitor_->readable();
    if (gatekeeper_.readable().maybe() && gatekeeper_.pump(now)) monitor.look();
    if (monitor.maybe()) {
        follow_monitor(now, sink);
        readable_.look();
        if (monitor.maybe()) return true;  // a crowd: whose frames these are comes first
    }
    std::size_t bytes = 0, frames = 0;
    const auto room = [&] { return frames < frames_per_poll_max && bytes < bytes_per_poll_max; };
    while (readable_.maybe() && room() && receive(sink, bytes)) ++frames;
    const bool more = readable_.maybe();
    if (!more) {
        for (int fd : std::exchange(gone_, {})) forget(fd, sink, "the connection was closed");
    }
    look_at_door(now);
    return more;
}

Sent Listener::send(ConnectionId id, FrameKind kind, BytesView bytes) {
    Accepted* connection = find(id);
    if (connection == nullptr || connection->closing || connection->routing_id.empty()) return Sent::gone;
    const auto& to = connection->routing_id;
    readable_.look();
    const auto name = [&] { return zmq_send(router_.handle(), to.data(), to.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE); };
    if (uninterrupted(name) < 0) return Sent::gone;
    return send_frame(router_, kind, bytes);
}

void Listener::collect(std::vector<Readable*>& sockets) {
    for (auto* readable : {&gatekeeper_.readable(), &monitor_->readable(), &readable_}) sockets.push_back(readable);
}

void Listener::close(ConnectionId id) {
    int fd = -1;
    if (Accepted* connection = find(id, &fd)) end(fd, *connection);
}

void Listener::mark_member(ConnectionId id) {
    if (Accepted* connection = find(id)) connection->member = true;
}

void Listener::mark_proved(ConnectionId id) {
    Accepted* connection = find(id);
    if (connection == nullptr || !connection->at_door()) return;
    connection->proved = true;
    --unproved_;
    ++counters_.admitted;
}

void Listener::refuse(ConnectionId id, DoorRefusal why, Clock::time_point now) {
    int fd = -1;
    Accepted* connection = find(id, &fd);
    if (connection == nullptr || connection->closing) return;
    count(why);
    if (!connection->user_id.empty() && !connection->member) gatekeeper_.suspect(connection->key, now);
    end(fd, *connection);
}

void Listener::turn_away(ConnectionId id, DoorRefusal why, Clock::time_point now) {
    Accepted* connection = find(id);
    if (connection == nullptr || connection->closing) return;
    count(why);
    if (!connection->user_id.empty()) gatekeeper_.suspect(connection->key, now);
}

std::optional<SocketAddress> Listener::remote(ConnectionId id) const {
    auto at = by_id_.find(id);
    if (at == by_id_.end()) return std::nullopt;
    return by_fd_.at(at->second).remote;
}

void Listener::check() const {
    STARLING_ASSERT(by_id_.size() == by_fd_.size(), "every connection has one number");
    std::size_t unproved = 0;
    for (const auto& [fd, connection] : by_fd_) {
        STARLING_ASSERT(by_id_.at(connection.id) == fd, "a number names its connection");
        if (connection.at_door()) ++unproved;
        if (connection.routing_id.empty()) continue;
        auto at = by_routing_id_.find(connection.routing_id);
        STARLING_ASSERT(at != by_routing_id_.end() && at->second == fd, "a routing id names its connection");
    }
    STARLING_ASSERT(unproved == unproved_ && unproved <= settings_.door_slots, "the door is bounded");
}

}  // namespace starling::net
