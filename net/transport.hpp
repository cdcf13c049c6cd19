// The encrypted mesh, seen from inside: links to peers come and go, and bytes travel over them. The transport finds
// peers (beacons, static addresses), dials, keeps strangers at the door, and merges what happened into one list of
// events; what the bytes mean is not its business. Delivery is not promised: a link may die with messages in flight,
// and the layer above finds out what is missing by itself.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crdt/ids.hpp"
#include "net/diagnosis.hpp"
#include "net/identity.hpp"
#include "net/mesh.hpp"
#include "net/roll.hpp"
#include "net/waker.hpp"

namespace starling::net {

inline constexpr std::size_t frame_bytes_default = std::size_t{1} << 20;

inline constexpr std::size_t aside_bytes_max = std::size_t{96} << 10;  // of one message that goes aside

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t discovery_port_default = 27465;

struct TransportOptions {
    /// Numeric address to listen on; empty means every address, IPv4 and IPv6.
    std::string listen_address;
    /// TCP port, and UDP port for probes; 0 lets the system choose (see Transport::port).
    std::uint16_t listen_port = 0;
    /// "host:port", "[v6]:port"; names are resolved off this thread, again at every retry.
    std::vector<std::string> static_peers;
    bool discovery = true;
    std::uint16_t discovery_port = discovery_port_default;
    /// Names of the network cards to send beacons on ("lo", "eth0"); empty means all that are up.
    std::vector<std::string> interfaces;

    std::size_t frame_bytes_max = frame_bytes_default;   ///< of one message, by either side
    std::size_t link_bytes_max = std::size_t{64} << 20;  ///< waiting for one peer; over it the link is dropped
    std::size_t links_max = 256;                         ///< peers linked at once
    std::size_t door_slots_max = 64;                     ///< connections that have not proved membership yet
    std::chrono::milliseconds handshake_ms_max{2000};    ///< from the TCP connection to membership proved
    std::chrono::milliseconds heartbeat_ms{500};         ///< a link that is idle says at least this often that it lives
    /// What the other machine does not acknowledge for so long ends the link; a peer that only stands still (a busy or
    /// stopped process) gets four times that. A node's own standstill is not counted against its peers.
    std::chrono::milliseconds heartbeat_timeout_ms{1500};
    /// Peers are dialled when connect() asks for it and not again by themselves; Heard tells who could be.
    bool links_on_demand = false;
    std::chrono::milliseconds redial_ms_min{100};
    std::chrono::milliseconds redial_ms_max{5000};
};

/// A peer proved membership and the link carries messages both ways. Never two for one peer without a LinkDown between.
struct LinkUp {
    NodeKey peer;
    std::string address;  ///< numeric "host:port" where the peer listens
    bool we_dialled = false;
};
/// The link is gone; what was sent and not acknowledged by the layer above may be lost. `reason` is for people.
struct LinkDown {
    NodeKey peer;
    std::string reason;
};
/// Bytes from a linked peer, in the order that it sent them, as one send() made them.
struct Message {
    NodeKey peer;
    Bytes bytes;
};
/// On demand only: a member that is not linked was heard of, and listens there.
struct Heard {
    NodeKey peer;
    std::string address;
};
/// On demand only: what connect() asked for did not come to a link. The peer may still come by itself.
struct DialFailed {
    NodeKey peer;
};
/// As a Message, of what the peer sent with send_aside().
struct Aside {
    NodeKey peer;
    Bytes bytes;
};
using LinkEvent = std::variant<LinkUp, LinkDown, Message, Heard, DialFailed, Aside>;

/// What one link has carried since it came up; payload bytes without frame kinds and encryption.
struct LinkCounters {
    NodeKey peer{};
    std::string address;
    Terms terms{};              ///< as its certificate says
    std::int64_t clock_ms = 0;  ///< how far its wall clock was ahead of this one's when the link was made
    bool we_dialled = false;
    Clock::time_point since;
    std::uint64_t bytes_in = 0, bytes_out = 0, frames_in = 0, frames_out = 0;
    std::size_t bytes_queued = 0;  ///< accepted by send() and not yet known to have been read, with 64 for each frame
};

/// Why somebody got no further than the door.
enum class DoorRefusal : std::uint8_t {
    no_curve,        ///< the handshake was not CURVE, or failed (wrong key, garbage)
    denied,          ///< a key that is blocked, or failed too often lately
    too_many,        ///< more connections than the door has slots
    silent,          ///< no proof within handshake_ms_max
    malformed,       ///< the first frame was no HELLO of this version
    other_mesh,      ///< a HELLO for another mesh
    wrong_key,       ///< the node key does not belong to the CURVE key
    no_proof,        ///< the proof of the mesh secret does not hold
    duplicate,       ///< a second connection of a linked peer
    no_certificate,  ///< the certificate chain does not hold
    expired,         ///< the certificate is over
    used_up,         ///< as many nodes as should have joined with the invitation
    revoked,         ///< the node, its invitation or who vouched for that was revoked
    count_           ///< how many reasons there are
};
constexpr std::size_t door_refusals = std::size_t(DoorRefusal::count_);
std::string_view name_of(DoorRefusal reason);

struct DoorCounters {
    std::array<std::uint64_t, door_refusals> refused{};
    std::uint64_t admitted = 0;
    std::uint64_t told_revoked = 0;     ///< by peers' doors, since the last link: a hint
    std::uint64_t beacons_heard = 0;    ///< sealed for this mesh, from another node, fresh
    std::uint64_t beacons_ignored = 0;  ///< everything else that came in on the beacon ports
    std::uint64_t refused_for(DoorRefusal reason) const { return refused[std::size_t(reason)]; }
};

/// Owns every socket of a node. One thread calls it; only waker().wake() may be called from others. Nothing here blocks
/// but poll(), and that no longer than asked. Invariants: at most one link per peer, and none to a blocked one; no
/// message is delivered from, or sent to, a peer that has not proved membership; memory is bounded by the limits
/// in the options.
class Transport {
  public:
    /// Binds and starts. Faults: not_available (port in use, no such address), malformed (options). A machine without a
    /// network still opens: there is always the loopback, and cards are looked for again while running.
    static Result<std::unique_ptr<Transport>> open(const TransportOptions& options, const Identity& identity,
                                                   const Membership& own);
    virtual ~Transport() = default;

    /// Waits until something happened, wake() was called, or the timeout passed, and returns the events in order. All
    /// dialling, doors, beacons and heartbeats happen in here, so call it again soon (within heartbeat_ms). Work a call
    /// is bounded; what did not fit comes with the next call.
    virtual std::vector<LinkEvent> poll(std::chrono::milliseconds timeout) = 0;

    /// Queues bytes for a linked peer. False: no such link, too large a frame, or the link is over its byte cap and is
    /// going down (its LinkDown comes from poll()). Never blocks. O(bytes).
    virtual bool send(const NodeKey& peer, BytesView bytes) = 0;

    /// Sends at once, past what is queued, or drops: false where there is no such link, more than aside_bytes_max, or
    /// too much under way to a peer that does not read. For what is asked again where no answer comes. O(bytes).
    virtual bool send_aside(const NodeKey& peer, BytesView bytes) = 0;

    /// On demand only: dials the peer once. LinkUp or, as a rule, DialFailed follows.
    virtual void connect(const NodeKey& peer, const std::string& address) = 0;
    /// Ends the link, if there is one; its LinkDown comes from poll().
    virtual void disconnect(const NodeKey& peer, const std::string& reason) = 0;

    /// The fault switch: links to these peers are cut (their LinkDown comes from poll()) and they are ignored in both
    /// directions until a later call leaves them out; then they are dialled at once.
    virtual void set_blocked(std::set<NodeKey> peers) = 0;

    /// Those whose chain it fails are not let in; their links are not heard any more, and end half a heartbeat later at
    /// most. In place of what was set before.
    virtual void set_roll(Roll roll) = 0;
    /// In place of those it was opened with; of the same mesh. Links stay. The newest is what beacons are sealed with;
    /// under an earlier one only those of listed members count.
    virtual void set_secrets(const MeshSecret& mesh) = 0;

    /// Another static peer, "host:port"; tried until it is linked, and again whenever it is not. Faults: malformed,
    /// too_large (static_peers_max).
    virtual Result<Done> add_peer(const std::string& address) = 0;

    virtual Waker& waker() = 0;
    virtual std::uint16_t port() const = 0;
    /// Numeric "host:port" of this node on each card that is up, loopback last: for join codes and for people.
    virtual std::vector<std::string> local_addresses() const = 0;
    virtual std::vector<LinkCounters> links() const = 0;
    virtual DoorCounters door() const = 0;
    virtual Diagnosis diagnose() const = 0;
    virtual void check() const = 0;
};

}  // namespace starling::net
