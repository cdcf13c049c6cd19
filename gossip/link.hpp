// What a node knows of one link and of the peer at its end.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>

#include "gossip/io.hpp"
#include "gossip/log.hpp"
#include "gossip/matching.hpp"
#include "gossip/origins.hpp"
#include "gossip/past.hpp"
#include "gossip/refs.hpp"
#include "gossip/trees.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// A pushed changeset that the peer's digests do not show yet.
struct Unacked {
    OriginId origin;
    crdt::Seq last;
    std::size_t bytes;
};

struct OutstandingPull {
    std::uint64_t id;
    std::vector<PullRange> ranges;
    std::uint64_t deadline_us;
    std::uint64_t evicted;  ///< of the waiting buffer when it was sent
    bool announced;         ///< a repair: digests told of all of it, so that the answer goes on along the trees
};

/// An origin of which the peer holds more.
struct Behind {
    std::uint64_t due_us;  ///< when to pull
    bool announced;        ///< a digest told of it, and no hello
};

/// One direction of a link's hellos and digests: what was told so far, as both ends know it.
struct Told {
    Seqs seqs;
    std::uint64_t number = 0;  ///< of the last hello, digest or matching
};

struct Link {
    LinkId slot = 0;  ///< as `Trees` knows it
    std::uint64_t up_since_us = 0;
    RefSender refs_out;
    RefReceiver refs_in;

    KnownVersion known;                ///< at least what the peer holds: it said so, or it sent it
    bool greeted = false;              ///< its whole version was known, at some instant of this link
    std::optional<Past> past;          ///< of an earlier link, until then
    Bookmark bookmark;                 ///< up to which of the peer's what was heard is complete
    std::optional<Matching> matching;  ///< under way: digests wait for its end
    std::uint64_t neighbourhood = 0;   ///< as the peer last said
    std::map<crdt::ReplicaId, Behind> behind;

    Told told{Seqs(true)};         ///< to the peer
    std::uint64_t told_place = 0;  ///< of the last rise that was told
    Told heard;                    ///< from the peer
    bool lost_track = false;       ///< a digest is missing: what is heard means nothing until the next hello
    std::set<OriginId> stops;      ///< to be asked for with the next digest
    std::uint64_t digest_due_us = 0;
    std::uint64_t summary_due_us = 0;  ///< a digest from then on says what the whole comes to
    std::uint64_t said_neighbourhood = 0;
    std::uint64_t hello_wanted_again_us = 0;  ///< no request for a hello before this
    std::uint64_t anew_wanted_again_us = 0;   ///< and none for definitions

    std::vector<ChangesetPtr> gathered;  ///< to be pushed when the push window ends, causes first
    std::size_t gathered_bytes = 0;      ///< less than a frame's: what fills one is pushed at once

    bool used_up = false;  ///< its numbers are: it is to go down
    std::size_t held = 0;  ///< messages that wait for the disk

    std::deque<Unacked> unacked;
    std::size_t unacked_bytes = 0;
    std::size_t received_bytes = 0;  ///< pushed by the peer since the last digest told it
    bool demoted = false;  ///< too slow: nothing is pushed until all that was is acknowledged; the peer pulls meanwhile

    std::optional<OutstandingPull> pull;
    std::uint64_t weighed_bytes = 0;  ///< of the log that the peer lacked when a state diff was found no better
    crdt::Fingerprint fault_at;       ///< version hash of the last fault reported on this link

    std::size_t seal_failures = 0;  ///< runs from the peer that did not verify

    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::uint64_t messages_in = 0, messages_out = 0;
};

}  // namespace starling::gossip
