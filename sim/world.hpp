// The world: peers, each with its own clock, over the virtual network, driven by one queue of events. It is what a node
// is around its peer (transport, timers, threads), made of nothing but a seed, so it can be run again.
//
// Whoever wants to know what happens at the nodes, or to live in them (a disk, an application), is an Observer.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "peer/peer.hpp"
#include "sim/disk.hpp"
#include "sim/network.hpp"
#include "sim/station.hpp"
#include "sim/trace.hpp"

namespace starling::sim {

/// What stands under the nodes, where they have disks.
struct DiskOptions {
    std::uint64_t commit_us_max = 5'000;  ///< a commit takes up to this
    store::RecorderLimits limits;
    int checkpoint_pages = 20;
};

struct WorldOptions {
    std::size_t nodes = 3;
    Edges edges;
    NetworkOptions network;
    gossip::Limits limits;
    std::uint64_t skew_us_max = 2'000;  ///< wall clocks are wrong by up to this, either way
    StationMaker station;               ///< empty: a peer at every place
    /// Decides on the links, in place of edges. A node hears of a few others when it starts.
    std::optional<gossip::OverlayLimits> overlay = {};
    /// Nodes have disks, and come back from them; not where `station` makes them.
    std::optional<DiskOptions> disks = {};
    bool sealed = false;  ///< nodes sign what they write, as the simulator signs (sim/fake_sealer.hpp)
};

/// What a node has around its peer. Called in the order of attachment, right after the peer returned.
class Observer {
  public:
    virtual ~Observer() = default;
    /// A peer begins, with an empty memory or with what its disk holds.
    virtual void started(Place) {}
    /// The peer is about to be destroyed, with all that is in its memory.
    virtual void stopped(Place) {}
    /// The peer handled an input; World::heard_from says whose. The sends are on their way; whatever else the effects
    /// ask for is the observer's.
    virtual void handled(Place, const gossip::Effects&) {}
};

/// Invariants: a peer exists while its node runs; time never goes back; the trace holds every event that happened.
/// Thread rule: one thread at a time.
class World {
  public:
    World(const WorldOptions& options, Random random);
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    void attach(Observer& observer) { observers_.push_back(&observer); }
    /// Starts every node and dials every edge.
    void start();

    std::size_t nodes() const { return nodes_.size(); }
    const crdt::NodeKey& key(Place place) const { return nodes_[place].key; }
    /// nullptr while the node is down, and where the station is no peer.
    const peer::Peer* peer(Place place) const { return nodes_[place].peer; }
    /// nullptr while the node is down.
    const Station* station(Place place) const { return nodes_[place].station.get(); }
    bool running(Place place) const { return station(place) != nullptr; }
    bool paused(Place place) const { return nodes_[place].paused_until_us > queue_.now_us(); }
    /// Whose message is being handled; Trace::nowhere when it is another input.
    Place heard_from() const { return heard_from_; }
    /// The node with this key, which must be one of this world. O(1).
    Place place_of(const crdt::NodeKey& key) const;
    std::uint64_t now_us() const { return queue_.now_us(); }
    Network& network() { return network_; }
    const Network& network() const { return network_; }
    Trace& trace() { return trace_; }
    const Trace& trace() const { return trace_; }

    /// Calls `act` at a time, in the order of the queue.
    void at(std::uint64_t time_us, std::function<void()> act);
    /// The next event; false when there is none up to `until_us`, and time is then `until_us` at most.
    bool step(std::uint64_t until_us);

    using Committed = std::function<void(const crdt::Result<peer::Commit>&)>;
    /// One local transaction. `committed` is called with how it ended, before anything that follows from it happens.
    /// The node must run.
    void write(Place place, const std::function<void(crdt::Transaction&)>& write, const Committed& committed);
    void flush(Place place);

    // -- faults of nodes; those of links are the network's
    /// With a disk, the power goes: in the middle of a commit, if there is one.
    void crash(Place place);
    /// The same node key, an empty memory or what the disk holds: a new life.
    void restart(Place place);
    /// What a backup of the node's disk would hold. The node must run, and have a disk.
    VirtualDisk::Image backup(Place place) const { return nodes_[place].disk->image(); }
    /// The disk of a node that is down is changed for an older one, or for another node's.
    void change_disk(Place place, const VirtualDisk::Image& image);
    /// Whether the disk is the one that the node has written to from the start.
    bool same_disk(Place place) const { return nodes_[place].same_disk; }
    /// What was found lost on a disk, if anything ever.
    const std::optional<std::string>& lost() const { return lost_; }
    /// The node stands still until a time: what arrives for it waits.
    void pause(Place place, std::uint64_t until_us);
    /// Each input takes it so long, and the next one waits; 0: no time at all.
    void slow_down(Place place, std::uint64_t input_us);
    /// Its wall clock jumps to another error.
    void set_clock(Place place, std::int64_t error_us);

    /// Changes the bytes of messages as they are sent, when set: a relay that lies, for tests of the judges.
    using Tamper = std::function<crdt::Bytes(Place from, Place to, crdt::Bytes)>;
    Tamper tamper;

    void check() const;

  private:
    struct Node {
        crdt::NodeKey key{};
        std::unique_ptr<VirtualDisk> disk;  ///< outlives what is open on it
        std::unique_ptr<Station> station;
        const peer::Peer* peer = nullptr;  ///< the station's
        std::int64_t clock_error_us = 0;
        std::uint64_t paused_until_us = 0;
        std::uint64_t input_us = 0;          ///< that handling one takes
        std::uint64_t busy_until_us = 0;     ///< with the last one
        std::deque<Event> inbox;             ///< what came while it could not listen
        std::uint64_t wake_us = UINT64_MAX;  ///< when the pending tick is due
        std::uint64_t timer = 0;             ///< which tick is the pending one
        // -- with a disk
        std::optional<store::Batch> committing;
        std::uint64_t boots = 0;
        store::Place durable = 0;  ///< what the store said is on the disk
        bool same_disk = true;
    };

    void boot(Place place);
    void introduce(Place place);
    gossip::Now now(Place place) const;
    void handle(Place place, const gossip::Input& input);
    void happen(Event& event);
    void take_one(Place place);
    void look_later(Place place);
    void begin_commit(Place place);
    void end_commit(Place place);
    void lose_power(Node& node);

    Queue queue_;
    Random random_;
    WorldOptions options_;
    Trace trace_;
    std::vector<Node> nodes_;
    Network network_;
    std::vector<Observer*> observers_;
    std::vector<std::function<void()>> scripts_;
    std::vector<std::size_t> free_scripts_;
    Place heard_from_ = Trace::nowhere;
    std::optional<std::string> lost_;
};

}  // namespace starling::sim
