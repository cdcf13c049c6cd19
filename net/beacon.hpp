// A beacon says, to the members of one mesh alone, "this node listens here". It is a sealed datagram of one fixed size:
// to anybody else it is noise without a stable byte, so it tells neither which mesh nor which device is on the air. A
// beacon is a hint and no more; CURVE and the door decide who is let in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/identity.hpp"
#include "net/secret.hpp"

namespace starling::net {

/// One run of a transport: random, so that a restarted peer is told from one that only speaks again.
using BootId = std::uint64_t;

struct Beacon {
    NodeKey node{};
    BootId boot = 0;
    std::uint64_t stamp_us = 0;  ///< wall clock of the sender, made to grow with every beacon: the replay window
    std::uint16_t port = 0;      ///< TCP, and UDP for an answer
    bool asks = false;           ///< the sender would like a beacon back
    bool operator==(const Beacon&) const = default;
};

constexpr std::size_t beacon_bytes = 128;
using SealedBeacon = std::array<std::uint8_t, beacon_bytes>;

/// XChaCha20-Poly1305 with a fresh random nonce. About 2 µs.
SealedBeacon seal(const Beacon& beacon, const Secret<32>& beacon_key);

/// Nothing unless the bytes are exactly one beacon, sealed under this key, of a version that is known. Allocates
/// nothing.
std::optional<Beacon> unseal(BytesView bytes, const Secret<32>& beacon_key);

}  // namespace starling::net
