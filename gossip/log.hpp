// The log: the retained changesets of each replica, newest kept, bounded by bytes and age. What a peer lacks and the
// log still holds is pulled from here; beyond it the state diff serves, so dropping the oldest loses nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "crdt/changeset.hpp"
#include "gossip/seal.hpp"

namespace starling::gossip {

/// Invariants: per origin the changesets follow each other without a gap and end at the newest applied; `bytes()` is
/// their sum. Thread rule: one thread at a time. Append and drop are O(log replicas).
class Log {
  public:
    struct Record {
        ChangesetPtr changeset;
        std::uint64_t place;  ///< order of application: causes before effects
        std::uint64_t at_us;
        std::uint64_t wire_bytes;  ///< of the origin's changesets up to this one, since the first that was kept
        Proof proof{};             ///< where changesets are sealed
    };

    void append(ChangesetPtr changeset, std::uint64_t now_us, Proof proof = {});
    /// A state diff raised the origin past what the log holds: its changesets no longer reach the top.
    void reset(const crdt::ReplicaId& origin);
    /// Drops the oldest until the bounds hold.
    void trim(std::size_t bytes_max, std::uint64_t now_us, std::uint64_t age_us_max);

    /// Does it hold every changeset of `origin` from `from` to its top?
    bool serves(const crdt::ReplicaId& origin, crdt::Seq from) const;
    /// Changesets of `origin` that begin in from…to, oldest first; up to `many`.
    std::vector<Record> range(const crdt::ReplicaId& origin, crdt::Seq from, crdt::Seq to, std::size_t many) const;

    /// What the changesets of `origin` that begin at `from` or later take on the wire, roughly. O(log n).
    std::uint64_t wire_bytes(const crdt::ReplicaId& origin, crdt::Seq from) const;

    // -- sealed_log.cpp: where changesets are sealed
    /// The newest of an origin; nullptr where the log holds none.
    const Record* top(const crdt::ReplicaId& origin) const;
    /// The one that holds a seq; nullptr where the log does not.
    const Record* at(const crdt::ReplicaId& origin, crdt::Seq seq) const;
    /// What was cut and signed here.
    void sealed(const SealPtr& seal);
    /// As `range`, up to a changeset at which a seal is kept, the first one at `to` or later, else the last one before;
    /// in pieces, each up to the next seal. Empty where no seal proves anything, from there on.
    std::vector<std::vector<Record>> proven(const crdt::ReplicaId& origin, crdt::Seq from, crdt::Seq to,
                                            std::size_t many) const;
    /// The newest of an origin, back to the last at which another seal is.
    std::vector<ChangesetPtr> since_seal(const crdt::ReplicaId& origin) const;
    /// The seal of the top lies past it: more is to come before all can be proven.
    bool amid_seal(const crdt::ReplicaId& origin) const;
    /// A run of changesets that follow each other and end at a seal, as it is sent.
    static SealedRun run_of(std::span<const Record> records);

    std::size_t bytes() const { return bytes_; }
    void check() const;

  private:
    using Records = std::deque<Record>;
    static Records::const_iterator from(const Records& records, crdt::Seq seq);
    void drop_oldest();
    static std::size_t size_of(const crdt::Changeset& changeset);

    std::map<crdt::ReplicaId, Records> origins_;
    std::deque<std::pair<std::uint64_t, crdt::ReplicaId>>
        order_;  // (place, origin), oldest first; may name dropped ones
    std::uint64_t next_place_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace starling::gossip
