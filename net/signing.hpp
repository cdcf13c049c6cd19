// Signatures and hashes of what outlives a link: Ed25519 under a node's key, and BLAKE2b-256. A signature is over the
// bytes it is given and nothing else; whoever signs begins them with the name of what is signed (a domain), so that no
// signature of one kind is one of another.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crdt/ids.hpp"

namespace starling::net {

/// Ed25519 (RFC 8032), detached.
using Signature = std::array<std::uint8_t, 64>;
/// BLAKE2b (RFC 7693) of 32 bytes, without a key.
using Digest256 = std::array<std::uint8_t, 32>;

/// Did `node` sign these bytes? False too where the key is none (not on the curve, of small order) or the signature is
/// not in its one canonical form. About 60 µs and O(bytes); never fails otherwise.
bool verify(const crdt::NodeKey& node, crdt::BytesView message, const Signature& signature);

/// Of the parts, one after another. O(bytes).
Digest256 digest256(std::span<const crdt::BytesView> parts);
inline Digest256 digest256(crdt::BytesView bytes) {
    return digest256(std::span(&bytes, 1));
}

}  // namespace starling::net
