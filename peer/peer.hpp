// One peer, whole and single-threaded, without socket or clock: replica, clock and gossip engine in one. The node
// drives it with real time and real links, the simulator with virtual ones.
#pragma once

#include <functional>
#include <memory>

#include "crdt/clock.hpp"
#include "crdt/transaction.hpp"
#include "gossip/io.hpp"

namespace starling::peer {

struct Options {
    crdt::SpaceId space = 0;
    crdt::NodeKey node{};
    gossip::Limits limits;
    gossip::Verifier verify;                ///< empty: accept
    std::function<std::uint64_t()> random;  ///< lives and nonces; injected, so that a simulation repeats
    /// Decides on the links; without one, every link that is up is used and none is asked for.
    std::optional<gossip::OverlayLimits> overlay = {};
};

/// What a committed transaction has become part of.
struct Commit {
    crdt::Version version;  ///< covers the transaction and all it depends on
    crdt::Changes changes;  ///< for watchers
    bool wrote = false;     ///< false: nothing changed and no dot was taken
};

/// Thread rule: one thread at a time; the owner locks. No call blocks or does IO.
class Peer {
  public:
    explicit Peer(Options options);
    ~Peer();
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;

    /// Something happened; what is to be done now. O(work caused).
    gossip::Effects handle(const gossip::Input& input, gossip::Now now);

    /// Runs `write` in one transaction, begun with a stamp of now; its faults roll everything back. An exception out of
    /// `write` does too and passes through. What is to be sent is added to the effects of the next `handle`, which the
    /// caller owes at once: `handle(Written{}, now)`.
    crdt::Result<Commit> write(gossip::Now now, const std::function<void(crdt::Transaction&)>& write);

    /// Closes the open window, so that the state's version and fingerprint are of one instant (rule 6), and returns
    /// whether one was open. Not inside `write`. The caller owes a `handle(Written{}, now)` as after `write`.
    bool settle(gossip::Now now);

    const crdt::Replica& replica() const;
    const crdt::State& state() const { return replica().state(); }
    /// The version including the open window: what a reader of this node sees.
    crdt::Version version() const;
    gossip::Status status() const;
    /// Those of the status alone: O(1).
    const gossip::Counters& counters() const;
    /// True when there is a link and every linked peer is known to hold exactly what this node holds.
    bool synced() const;

    /// Invariants of everything inside; O(n log n).
    void check() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace starling::peer
