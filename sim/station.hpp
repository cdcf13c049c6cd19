// What stands at a place of the world and speaks on its links: a whole peer, or another protocol that is to be compared
// with it on the same links.
#pragma once

#include <functional>
#include <memory>

#include "peer/peer.hpp"
#include "sim/queue.hpp"

namespace starling::sim {

/// Sans-IO, as the engine is. What becomes known here is told by `Effects::persist`. Thread rule: one thread at a time.
class Station {
  public:
    virtual ~Station() = default;
    virtual gossip::Effects handle(const gossip::Input& input, gossip::Now now) = 0;
    /// One local transaction. What it sends comes with the next `handle`, which the caller owes at once.
    virtual crdt::Result<peer::Commit> write(gossip::Now now, const std::function<void(crdt::Transaction&)>& write) = 0;
    virtual gossip::Counters counters() const = 0;
    /// The peer, where the station is one.
    virtual const peer::Peer* peer() const { return nullptr; }
    // -- with a disk
    virtual std::optional<store::Batch> take_batch(gossip::Now) { return {}; }
    /// Returns when it is on the disk, or when the power is gone.
    virtual bool commit(const store::Batch&) { return false; }
    virtual void check() const {}
};

/// Makes the station of a place. `key` is its node's name, `random` a stream of its own.
using StationMaker = std::function<std::unique_ptr<Station>(Place place, const crdt::NodeKey& key,
                                                            std::function<std::uint64_t()> random)>;

}  // namespace starling::sim
