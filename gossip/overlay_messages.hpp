// What nodes say to each other about links, as opposed to data: who asks for one, who answers, walks that spread
// addresses, and the pulse that tells which component a node is in. docs/wire.md is the normative text.
//
// Nothing here uses the numbers of a link's replicas, so it can be said on a link that carries no data yet.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "crdt/codec.hpp"
#include "gossip/overlay_limits.hpp"

namespace starling::gossip {

inline constexpr std::size_t address_bytes_max = 64;
inline constexpr std::size_t sample_peers_max = 32;
inline constexpr std::size_t walk_hops_max = 8;

/// Hearsay of a peer. The age travels along and only grows, so that the dead are not passed round for ever.
struct KnownPeer {
    crdt::NodeKey node{};
    crdt::Bytes address;
    std::uint64_t age_s = 0;  ///< since somebody was linked to it, or it said something
    bool operator==(const KnownPeer&) const = default;
};
using Sample = std::vector<KnownPeer>;

/// Names the component of the overlay that a node is in: its root, and how often that has been heard to pulse.
struct ComponentLabel {
    std::uint64_t root = 0;
    std::uint64_t pulse = 0;  ///< 0: the root is not known yet
    bool known() const { return pulse != 0; }
    bool operator==(const ComponentLabel&) const = default;
};

enum class AskPurpose : std::uint8_t {
    join = 0,    ///< the asker has no link: tell others of it too
    needed = 1,  ///< it has fewer than it wants
    spare = 2,   ///< only where there is room
    probe = 3,   ///< only if the two are in different components
};

/// Asks for a link that carries data. The peer answers on the same link, which is given up where it says no.
struct Ask {
    AskPurpose purpose = AskPurpose::needed;
    ComponentLabel component;
    bool operator==(const Ask&) const = default;
};

enum class AskVerdict : std::uint8_t { accepted = 0, refused = 1, same_component = 2 };
struct Answer {
    AskVerdict verdict = AskVerdict::accepted;
    bool crowded = false;  ///< the sender keeps partial views, since it knows of more nodes than fit a full mesh
    Sample sample;
    bool operator==(const Answer&) const = default;
};

/// Spreads word of a node that joined; where the walk ends, somebody links with it.
struct ForwardJoin {
    KnownPeer joiner;
    std::uint64_t hops_left = 0;
    bool operator==(const ForwardJoin&) const = default;
};

/// A random walk that exchanges samples between its two ends. The path holds everybody from the origin to the sender,
/// and the reply goes back along it; the origin's address is filled in by the first receiver, who knows it.
struct Shuffle {
    std::vector<crdt::NodeKey> path;
    crdt::Bytes origin_address;
    std::uint64_t hops_left = 0;
    Sample sample;
    bool operator==(const Shuffle&) const = default;
};
struct ShuffleReply {
    std::vector<crdt::NodeKey> path;  ///< still to be gone, the last one next; empty at the origin
    Sample sample;
    bool operator==(const ShuffleReply&) const = default;
};

/// Flooded along the links by the root of a component.
struct Pulse {
    ComponentLabel component;
    bool operator==(const Pulse&) const = default;
};

/// The sender gives up the link, though nothing is wrong with the peer, and leaves it to the peer to close it.
struct Farewell {
    Sample instead;  ///< at most one: who took the place, and has room for the receiver
    bool operator==(const Farewell&) const = default;
};

using OverlayMessage = std::variant<Ask, Answer, ForwardJoin, Shuffle, ShuffleReply, Pulse, Farewell>;

void write_overlay(crdt::Writer& out, const OverlayMessage& message);
/// Fails the reader where a bound is broken.
OverlayMessage read_overlay(crdt::Reader& in);

}  // namespace starling::gossip
