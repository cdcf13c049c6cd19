// The messages of a link and their bytes; docs/wire.md is the normative text. A frame is
//   [wire version, space, kind, definitions, body]
// and everything in it comes from a stranger until it has been read whole.
#pragma once

#include <map>
#include <variant>
#include <vector>

#include "crdt/difference.hpp"
#include "crdt/result.hpp"
#include "gossip/overlay_messages.hpp"
#include "gossip/refs.hpp"

namespace starling::gossip {

inline constexpr std::uint64_t wire_version = 1;
inline constexpr std::size_t message_items_max = 1 << 20;

/// On link-up, and when asked: the whole version, compactly.
struct Hello {
    crdt::Version version;
    crdt::Fingerprint fingerprint;
    std::uint64_t neighbourhood = 0;  ///< hash of the sender and its links: equal everywhere on a full mesh
    bool operator==(const Hello&) const = default;
};

/// Small and frequent: what changed since the last digest on this link.
struct Digest {
    crdt::Fingerprint version_hash;
    crdt::Fingerprint fingerprint;
    std::uint64_t neighbourhood = 0;
    crdt::Version changed;
    bool operator==(const Digest&) const = default;
};

/// The sender lost track: please say hello again, and define every number anew.
struct HelloRequest {
    bool operator==(const HelloRequest&) const = default;
};

/// Changesets: pushed when fresh (pull 0), or the answer to a pull.
struct Changesets {
    std::uint64_t pull = 0;
    std::vector<crdt::ReplicaId> gone;  ///< origins asked for that the log no longer serves
    std::vector<crdt::Changeset> changesets;
    bool operator==(const Changesets&) const = default;
};

struct PullRange {
    crdt::ReplicaId origin;
    crdt::Seq from = 0;
    crdt::Seq to = 0;
    bool operator==(const PullRange&) const = default;
};
struct Pull {
    std::uint64_t id = 0;
    std::vector<PullRange> ranges;
    bool operator==(const Pull&) const = default;
};

struct DiffOpen {
    std::uint64_t session = 0;
    crdt::Version base;
    crdt::LiveDots staged;  ///< dots whose entries an earlier attempt left here
    bool operator==(const DiffOpen&) const = default;
};

/// A piece of a Difference. Pieces of all parts together make the whole; the order of parts is by number.
struct DiffPart {
    std::uint64_t session = 0;
    bool finish = false;  ///< from the asker, closing the session's other half
    std::uint64_t number = 0;
    bool last = false;
    crdt::Difference piece;  ///< without the base, which both sides know
    bool operator==(const DiffPart&) const = default;
};

struct DiffAck {
    std::uint64_t session = 0;
    bool finish = false;
    std::uint64_t number = 0;
    bool operator==(const DiffAck&) const = default;
};

enum class DiffEndReason : std::uint8_t { done = 0, busy = 1, failed = 2 };
struct DiffEnd {
    std::uint64_t session = 0;
    DiffEndReason reason = DiffEndReason::done;
    bool operator==(const DiffEnd&) const = default;
};

using Message =
    std::variant<Hello, Digest, HelloRequest, Changesets, Pull, DiffOpen, DiffPart, DiffAck, DiffEnd, OverlayMessage>;

/// The bytes of a message on a link.
crdt::Bytes encode(crdt::SpaceId space, const Message& message, RefSender& refs);

/// Reads a frame. Faults: `malformed` and `too_large` (the peer breaks the protocol), `unknown_kind` (a newer peer:
/// ignore the frame), `not_available` (an undefined number: ask for a hello), `refused` (another space).
crdt::Result<Message> decode(crdt::SpaceId space, crdt::BytesView frame, RefReceiver& refs);

/// What an entry, or a changeset, will take on the wire, roughly: for filling frames.
std::size_t wire_bytes(const crdt::LooseEntry& entry);
std::size_t wire_bytes(const crdt::Changeset& changeset);

}  // namespace starling::gossip
