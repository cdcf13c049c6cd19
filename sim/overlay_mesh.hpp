// Overlays alone, thousands of them, over virtual links: no replicas and no bytes, so that a mesh of 10,000 nodes takes
// seconds. What is as in the world outside: connects take time, those to nodes that are down or cut off fail only after
// a time-out, and each end of a broken link notices on its own.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "gossip/overlay.hpp"
#include "sim/random.hpp"

namespace starling::sim {

struct OverlayMeshOptions {
    std::size_t nodes = 100;
    std::uint64_t seed = 1;
    gossip::OverlayLimits limits;
    std::uint64_t delay_us_min = 10'000, delay_us_max = 100'000;  ///< of a message
    std::uint64_t loss_permille = 0;                              ///< messages lost
    std::uint64_t connect_us_max = 1'500'000;                     ///< a connect to nobody fails after this
    std::uint64_t heartbeat_us_min = 1'500'000;                   ///< a broken link is noticed after between this
    std::uint64_t heartbeat_us_max = 3'000'000;                   ///< and this
    bool check_each_step = false;                                 ///< the invariants of whoever something happened to
};

/// Thread rule: one thread at a time. The same options and calls give the same run.
class OverlayMesh {
  public:
    using Place = std::uint32_t;

    explicit OverlayMesh(const OverlayMeshOptions& options);
    OverlayMesh(const OverlayMesh&) = delete;
    OverlayMesh& operator=(const OverlayMesh&) = delete;

    /// A node starts with an empty book.
    void start(Place place);
    /// It is gone, and its links with it; its peers notice later.
    void crash(Place place);
    /// `place` hears of `of` by discovery.
    void introduce(Place place, Place of);
    /// Everybody starts within `within_us`, and hears of one who started before.
    void start_all(std::uint64_t within_us);
    /// Nodes of different groups cannot reach each other. One group number for each node.
    void set_groups(const std::vector<std::uint32_t>& groups);
    void heal() { set_groups(std::vector<std::uint32_t>(nodes_.size(), 0)); }

    void run_until(std::uint64_t us);
    void run_for(std::uint64_t us) { run_until(now_us_ + us); }
    std::uint64_t now_us() const { return now_us_; }

    bool alive(Place place) const { return nodes_[place].overlay != nullptr; }
    gossip::Overlay& overlay(Place place) { return *nodes_[place].overlay; }
    std::size_t size() const { return nodes_.size(); }
    /// The number of nodes in each component of links that are active at both ends and that a message can cross,
    /// greatest first.
    std::vector<std::size_t> components() const;
    /// Whether links that are up are active at both ends or at none, apart from what is being agreed on.
    bool symmetric() const;
    std::size_t active_links(Place place) const;
    void check() const;

    // -- what happened since the counters were set to zero
    struct Counters {
        std::uint64_t messages = 0, bytes = 0, connects = 0, connects_failed = 0;
        std::uint64_t activated = 0;  ///< ends of links
    };
    Counters counters;

    /// Something that happens to a node, for tests that send what no overlay would.
    void deliver(Place to, Place from, const gossip::OverlayMessage& message);
    /// Nodes whose overlay is played by a test: they accept every link and are told of nothing.
    void play(Place place) { nodes_[place].played = true; }
    void connect(Place from, Place to) { connect_now(from, to); }
    bool linked(Place a, Place b) const { return links_.contains(std::minmax(a, b)); }
    const crdt::NodeKey& key(Place place) const { return nodes_[place].key; }
    static Place place_of(const crdt::NodeKey& key);
    static crdt::Bytes address_of(Place place);

  private:
    struct Event {
        enum class Kind : std::uint8_t { message, connect, connect_failed, link_down, tick, start } kind{};
        Place to = 0, from = 0;
        std::uint64_t incarnation = 0;
        std::shared_ptr<const gossip::OverlayMessage> message = {};
    };
    struct Link {
        std::uint64_t incarnation = 0;
        bool broken = false;
        bool up[2] = {true, true};             ///< the smaller place's end, the greater's
        std::uint64_t arrival_us[2] = {0, 0};  ///< of the last message to that end: they arrive in order
    };
    struct Node {
        crdt::NodeKey key{};
        std::unique_ptr<gossip::Overlay> overlay;
        std::uint64_t run = 0;  ///< counts its starts
        std::uint64_t wake_us = UINT64_MAX;
        std::uint32_t group = 0;
        bool played = false;
        std::map<Place, Link*> links;  ///< whose end here is up
    };
    using Pair = std::pair<Place, Place>;
    static Pair pair(Place a, Place b) { return std::minmax(a, b); }

    gossip::Now now() const { return {now_us_, 1'700'000'000'000'000 + now_us_}; }
    void at(std::uint64_t time_us, Event event);
    void happen(const Event& event);
    void follow(Place place);
    void connect_now(Place from, Place to);
    void send(Place from, Place to, gossip::OverlayMessage message);
    void hang_up(Place at, Place peer);
    void break_link(const Pair& ends);
    void link_down(Place at, Place peer, std::uint64_t incarnation);
    bool reachable(Place a, Place b) const;

    OverlayMeshOptions options_;
    Random random_;
    std::vector<Node> nodes_;
    std::map<Pair, Link> links_;
    std::map<std::pair<std::uint64_t, std::uint64_t>, Event> events_;
    std::uint64_t next_event_ = 0, next_incarnation_ = 1, now_us_ = 0;
};

}  // namespace starling::sim
