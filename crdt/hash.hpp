// SipHash-2-4 with 128 bits of output (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012; the 128-bit
// variant of the reference code), and the additive fingerprint built on it. It finds faults; it is no security.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

namespace starling::crdt {

/// A 128-bit sum modulo 2^128: the order of the additions leaves no trace, so a state has one fingerprint.
struct Fingerprint {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    auto operator<=>(const Fingerprint&) const = default;

    Fingerprint& operator+=(const Fingerprint& other) {
        low += other.low;
        high += other.high + (low < other.low ? 1 : 0);
        return *this;
    }
    Fingerprint& operator-=(const Fingerprint& other) {
        high -= other.high + (low < other.low ? 1 : 0);
        low -= other.low;
        return *this;
    }
};

/// The protocol's constant key: every node computes the same fingerprint.
inline constexpr std::array<std::uint64_t, 2> fingerprint_key{0x6772'6174'7374'6172ULL, 0x6e69'6c72'6174'7331ULL};

/// SipHash-2-4-128 of `data`. O(size).
Fingerprint siphash128(std::string_view data, const std::array<std::uint64_t, 2>& key);

}  // namespace starling::crdt
