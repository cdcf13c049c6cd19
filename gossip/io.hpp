// The gossip engine of one node: sans-IO. What happens comes in as an Input, what is to be done goes out as Effects;
// time and randomness are arguments, containers are ordered, so the same inputs give the same effects, bit for bit.
//
// A replica is brought up to date in three ways: a fresh changeset is pushed along the links at once; a node that
// learns from a digest that it is behind pulls exact ranges out of a peer's log; where the log no longer serves, two
// nodes compare their states (gossip/diff_session.hpp).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crdt/replica.hpp"
#include "gossip/overlay_limits.hpp"
#include "gossip/seal.hpp"
#include "gossip/trees.hpp"

namespace starling::gossip {

/// The present. `mono_us` only grows and drives timers; `wall_us` is microseconds since 1970 UTC and may be wrong.
struct Now {
    std::uint64_t mono_us = 0;
    std::uint64_t wall_us = 0;
};

// -- inputs
struct LinkUp {
    crdt::NodeKey peer;
    crdt::Bytes address{};  ///< where the peer listens; only an overlay asks for it
};
struct LinkDown {
    crdt::NodeKey peer;
};
struct Received {
    crdt::NodeKey peer;
    crdt::Bytes bytes;
};
/// The time asked for by `Effects::wake_us` has come, or any other time: spurious ticks do no harm.
struct Tick {};
/// Own transactions joined the open window since the last input.
struct Written {};
/// Cut the window now and send what gathered for the links, whatever their age.
struct Flush {};
/// A member was heard of and could be linked. Without an overlay (peer/peer.hpp) nothing comes of it.
struct Candidate {
    PeerAddress peer;
};
/// What `Effects::connect` asked for did not come to a link.
struct ConnectFailed {
    crdt::NodeKey peer;
};
/// Everything that `Effects` told of up to this place is on the disk (rule 9). In memory mode it never comes.
struct DurableUpTo {
    std::uint64_t place = 0;
};
using Input = std::variant<LinkUp, LinkDown, Received, Tick, Written, Flush, Candidate, ConnectFailed, DurableUpTo>;

// -- effects
struct Send {
    crdt::NodeKey peer;
    crdt::Bytes bytes;
};
struct Disconnect {
    crdt::NodeKey peer;
    bool broke_protocol = false;  ///< else the link is simply not wanted
    std::string_view why;         ///< for people; a literal
};
/// One changeset's or one diff's changes, whole (rule 3).
struct Delivered {
    crdt::Changes changes;
    std::optional<crdt::ReplicaId> origin;  ///< nothing for a state diff, which holds many
    bool written_here = false;              ///< by a transaction of this node, just now
};
/// What the driver does with them, in this order: hand `persist` to the store, then do the rest, disconnects before
/// connects. Nothing of it waits for the disk: what has to, comes out when DurableUpTo comes in (rule 9).
struct Effects {
    std::vector<std::shared_ptr<const crdt::Changeset>> persist;  ///< applied or cut, in order
    /// Of changesets that were applied or cut (now or before), to be kept beside the one that each ends with; or of
    /// origins that a state diff raised. Whoever keeps `persist` keeps these with it.
    std::vector<SealPtr> seals;
    std::vector<crdt::ReplicaId> tops_gone;  ///< their seals need not be kept any more
    std::vector<Fork> forks;                 ///< found, to be kept
    std::size_t replaced = 0;                ///< state diffs applied, of which no changeset tells
    std::uint64_t place = 0;                 ///< counts both, since the first life: DurableUpTo names it
    std::vector<Send> sends;                 ///< in order, for each peer
    std::vector<Disconnect> disconnect;      ///< after the sends
    std::vector<PeerAddress> connect;        ///< LinkUp or ConnectFailed is to follow
    std::vector<Delivered> delivered;        ///< for watchers, after the engine returned
    std::optional<std::uint64_t> wake_us;    ///< tick no later than this monotonic time
};

/// May this changeset be applied? Signatures and certificates are checked here once they exist; the default accepts.
using Verifier = std::function<bool(const crdt::Changeset&)>;

/// Sizes and times, all named; the defaults suit a LAN.
struct Limits {
    std::uint64_t flush_window_us = 2'000;            ///< 0: each transaction is a changeset
    std::uint64_t push_window_us = 0;                 ///< pushes to a link gather for so long in one frame; 0: at once
    std::uint64_t digest_busy_us = 100'000;           ///< a digest follows a change within this on a full mesh
    std::uint64_t digest_busy_wide_us = 200'000;      ///< and within this beyond: on each link more origins share one
    std::uint64_t digest_idle_us = 5'000'000;         ///< and is repeated so seldom while nothing changes
    std::uint64_t pull_delay_us = 50'000;             ///< what a digest announces may be under way: wait before a pull
    std::size_t hello_lines_unasked_max = 32;         ///< of a longer version, link-up says the hash first
    std::size_t hello_lines_max = 1'024;              ///< of a longer one, ranges are compared (matching.hpp)
    std::size_t digest_rises_max = 8'192;             ///< more than a digest tells of are found by ranges
    std::size_t quiet_rises_max = 4'096;              ///< lives that a state diff raises one by one; more begin anew
    std::size_t numbered_lives_max = 16'384;          ///< numbers are given back when there are more
    std::size_t link_numbers_max = 7 << 17;           ///< that this side of a link gives, before it begins anew
    std::uint64_t numbers_kept_us = 60'000'000;       ///< but not sooner after the last time, if links are not in step
    std::uint64_t matching_timeout_us = 5'000'000;    ///< without a message, the matching ends
    std::uint64_t hello_interval_us = 1'000'000;      ///< at most one request for a hello a link in this time
    std::uint64_t pull_timeout_us = 2'000'000;        ///< a pull without an answer is asked elsewhere
    std::uint64_t diff_timeout_us = 10'000'000;       ///< a diff session without a message ends
    std::uint64_t diff_line_us = 50;                  ///< and is waited for so much longer for each line of a version
    std::uint64_t diff_session_us_max = 600'000'000;  ///< and any ends by then; the next goes on with what came
    std::uint64_t log_age_us_max = 24ULL * 3600 * 1'000'000;
    std::size_t log_bytes_max = 64 * 1024 * 1024;
    std::size_t waiting_bytes_max = 16 * 1024 * 1024;     ///< undeliverable changesets
    std::size_t staged_bytes_max = 512 * 1024 * 1024;     ///< entries of unfinished diffs
    std::size_t frame_changesets_bytes_max = 512 * 1024;  ///< in one frame: of those that answer a pull, or gathered
    std::size_t unacked_bytes_max =
        4 * 1024 * 1024;                       ///< pushed to a link and not seen in its digests; past it the peer pulls
    Inheritance inheritance;                   ///< of trees that are new
    std::size_t diffs_served_max = 2;          ///< sessions answered at a time
    std::size_t diff_open_lines_max = 4'096;   ///< of a base in one message, at most some 50 bytes each
    std::size_t diff_base_part_lines = 8'192;  ///< of a base in parts: 10 bytes each, and 34 a node
    std::size_t diff_base_lines_max = 1 << 22;     ///< of a base that comes in parts; some 100 bytes each meanwhile
    std::size_t diff_part_bytes_max = 192 * 1024;  ///< of one part of a diff, roughly
    std::size_t diff_parts_in_flight_max = 4;      ///< parts sent and not acknowledged
    std::uint64_t diff_retry_us = 500'000;         ///< after a busy or failed session, before the next with that peer
};

/// What is known of one link, for status and tests.
struct LinkStatus {
    crdt::NodeKey peer;
    std::uint64_t since_us = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    std::uint64_t messages_in = 0, messages_out = 0;
    std::uint64_t lag = 0;     ///< events this node has and the peer is not known to have
    std::uint64_t behind = 0;  ///< events the peer has and this node lacks
    bool synced = false;       ///< both versions are known to be equal
};

struct Counters {
    std::uint64_t changesets_sent = 0, changesets_received = 0, changesets_redundant = 0;
    std::uint64_t changesets_waited = 0;     ///< for what they depend on, each time
    std::uint64_t changeset_bytes_sent = 0;  ///< bodies and headers, without digests and requests
    std::uint64_t control_bytes_sent = 0;    ///< everything else about data
    std::uint64_t overlay_bytes_sent = 0;    ///< about links
    std::uint64_t bytes_sent = 0;            ///< messages of every kind, as encoded for their links
    std::uint64_t body_bytes_applied = 0;  ///< bodies of the changesets that became part of the state, own and others'
    std::uint64_t pulls = 0, diffs = 0, diffs_failed = 0, matchings = 0;
    std::uint64_t malformed = 0, refused = 0;
    std::uint64_t clock_warnings = 0;  ///< stamps more than a minute ahead of the wall clock
    std::uint64_t faults = 0;          ///< equal versions with unequal fingerprints, dots with two contents
    std::uint64_t update_needed = 0;   ///< changesets of a newer format, not applied
    std::uint64_t unsealed = 0;        ///< changesets that came without a seal, not applied
    std::uint64_t seals_failed = 0;    ///< runs of changesets that are not what their origin signed, not applied
    std::uint64_t forks = 0;           ///< times that an origin was found to have signed two histories
};

struct Status {
    std::vector<LinkStatus> links;  ///< ascending by peer
    Counters counters;
    std::size_t log_bytes = 0, waiting_bytes = 0, staged_bytes = 0;
    std::size_t waiting = 0;
    std::size_t numbered_lives = 0;  ///< of which something is kept
    std::optional<OverlayStatus> overlay;
    bool full_mesh = false;           ///< all links see the same nodes: the origin sends to all and nobody forwards
    std::vector<std::string> faults;  ///< the newest few, in words
    std::vector<Fork> forks;          ///< proof that origins signed two histories; nothing more of them is applied
};

}  // namespace starling::gossip
