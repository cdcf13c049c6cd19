// Names: of a node, of one life of its store (a replica), of an event (a dot), and of the space they belong to.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace starling::crdt {

using Bytes = std::string;           // owned bytes; a std::string compares and hashes as unsigned char
using BytesView = std::string_view;  // borrowed bytes

/// The Ed25519 public key of a device.
using NodeKey = std::array<std::uint8_t, 32>;

/// 64 random bits that name one life of a node's store; nothing uses their order.
using Life = std::uint64_t;

/// One life of one node: the origin of events. 40 bytes on the wire, the order is that of those bytes.
struct ReplicaId {
    NodeKey node{};
    Life life = 0;
    bool operator==(const ReplicaId& other) const {
        std::uint64_t differing = life ^ other.life;
        for (std::size_t at = 0; at < sizeof node; at += sizeof(std::uint64_t)) differing |= word(at) ^ other.word(at);
        return differing == 0;
    }
    /// Keys are random, so the first word decides nearly always: maps of replicas are searched with each dependency.
    std::strong_ordering operator<=>(const ReplicaId& other) const {
        for (std::size_t at = 0; at < sizeof node; at += sizeof(std::uint64_t)) {
            const auto mine = word(at), its = other.word(at);
            if (mine != its) return mine <=> its;
        }
        return life <=> other.life;
    }

  private:
    std::uint64_t word(std::size_t at) const {  // eight bytes of the key, as they are ordered
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, node.data() + at, sizeof bytes);
        return std::endian::native == std::endian::little ? __builtin_bswap64(bytes) : bytes;
    }
};

/// Counts the events of one replica: 1, 2, 3, … without gaps; 0 is "none yet".
using Seq = std::uint64_t;

/// The name of one event.
struct Dot {
    ReplicaId replica;
    Seq seq = 0;
    auto operator<=>(const Dot&) const = default;
};

/// One set of data with its own version. A mesh holds one; wire and store carry the id.
using SpaceId = std::uint32_t;

/// Hybrid-logical wall time of a write: microseconds since 1970 UTC, raised by one where the clock stood still.
using Stamp = std::uint64_t;

/// 1 + the greatest depth among the dependencies: the length of the longest causal chain that ends here.
using Depth = std::uint64_t;

/// A version vector: replica → highest seq seen. Always contiguous, so it covers every dot up to that seq.
using Version = std::map<ReplicaId, Seq>;

inline Seq seen(const Version& version, const ReplicaId& replica) {
    auto at = version.find(replica);
    return at == version.end() ? 0 : at->second;
}
inline bool covers(const Version& version, const Dot& dot) {
    return dot.seq <= seen(version, dot.replica);
}
/// True when `a` covers everything that `b` covers. O(|b| log |a|).
inline bool covers(const Version& a, const Version& b) {
    for (const auto& [replica, seq] : b) {
        if (seen(a, replica) < seq) return false;
    }
    return true;
}

/// Lower-case hexadecimal; for people, never for comparison.
std::string to_hex(std::span<const std::uint8_t> bytes);
/// "0a1b2c3d" for a node, "0a1b2c3d.4e5f" for a replica: enough to tell apart on a screen, not unique.
std::string short_name(const NodeKey& node);
std::string short_name(const ReplicaId& replica);

}  // namespace starling::crdt
