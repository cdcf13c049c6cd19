// One peer, whole and single-threaded, without socket or clock: replica, clock, gossip engine and what records for the
// store in one. The node drives it with real time, links and disks, the simulator with virtual ones.
//
// A peer in memory mode has nothing to do with a disk. One with a store never waits for it: its driver takes a batch,
// commits it wherever it likes, and says that it is durable:
//
//     if (auto batch = peer.take_batch(now)) …
//         if (store.commit(*batch)) effects = peer.handle(gossip::DurableUpTo{batch->place}, now);
#pragma once

#include <functional>
#include <memory>

#include "crdt/clock.hpp"
#include "crdt/transaction.hpp"
#include "gossip/io.hpp"
#include "store/store.hpp"

namespace starling::peer {

struct Options {
    crdt::SpaceId space = 0;
    crdt::NodeKey node{};
    gossip::Limits limits;
    gossip::Verifier verify;                ///< empty: accept
    std::function<std::uint64_t()> random;  ///< lives and nonces; injected, so that a simulation repeats
    /// Decides on the links; without one, every link that is up is used and none is asked for.
    std::optional<gossip::OverlayLimits> overlay = {};
    /// Changesets are signed, and none is applied that was not signed by its origin; without one, none of that.
    std::shared_ptr<const gossip::Sealer> sealer = {};
    gossip::MeshId mesh = {};  ///< that signatures are for
};

/// What a committed transaction has become part of.
struct Commit {
    crdt::Changes changes;  ///< for watchers
    bool wrote = false;     ///< false: nothing changed and no dot was taken
    /// That it took, or where it took none, that this life took before. Whoever has seen it has seen all it depends on
    /// (rule 2).
    crdt::Dot last = {};
};

/// Thread rule: one thread at a time; the owner locks. No call blocks or does IO.
class Peer {
  public:
    /// In memory mode.
    explicit Peer(Options options);
    /// With what the store holds. Reads all of it, as the one call that does; the store is not kept. Of the same space.
    static store::Outcome<std::unique_ptr<Peer>> open(Options options, store::Store& store, gossip::Now now,
                                                      const store::RecorderLimits& limits = {},
                                                      const store::Progress& progress = {});
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

    // -- with a store
    /// What is to be committed next, after the batch before has been; nothing where nothing is to be, or not yet. A
    /// batch that met a fault that may pass is committed again as it is. O(what came since).
    std::optional<store::Batch> take_batch(gossip::Now now);
    /// The last batch before the store is closed: what opens it next has nothing to replay. After a `handle(Flush{})`,
    /// which closes the window.
    std::optional<store::Batch> take_last_batch(gossip::Now now);
    /// Is what took this dot of an own life on the disk? Never in memory mode.
    bool durable(const crdt::Dot& own) const;
    /// The last such dot of an own life; 0 in memory mode.
    crdt::Seq durable_seen(const crdt::ReplicaId& own) const;
    /// Something small for the store to keep, with the next batch.
    void keep(store::Item item);
    /// Of the changesets that the store holds for peers.
    std::size_t stored_log_bytes() const;
    /// Of the last that was applied or cut; the store's.
    store::Place place() const;
    /// The store takes no more, or takes them again: while there is a reason, `write` fails with it. All else goes on.
    void refuse_writes(std::optional<std::string> why);

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
    explicit Peer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace starling::peer
