// What a node knows of one link and of the peer at its end.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "gossip/io.hpp"
#include "gossip/log.hpp"
#include "gossip/refs.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// A version together with its hash, kept as it is raised.
class KnownVersion {
  public:
    crdt::Seq seen(const crdt::ReplicaId& id) const { return crdt::seen(lines_, id); }
    const crdt::Version& lines() const { return lines_; }
    const crdt::Fingerprint& hash() const { return hash_; }

    /// O(log n).
    void raise(const crdt::ReplicaId& id, crdt::Seq seq) {
        auto& seen = lines_[id];
        if (seq <= seen) return;
        hash_ -= crdt::version_line_hash(id, seen);
        hash_ += crdt::version_line_hash(id, seq);
        seen = seq;
    }

  private:
    crdt::Version lines_;
    crdt::Fingerprint hash_;
};

/// A pushed changeset that the peer's digests do not show yet.
struct Unacked {
    crdt::ReplicaId origin;
    crdt::Seq last;
    std::size_t bytes;
};

struct OutstandingPull {
    std::uint64_t id;
    std::vector<PullRange> ranges;
    std::uint64_t deadline_us;
    std::uint64_t evicted;  ///< of the waiting buffer when it was sent
};

struct Link {
    std::uint64_t up_since_us = 0;
    RefSender refs_out;
    RefReceiver refs_in;

    KnownVersion known;                               ///< at least what the peer holds: it said so, or it sent it
    bool greeted = false;                             ///< its hello has come
    std::uint64_t neighbourhood = 0;                  ///< as the peer last said
    std::map<crdt::ReplicaId, std::uint64_t> behind;  ///< origins of which the peer holds more → when to pull

    std::set<crdt::ReplicaId> changed;  ///< since the last digest on this link
    std::uint64_t digest_due_us = 0;
    std::uint64_t said_neighbourhood = 0;
    std::uint64_t hello_wanted_again_us = 0;  ///< no request for a hello before this

    std::vector<ChangesetPtr> gathered;  ///< to be pushed when the push window ends, causes first
    std::size_t gathered_bytes = 0;      ///< less than a frame's: what fills one is pushed at once

    std::deque<Unacked> unacked;
    std::size_t unacked_bytes = 0;

    std::optional<OutstandingPull> pull;
    crdt::Fingerprint fault_at;  ///< version hash of the last fault reported on this link

    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::uint64_t messages_in = 0, messages_out = 0;
};

}  // namespace starling::gossip
