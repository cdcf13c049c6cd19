// Changesets that arrived before what they depend on (rule 2). Each waits under one dot that it misses; when that dot
// is covered it is looked at again. Bounded in bytes: what is farthest from delivery goes first, since it can be pulled
// again.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "crdt/limits.hpp"
#include "crdt/replica.hpp"
#include "gossip/log.hpp"

namespace starling::gossip {

struct WaitingChangeset {
    ChangesetPtr changeset;
    crdt::Result<crdt::Body> body;
    std::optional<crdt::NodeKey> passed_by;  ///< who passed it on; nothing when it is not to go on from here
    Proof proof{};                           ///< where changesets are sealed
};

/// Invariants: every changeset is indexed under exactly one missing dot and one distance; `bytes()` is their sum and at
/// most the bound after `add`. Thread rule: one thread at a time. Every operation is O(log n) for each changeset
/// touched.
class Waiting {
  public:
    /// Keeps a changeset until `missing` is covered; `seen` is how far the missing dot's replica has come. A second
    /// copy is ignored. May evict, the new one too.
    void add(WaitingChangeset changeset, const crdt::Dot& missing, crdt::Seq seen, std::size_t bytes_max);
    /// Takes out what waited for dots of `replica` up to `seen`.
    std::vector<WaitingChangeset> covered(const crdt::ReplicaId& replica, crdt::Seq seen);
    /// How far the changesets of `origin` that wait here continue `seen` without a gap.
    crdt::Seq continues(const crdt::ReplicaId& origin, crdt::Seq seen) const;
    /// The first seq, from `from` on, of a changeset of `origin` that waits here; past all seqs if there is none.
    crdt::Seq next(const crdt::ReplicaId& origin, crdt::Seq from) const {
        const auto at = items_.lower_bound({origin, from});
        return at == items_.end() || at->first.first != origin ? crdt::seq_max + 1 : at->first.second;
    }
    bool holds(const crdt::ReplicaId& origin, crdt::Seq first) const { return items_.contains({origin, first}); }

    /// Of what waits in this place; nullptr where nothing does.
    const Proof* proof(const crdt::ReplicaId& origin, crdt::Seq first) const {
        const auto at = items_.find({origin, first});
        return at == items_.end() ? nullptr : &at->second.waiting.proof;
    }

    std::size_t size() const { return items_.size(); }
    std::size_t bytes() const { return bytes_; }
    /// How many were ever evicted for space.
    std::uint64_t evicted() const { return evicted_; }
    void check() const;

  private:
    using Name = std::pair<crdt::ReplicaId, crdt::Seq>;  // origin, first
    struct Item {
        WaitingChangeset waiting;
        crdt::Dot missing;
        crdt::Seq distance;
        std::size_t bytes;
    };
    WaitingChangeset take(std::map<Name, Item>::iterator at);

    std::map<Name, Item> items_;
    std::map<crdt::Dot, std::set<Name>> missing_;
    std::set<std::pair<crdt::Seq, Name>> by_distance_;
    std::size_t bytes_ = 0;
    std::uint64_t evicted_ = 0;
};

}  // namespace starling::gossip
