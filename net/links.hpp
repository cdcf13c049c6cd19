// Which connections are links. A connection becomes a link when both sides have proved membership at the door; there is
// never more than one link to a peer. Who wins when two connections of one pair meet:
//  - both are dialling each other: the one dialled by the smaller node key goes on, the other side gives its own up;
//  - the peer is linked and still the same run: the newcomer is turned away (the old link, if dead, ends by its
//  heartbeat);
//  - the peer is linked but was restarted: the newcomer replaces the old link.
// Both sides decide alike from what they can see, so a pair neither flaps nor ends with no link.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/dialler.hpp"
#include "net/door.hpp"
#include "net/joined.hpp"
#include "net/listener.hpp"
#include "net/peer_table.hpp"
#include "net/roll.hpp"
#include "net/transport.hpp"

namespace starling::net {

constexpr std::size_t dials_at_once_max = 32;
// TCP notices a machine that is gone within heartbeat_timeout_ms; a peer whose process only stands still gets so many
// times that, since it may be busy.
constexpr int standstill_factor = 4;

/// Owned by one thread. Invariants: at most one link, one dial and one welcome under way for a peer; no event names a
/// peer before its LinkUp or after its LinkDown; blocked peers have none of them, nor do those whose chain was revoked.
class Links final : public ConnectionSink {
  public:
    struct Settings {
        CurveKey curve{};
        Introduction self;
        std::size_t frame_bytes_max = 0;
        std::size_t link_bytes_max = 0;
        std::size_t links_max = 0;
        Milliseconds handshake_ms_max{};
        Milliseconds heartbeat_ms{};
        Milliseconds heartbeat_timeout_ms{};
        bool on_demand = false;
    };
    Links(const Settings& settings, const Membership& own, Listener& listener, Dialler& dialler, PeerTable& peers);

    /// Sets the time for what on_frame() and on_gone() do next.
    void at(Clock::time_point now) { now_ = now; }
    void on_frame(ConnectionId id, const CurveKey& key, BytesView frame) override;
    void on_gone(ConnectionId id, const std::string& reason) override;

    /// Dials who is due, ends dials that took too long, speaks up on idle links and ends silent ones.
    void pump(Clock::time_point now);
    bool send(const NodeKey& peer, BytesView bytes);
    bool send_aside(const NodeKey& peer, BytesView bytes);
    void set_blocked(std::set<NodeKey> peers);
    void set_roll(Roll roll);
    void set_secrets(const MeshSecret& mesh) { door_.set_secrets(mesh); }
    // On demand:
    void connect(const NodeKey& peer, const std::string& address);
    void disconnect(const NodeKey& peer, const std::string& reason);
    void heard(const NodeKey& peer, const std::string& address);

    bool linked(const NodeKey& peer) const { return up_.contains(peer); }
    bool is_member(const NodeKey& peer) const { return roll_.members.contains(peer); }
    /// Blocked or revoked.
    bool shuns(const NodeKey& peer) const { return blocked_.contains(peer) || roll_.revoked.contains(peer); }
    /// How often peers said at their doors that this node was revoked, since the last link.
    std::uint64_t told_revoked() const { return told_revoked_; }
    std::size_t size() const { return up_.size(); }
    bool has_events() const { return !events_.empty(); }
    std::vector<LinkEvent> take_events();
    std::vector<LinkCounters> counters() const;
    const std::map<NodeKey, FailedDial>& failed_dials() const { return failed_; }
    Clock::time_point due_at() const;
    void check() const;

  private:
    enum class Stage { ready_awaited, welcome_awaited, up };
    struct Connection {
        Stage stage = Stage::welcome_awaited;
        CurveEnds ends;
        NodeKey peer{};
        Standing standing;
        Chain chain;
        BootId boot = 0;
        bool condemned = false;  // revoked: nothing is heard from it, and it ends once what is queued may have left
        Secret<32> key;          // of the door, as both know it
        Bytes hello, welcome;    // what was said, until the door is passed
        Clock::time_point deadline;
        Flow flow;
        Clock::time_point heard_at, spoke_at;
        LinkCounters counters;
    };
    static bool we_dialled(ConnectionId id) { return id % 2 == 0; }
    Connections& side_of(ConnectionId id);
    Sent write(ConnectionId id, Connection& connection, FrameKind kind, BytesView bytes);

    void take_hello(ConnectionId id, const CurveKey& key, BytesView frame);
    std::optional<DoorRefusal> refusal_for(const Introduction& who) const;
    void take_welcome(ConnectionId id, BytesView frame);
    void take_ready(ConnectionId id, BytesView frame);
    void take_linked(ConnectionId id, BytesView frame);
    bool take_alive(Connection& connection, BytesView payload);
    void report(ConnectionId id, Connection& connection);
    void flush(ConnectionId id, Connection& connection);
    void look_at_links();

    void dial(const DialTarget& target);
    void dial_failed(const NodeKey& peer);
    void remember_failed(const NodeKey& peer, const std::string& address, const std::string& reason);
    void raise(ConnectionId id);
    void drop(ConnectionId id, const std::string& reason, bool still_open = true);
    void drop_all_of(const NodeKey& peer, const char* reason);
    void pause_shunned();
    void forget_peer_if_idle(const NodeKey& peer);

    Settings settings_;
    Door door_;
    Listener& listener_;
    Dialler& dialler_;
    PeerTable& peers_;
    Clock::time_point now_;
    std::unordered_map<ConnectionId, Connection> connections_;
    std::map<NodeKey, ConnectionId> up_, dialling_, welcoming_;
    std::set<NodeKey> blocked_;
    Roll roll_;
    std::uint64_t told_revoked_ = 0;
    Joined joined_;
    std::map<NodeKey, FailedDial> failed_;  // dials, since the last link
    std::vector<LinkEvent> events_;
    Clock::time_point looked_at_ = Clock::now();
};

}  // namespace starling::net
