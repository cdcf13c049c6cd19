// How a node is doing, and why a value is what it is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <starling/membership.hpp>
#include <starling/types.hpp>
#include <starling/value.hpp>
#include <starling/watch.hpp>

namespace starling {

/// A linked peer.
struct PeerStatus {
    NodeId id{};
    std::string address{};  ///< numeric "host:port" where it listens
    bool we_dialled = false;
    Standing standing{};  ///< as its certificate says
    /// How far its wall clock was ahead of this node's when the link was made. Negative: behind.
    std::chrono::milliseconds clock_ahead{0};
    std::chrono::milliseconds connected{0};     ///< since the link came up
    std::uint64_t lag = 0;                      ///< events that this node has and the peer is not known to have
    std::uint64_t behind = 0;                   ///< events that the peer has and this node lacks
    std::uint64_t bytes_in = 0, bytes_out = 0;  ///< since the link came up, without encryption's overhead
    std::uint64_t frames_in = 0, frames_out = 0;
    bool synced = false;  ///< both are known to hold the same
};

/// Sums since the node was opened.
struct NodeCounters {
    std::uint64_t changesets_sent = 0, changesets_received = 0, changesets_redundant = 0;
    std::uint64_t changeset_bytes_sent = 0;     ///< the data itself
    std::uint64_t control_bytes_sent = 0;       ///< digests, requests and all else
    std::uint64_t bytes_sent = 0;               ///< messages of every kind, without encryption's overhead
    std::uint64_t body_bytes_applied = 0;       ///< of the changesets that became part of the data, without headers
    std::uint64_t pulls = 0;                    ///< ranges asked for out of a peer's log
    std::uint64_t diffs = 0, diffs_failed = 0;  ///< comparisons of whole states
    std::uint64_t malformed = 0, refused = 0;   ///< messages that break the protocol, changesets that break the rules
    std::uint64_t clock_warnings = 0;           ///< writes stamped more than a minute ahead of this node's clock
    std::uint64_t faults = 0;                   ///< two nodes with equal versions and unequal data: report it
    std::uint64_t update_needed = 0;            ///< changesets of a newer format than this build can apply
    std::uint64_t unsealed = 0;                 ///< changesets that came without a signature, not applied
    std::uint64_t seals_failed = 0;             ///< times that what a peer handed on was not what its origin signed
    std::uint64_t forks = 0;                    ///< times that a node was found to have signed two histories: report it
    std::uint64_t door_admitted = 0;            ///< connections that proved membership
    std::uint64_t door_refused = 0;             ///< connections that did not
    std::uint64_t beacons_heard = 0;            ///< of members
    std::uint64_t beacons_ignored =
        0;  ///< of strangers, other meshes, and replays: whoever lacks the secret gets no answer
};

/// Why connections were turned away at the door, and how often.
struct Refusals {
    std::string reason{};  ///< one word, stable: "no_proof", "other_mesh", …
    std::uint64_t count = 0;
};

/// How the data of a node's directory is doing. Figures may be a fifth of a second old.
struct StoreStatus {
    std::uint64_t file_bytes = 0;
    std::uint64_t unused_bytes = 0;       ///< of the file: pages that are used again
    std::uint64_t write_ahead_bytes = 0;  ///< of a second file, which the first is brought up to date from
    std::uint64_t log_bytes = 0;          ///< of the first: changesets that serve peers; bounded by the options
    std::uint64_t unstored_bytes = 0;     ///< written or received, and not on the disk yet
    std::uint64_t commits = 0;            ///< since the node was opened
    std::string trouble{};                ///< why nothing can be written; empty when all is well
};

struct Status {
    NodeId id{};
    Standing standing{};                   ///< of this node, as its certificate says
    Revoked revoked = Revoked::no;         ///< this node
    std::string mesh_id{};                 ///< names the mesh in public; 32 hexadecimal digits
    std::uint32_t secret_epoch = 0;        ///< number of the mesh's newest secret that this node knows (Node::rotate)
    std::vector<std::string> addresses{};  ///< numeric "host:port" of this node on each network card, loopback last
    std::uint16_t port = 0;
    Version version{};
    /// Of the data, 32 hexadecimal digits: equal versions must have equal ones. Asking ends the flush window of own
    /// writes; inside `transact`, where it cannot, the fingerprint says nothing.
    std::string fingerprint{};
    std::uint64_t live_entries = 0;  ///< those of the mesh itself, one a member, included
    std::uint64_t log_bytes = 0, waiting_bytes = 0;
    std::vector<PeerStatus> peers{};  ///< ascending by id
    NodeCounters counters{};
    std::vector<Refusals> refusals{};    ///< those that occurred
    std::vector<std::string> faults{};   ///< the newest few, in words
    std::optional<StoreStatus> store{};  ///< nothing in memory mode
    bool full_mesh = false;              ///< all links see the same nodes, so nobody forwards
    bool update_needed = false;          ///< some node runs a newer format: update this one
    bool synced = false;                 ///< as `Node::wait_synced` means it
};

/// What may keep a node from meeting others, in words for people; `Node::diagnose`.
struct Finding {
    enum class Level { fine, notice, trouble };
    Level level = Level::fine;
    std::string what{};
    std::string advice{};  ///< what to do about it; empty where nothing is to be done
};

/// A live entry behind a reading.
struct Reason {
    Dot dot{};
    Stamp stamp{};
    std::uint64_t depth = 0;  ///< length of the longest chain of causes that ends here
    Value value{};
    /// Maps and registers: this one wins over the other, concurrent ones. Elsewhere every entry counts.
    bool decides = false;
};

struct KeyInfo {
    Type type{};
    std::string key{};
    auto operator<=>(const KeyInfo&) const = default;
};

}  // namespace starling
