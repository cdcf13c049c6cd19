// Whom this node could dial: peers heard of by beacon or over a link, where they listen, and when to try next. Failing
// dials back off exponentially with jitter; a peer that moved or restarted is tried at once. Of two nodes that hear of
// each other at the same time the one with the smaller key dials first and the other gives it a head start, so that as
// a rule one connection is made and not two.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "net/beacon.hpp"
#include "net/identity.hpp"

namespace starling::net {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr std::size_t known_peers_max = 1024;
constexpr std::size_t addresses_per_peer_max = 4;
constexpr Milliseconds head_start_ms{400};             // of the smaller key
constexpr std::chrono::minutes peer_forget_after{10};  // without beacon or link

struct DialTarget {
    NodeKey node{};
    CurveKey curve{};
    std::string address;
};

/// Tells a fresh stamp from a repeated or old one, and takes a little disorder, since the beacons of one moment travel
/// over several cards: fresh is what is newer than the oldest of the newest few and not among them.
class StampWindow {
  public:
    bool take(std::uint64_t stamp);
    std::uint64_t newest() const { return newest_.back(); }

  private:
    std::array<std::uint64_t, 8> newest_{};  // ascending
};

/// Owned by one thread. Invariants: at most known_peers_max peers of at most addresses_per_peer_max addresses each;
/// curves_ holds exactly the CURVE keys of the peers; no peer is due before due_at().
class PeerTable {
  public:
    PeerTable(const NodeKey& own, Milliseconds redial_min, Milliseconds redial_max);

    /// `old_run`: an old stamp in another run than the newest beacon's. A recording, or a clock that was set back.
    enum class Heard { fresh, replayed, old_run, refused };
    /// A beacon came from `address`. Replayed: not newer than the last one of that node. Refused: no valid node key, or
    /// the table is full of linked peers. O(log peers), and about 50 µs at the first beacon of a node.
    Heard hear(const Beacon& beacon, const std::string& address, Clock::time_point now);
    /// A peer proved itself over a link and listens at `address`.
    void learn(const NodeKey& node, const CurveKey& curve, const std::string& address, Clock::time_point now);

    /// Engaged: linked, or on the way to it. An engaged peer is neither dialled nor forgotten.
    void set_engaged(const NodeKey& node, bool engaged, Clock::time_point now);
    /// Paused peers are not dialled.
    void set_paused(const std::set<NodeKey>& nodes, Clock::time_point now);
    /// From now on nobody is dialled but who is asked for, and each once.
    void dial_on_demand() { on_demand_ = true; }
    /// False: it cannot be dialled.
    bool ask_for(const NodeKey& node, const std::string& address, Clock::time_point now);
    std::optional<std::string> address_of(const NodeKey& node) const;
    void dial_failed(const NodeKey& node, Clock::time_point now);
    void link_lost(const NodeKey& node, Clock::time_point now);
    void link_made(const NodeKey& node);

    /// The next peer to dial now, if any; the caller engages it or reports dial_failed, else it is given again.
    std::optional<DialTarget> next_due(Clock::time_point now);
    /// No peer is due before this.
    Clock::time_point due_at() const { return due_at_; }

    bool knows(const CurveKey& curve) const { return curves_.contains(curve); }
    std::size_t size() const { return peers_.size(); }
    void check() const;

  private:
    struct Peer {
        CurveKey curve{};
        std::vector<std::string> addresses;  // the next one to try is the first
        StampWindow stamps;
        BootId boot = 0;
        Clock::time_point heard_at, next_dial;
        Milliseconds backoff{};
        bool engaged = false, paused = false;
        bool wanted = false;  // on demand: and not dialled yet
    };
    Peer* find_or_add(const NodeKey& node, Clock::time_point now);
    bool make_room(Clock::time_point now);
    bool add_address(Peer& peer, const std::string& address);
    bool waits(const Peer& peer) const { return !peer.engaged && !peer.paused && (!on_demand_ || peer.wanted); }
    void schedule(const NodeKey& node, Peer& peer, Clock::time_point now);
    void due_no_later_than(Clock::time_point at) { due_at_ = std::min(due_at_, at); }
    Milliseconds jittered(Milliseconds delay) const;

    NodeKey own_;
    Milliseconds redial_min_, redial_max_;
    std::map<NodeKey, Peer> peers_;
    std::set<CurveKey> curves_;
    std::set<NodeKey> paused_;
    bool on_demand_ = false;
    Clock::time_point due_at_ = Clock::time_point::max();
};

}  // namespace starling::net
