#include "net/links.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "net/byte_order.hpp"

namespace starling::net {
namespace {

BytesView payload_of(BytesView framed) {
    return framed.substr(1);
}

/// Certificates end by the wall clock; all else here goes by the steady one.
std::uint64_t wall_ms() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::uint64_t(std::max<std::int64_t>(0, std::chrono::duration_cast<Milliseconds>(since).count()));
}

std::string address_of(std::optional<SocketAddress> remote, std::uint16_t port) {
    if (!remote) return "?";
    remote->set_port(port);
    return remote->text();
}

}  // namespace

Links::Links(const Settings& settings, const Membership& own, Listener& listener, Dialler& dialler, PeerTable& peers)
    : settings_(settings), door_(own, settings.self), listener_(listener), dialler_(dialler), peers_(peers) {
    const auto standing = standing_of(own.mesh.trust(), own.chain, settings.self.node);
    if (standing) joined_.remember(settings.self.node, *standing);
}

Connections& Links::side_of(ConnectionId id) {
    if (we_dialled(id)) return dialler_;
    return listener_;
}

Sent Links::write(ConnectionId id, Connection& connection, FrameKind kind, BytesView bytes) {
    connection.spoke_at = now_;
    return side_of(id).send(id, kind, bytes);
}

void Links::dial(const DialTarget& target) {
    auto dialled = dialler_.dial(target.address, target.curve);
    if (!dialled) return dial_failed(target.node);
    Connection connection;
    connection.stage = Stage::welcome_awaited;
    connection.ends = {settings_.curve, target.curve};
    connection.peer = target.node;
    connection.deadline = now_ + settings_.handshake_ms_max;
    connection.counters.address = target.address;
    connection.hello = door_.hello(connection.ends, wall_ms());
    write(*dialled, connection, FrameKind::hello, payload_of(connection.hello));
    dialling_.emplace(target.node, *dialled);
    connections_.emplace(*dialled, std::move(connection));
    peers_.set_engaged(target.node, true, now_);
}

void Links::dial_failed(const NodeKey& peer) {
    peers_.dial_failed(peer, now_);
    if (settings_.on_demand) events_.push_back(DialFailed{peer});
}

/// Of many, the names that come first are kept: people look at a few.
void Links::remember_failed(const NodeKey& peer, const std::string& address, const std::string& reason) {
    if (up_.contains(peer) || welcoming_.contains(peer)) return;  // two dials crossed
    auto& failed = failed_[peer];
    failed = {peer, address, reason, failed.failures + 1};
    if (failed_.size() > failed_dials_remembered_max) failed_.erase(std::prev(failed_.end()));
}

void Links::connect(const NodeKey& peer, const std::string& address) {
    if (up_.contains(peer) || dialling_.contains(peer) || welcoming_.contains(peer)) return;
    const bool full = up_.size() + dialling_.size() >= settings_.links_max;
    if (full || !peers_.ask_for(peer, address, now_)) events_.push_back(DialFailed{peer});
}

void Links::disconnect(const NodeKey& peer, const std::string& reason) {
    if (auto at = up_.find(peer); at != up_.end()) drop(ConnectionId(at->second), reason);
}

void Links::heard(const NodeKey& peer, const std::string& address) {
    if (settings_.on_demand && !up_.contains(peer) && !shuns(peer)) events_.push_back(Heard{peer, address});
}

void Links::pump(Clock::time_point now) {
    now_ = now;
    std::vector<ConnectionId> late;
    for (const auto& [peer, id] : dialling_) {
        if (connections_.at(id).deadline <= now) late.push_back(id);
    }
    for (ConnectionId id : late) drop(id, "no answer in time");
    look_at_links();
    while (dialling_.size() < dials_at_once_max && up_.size() + dialling_.size() < settings_.links_max) {
        auto target = peers_.next_due(now);
        if (!target) break;
        const NodeKey& peer = target->node;
        if (up_.contains(peer) || welcoming_.contains(peer)) {
            // It came to us when the table had no room for it.
            peers_.set_engaged(peer, true, now);
            continue;
        }
        dial(*target);
    }
}

void Links::on_frame(ConnectionId id, const CurveKey& key, BytesView frame) {
    auto at = connections_.find(id);
    if (at == connections_.end()) {
        // Every dial is known from its start, so this is the first frame of somebody who came to us.
        if (!we_dialled(id)) take_hello(id, key, frame);
        return;
    }
    switch (at->second.stage) {
        case Stage::up:
            take_linked(id, frame);
            break;
        case Stage::welcome_awaited:
            take_welcome(id, frame);
            break;
        case Stage::ready_awaited:
            take_ready(id, frame);
            break;
    }
}

std::optional<DoorRefusal> Links::refusal_for(const Introduction& who) const {
    const NodeKey& self = settings_.self.node;
    if (blocked_.contains(who.node)) return DoorRefusal::denied;
    if (who.node == self) return DoorRefusal::duplicate;
    if (auto at = up_.find(who.node); at != up_.end()) {
        // Not an end of the old link: this is most often a dial that crossed with ours and that its maker gives up in a
        // moment.
        if (connections_.at(at->second).boot == who.boot) return DoorRefusal::duplicate;
        return std::nullopt;
    }
    const auto welcomed = welcoming_.size() - welcoming_.count(who.node);
    if (up_.size() + welcomed >= settings_.links_max) return DoorRefusal::too_many;
    if (dialling_.contains(who.node) && self < who.node) return DoorRefusal::duplicate;
    return std::nullopt;
}

void Links::take_hello(ConnectionId id, const CurveKey& key, BytesView frame) {
    const CurveEnds ends{key, settings_.curve};
    auto checked = door_.check_hello(ends, frame, wall_ms() / 1000);
    if (auto* refusal = std::get_if<DoorRefusal>(&checked)) return listener_.refuse(id, *refusal, now_);
    auto& [who, standing, chain, door_key] = std::get<Guest>(checked);
    if (roll_.fails(chain)) {
        // It ends the connection; where it does not, the door's limits do.
        side_of(id).send(id, FrameKind::revoked, payload_of(Door::revoked(door_key, ends, frame)));
        return listener_.turn_away(id, DoorRefusal::revoked, now_);
    }
    // By an earlier secret those who were away come in, not who only now joins: it may have an old code of somebody who
    // was put out. The founder's directory may have been made anew from the admin key.
    if (!door_.is_newest(door_key) && chain.size() > 1 && !roll_.members.contains(who.node))
        return listener_.refuse(id, DoorRefusal::no_proof, now_);
    listener_.mark_member(id);
    if (auto refusal = refusal_for(who)) return listener_.refuse(id, *refusal, now_);
    if (joined_.used_up(who.node, standing)) return listener_.refuse(id, DoorRefusal::used_up, now_);

    if (auto at = dialling_.find(who.node); at != dialling_.end()) {
        drop(at->second, "the peer dialled first");
        failed_.erase(who.node);
    }
    if (auto at = welcoming_.find(who.node); at != welcoming_.end()) drop(at->second, "the peer dialled again");
    Connection connection;
    connection.stage = Stage::ready_awaited;
    connection.ends = ends;
    connection.peer = who.node;
    connection.standing = standing;
    connection.chain = std::move(chain);
    connection.key = door_key;
    connection.counters.clock_ms = std::int64_t(who.wall_ms) - std::int64_t(wall_ms());
    connection.boot = who.boot;
    connection.hello = Bytes(frame);
    connection.welcome = door_.welcome(door_key, ends, frame, wall_ms());
    connection.counters.address = address_of(listener_.remote(id), who.port);
    if (write(id, connection, FrameKind::welcome, payload_of(connection.welcome)) != Sent::yes)
        return listener_.close(id);
    peers_.learn(who.node, key, connection.counters.address, now_);
    welcoming_.emplace(who.node, id);
    connections_.emplace(id, std::move(connection));
    peers_.set_engaged(who.node, true, now_);
}

void Links::take_welcome(ConnectionId id, BytesView frame) {
    Connection& connection = connections_.at(id);
    if (door_.check_revoked(connection.ends, connection.hello, frame)) {
        ++told_revoked_;
        return drop(id, "the peer says that this node was revoked");
    }
    auto checked = door_.check_welcome(connection.ends, connection.hello, frame, wall_ms() / 1000);
    auto* guest = std::get_if<Guest>(&checked);
    if (guest == nullptr || guest->introduction.node != connection.peer) {
        const auto* refusal = std::get_if<DoorRefusal>(&checked);
        const auto why = refusal != nullptr ? name_of(*refusal) : "another node answered";
        return drop(id, "the peer did not prove membership: " + std::string(why));
    }
    if (roll_.fails(guest->chain)) return drop(id, "the peer was revoked");
    if (joined_.used_up(connection.peer, guest->standing)) return drop(id, "the peer's invitation has been used up");
    connection.boot = guest->introduction.boot;
    connection.standing = guest->standing;
    connection.chain = std::move(guest->chain);
    connection.counters.clock_ms = std::int64_t(guest->introduction.wall_ms) - std::int64_t(wall_ms());
    const Bytes ready = Door::ready(guest->key, connection.ends, connection.hello, frame);
    if (write(id, connection, FrameKind::ready, payload_of(ready)) != Sent::yes)
        return drop(id, "the connection was closed");
    raise(id);
}

void Links::take_ready(ConnectionId id, BytesView frame) {
    Connection& connection = connections_.at(id);
    if (!Door::check_ready(connection.key, connection.ends, connection.hello, connection.welcome, frame)) {
        listener_.refuse(id, DoorRefusal::no_proof, now_);
        return drop(id, "the peer did not prove membership");
    }
    listener_.mark_proved(id);
    raise(id);
}

void Links::raise(ConnectionId id) {
    Connection& connection = connections_.at(id);
    const NodeKey peer = connection.peer;
    if (auto at = up_.find(peer); at != up_.end()) drop(at->second, "the peer was restarted");
    // Dials and welcomes are counted apart, so that neither waits for the other; the last of them may be one too many.
    if (up_.size() >= settings_.links_max) return drop(id, "there are as many links as there may be");
    if (joined_.used_up(peer, connection.standing))
        return drop(id, "the peer's invitation has been used up");  // meanwhile
    dialling_.erase(peer);
    welcoming_.erase(peer);
    up_.emplace(peer, id);
    connection.stage = Stage::up;
    connection.hello.clear();
    connection.welcome.clear();
    connection.counters.peer = peer;
    connection.counters.terms = connection.standing.terms;
    joined_.remember(peer, connection.standing);
    connection.counters.we_dialled = we_dialled(id);
    connection.counters.since = now_;
    connection.heard_at = now_;
    peers_.link_made(peer);
    failed_.erase(peer);
    told_revoked_ = 0;
    peers_.set_engaged(peer, true, now_);
    events_.push_back(LinkUp{peer, connection.counters.address, we_dialled(id)});
}

void Links::take_linked(ConnectionId id, BytesView frame) {
    Connection& connection = connections_.at(id);
    if (connection.condemned) return;
    connection.heard_at = now_;
    const auto kind = frame.empty() ? FrameKind{} : FrameKind(std::uint8_t(frame[0]));
    if (kind == FrameKind::alive && take_alive(connection, payload_of(frame))) return flush(id, connection);
    const bool aside = kind == FrameKind::aside;
    const auto bytes_max = aside ? aside_bytes_max : settings_.frame_bytes_max;
    if ((kind != FrameKind::data && !aside) || frame.size() > bytes_max + 1) {
        return drop(id, "the peer sent what is no frame");
    }
    BytesView bytes = payload_of(frame);
    connection.counters.bytes_in += bytes.size();
    ++connection.counters.frames_in;
    connection.flow.received(bytes);
    if (aside) {
        events_.push_back(Aside{connection.peer, Bytes(bytes)});
    } else {
        events_.push_back(Message{connection.peer, Bytes(bytes)});
    }
    if (connection.flow.report_due()) report(id, connection);
}

bool Links::take_alive(Connection& connection, BytesView payload) {
    return payload.size() == 8 &&
           connection.flow.take_report(get_be64(reinterpret_cast<const std::uint8_t*>(payload.data())));
}

/// A link that cannot be written to is gone; that it is shows in on_gone, which comes by itself.
void Links::report(ConnectionId id, Connection& connection) {
    std::array<std::uint8_t, 8> consumed{};
    put_be64(consumed.data(), connection.flow.report());
    write(id, connection, FrameKind::alive, BytesView(reinterpret_cast<const char*>(consumed.data()), consumed.size()));
}

void Links::flush(ConnectionId id, Connection& connection) {
    while (auto payload = connection.flow.next()) {
        connection.flow.sent(*payload);
        write(id, connection, FrameKind::data, *payload);
    }
}

void Links::look_at_links() {
    const auto every = settings_.heartbeat_ms / 2;
    if (now_ - looked_at_ < every) return;
    // Nobody was listening while this node was busy with something else: that is not the peers' silence.
    const auto stalled = now_ - looked_at_ > 2 * every ? now_ - looked_at_ : Clock::duration::zero();
    looked_at_ = now_;
    const auto wall_s = wall_ms() / 1000;
    std::vector<ConnectionId> silent, over, condemned;
    for (const auto& [peer, id] : up_) {
        Connection& connection = connections_.at(id);
        if (connection.condemned) condemned.push_back(id);
        if (expired(connection.standing.terms, wall_s)) over.push_back(id);
        connection.heard_at = std::min(connection.heard_at + stalled, now_);
        if (now_ - connection.heard_at > settings_.heartbeat_timeout_ms * standstill_factor) silent.push_back(id);
        if (now_ - connection.spoke_at >= every) report(id, connection);
    }
    for (ConnectionId id : condemned) drop(id, "the peer was revoked");
    for (ConnectionId id : over) drop(id, "the peer's certificate is over");
    for (ConnectionId id : silent) drop(id, "the peer fell silent");
}

void Links::drop(ConnectionId id, const std::string& reason, bool still_open) {
    auto at = connections_.find(id);
    if (at == connections_.end()) return;
    const Stage stage = at->second.stage;
    const NodeKey peer = at->second.peer;
    const std::string address = at->second.counters.address;
    connections_.erase(at);
    if (still_open) side_of(id).close(id);
    if (stage == Stage::up) {
        up_.erase(peer);
        events_.push_back(LinkDown{peer, reason});
        peers_.link_lost(peer, now_);
    } else if (stage == Stage::welcome_awaited) {
        dialling_.erase(peer);
        remember_failed(peer, address, reason);
        dial_failed(peer);
    } else {
        welcoming_.erase(peer);
    }
    forget_peer_if_idle(peer);
}

void Links::forget_peer_if_idle(const NodeKey& peer) {
    const bool engaged = up_.contains(peer) || dialling_.contains(peer) || welcoming_.contains(peer);
    peers_.set_engaged(peer, engaged, now_);
}

void Links::on_gone(ConnectionId id, const std::string& reason) {
    drop(id, reason, false);
}

bool Links::send(const NodeKey& peer, BytesView bytes) {
    auto at = up_.find(peer);
    if (at == up_.end() || bytes.size() > settings_.frame_bytes_max) return false;
    const ConnectionId id = at->second;
    Connection& connection = connections_.at(id);
    if (connection.flow.waiting() + weight_of(bytes) > settings_.link_bytes_max) {
        drop(id, "too slow: " + std::to_string(connection.flow.waiting()) + " bytes were waiting to be sent");
        return false;
    }
    if (connection.flow.may_send(bytes)) {
        if (write(id, connection, FrameKind::data, bytes) != Sent::yes) {
            drop(id, "the connection was closed");
            return false;
        }
        connection.flow.sent(bytes);
    } else {
        connection.flow.queue(bytes);
    }
    connection.counters.bytes_out += bytes.size();
    ++connection.counters.frames_out;
    return true;
}

bool Links::send_aside(const NodeKey& peer, BytesView bytes) {
    auto at = up_.find(peer);
    if (at == up_.end() || bytes.size() > aside_bytes_max) return false;
    const ConnectionId id = at->second;
    Connection& connection = connections_.at(id);
    if (!connection.flow.may_send_aside(bytes)) return false;
    if (write(id, connection, FrameKind::aside, bytes) != Sent::yes) {
        drop(id, "the connection was closed");
        return false;
    }
    connection.flow.sent(bytes);
    connection.counters.bytes_out += bytes.size();
    ++connection.counters.frames_out;
    return true;
}

}  // namespace starling::net
