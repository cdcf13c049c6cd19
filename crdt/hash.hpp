// SipHash (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) with one round a word and three at the end,
// the shape that is fast: 128 bits for the fingerprint, 64 for hash tables. The fingerprint finds faults; it is no
// security.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
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

using HashKey = std::array<std::uint64_t, 2>;

/// The protocol's constant key: every node computes the same fingerprint.
inline constexpr HashKey fingerprint_key{0x6772'6174'7374'6172ULL, 0x6e69'6c72'6174'7331ULL};

/// The state of a SipHash that has taken in some words; a copy goes on from there. `Rounds` for each word, `Last` at
/// the end. O(1) an operation.
template <int Rounds, int Last>
class SipHash {
  public:
    explicit SipHash(const HashKey& key, bool wide)
        : v0_(key[0] ^ 0x736f6d6570736575ULL),
          v1_(key[1] ^ 0x646f72616e646f6dULL ^ (wide ? 0xee : 0)),
          v2_(key[0] ^ 0x6c7967656e657261ULL),
          v3_(key[1] ^ 0x7465646279746573ULL) {}

    void word(std::uint64_t word) {
        v3_ ^= word;
        rounds<Rounds>();
        v0_ ^= word;
    }
    /// A text in little-endian words, the last one filled up with zeros. Texts are told apart by their sizes, which the
    /// caller takes in as a word.
    void padded(std::string_view text) {
        const char* at = text.data();
        auto left = text.size();
        for (; left >= 8; at += 8, left -= 8) word(load(at, 8));
        if (left > 0) word(load(at, left));
    }
    std::uint64_t narrow() {
        v2_ ^= 0xff;
        rounds<Last>();
        return v0_ ^ v1_ ^ v2_ ^ v3_;
    }
    /// The hash of a whole number of words, `bytes` in all, as SipHash ends it.
    Fingerprint after(std::size_t bytes) {
        word(std::uint64_t(bytes) << 56);
        return wide();
    }
    Fingerprint wide() {
        v2_ ^= 0xee;
        rounds<Last>();
        const auto low = v0_ ^ v1_ ^ v2_ ^ v3_;
        v1_ ^= 0xdd;
        rounds<Last>();
        return {v0_ ^ v1_ ^ v2_ ^ v3_, low};
    }
    /// `size` bytes, at most 8, as a little-endian word.
    static std::uint64_t load(const char* at, std::size_t size) {
        if constexpr (std::endian::native == std::endian::little) {
            std::uint64_t word = 0;
            if (size == 8) {
                std::memcpy(&word, at, 8);
            } else if (size >= 4) {  // two reads that overlap: a copy of a size not known here would be a call
                std::uint32_t low = 0, high = 0;
                std::memcpy(&low, at, 4);
                std::memcpy(&high, at + size - 4, 4);
                word = low | std::uint64_t(high) << (8 * (size - 4));
            } else if (size > 0) {
                word = std::uint8_t(at[0]) | std::uint64_t(std::uint8_t(at[size / 2])) << (8 * (size / 2)) |
                       std::uint64_t(std::uint8_t(at[size - 1])) << (8 * (size - 1));
            }
            return word;
        } else {
            std::uint64_t word = 0;
            for (std::size_t i = 0; i < size; ++i) word |= std::uint64_t(std::uint8_t(at[i])) << (8 * i);
            return word;
        }
    }

  private:
    template <int Count>
    void rounds() {
        for (int i = 0; i < Count; ++i) {
            v0_ += v1_;
            v1_ = std::rotl(v1_, 13) ^ v0_;
            v0_ = std::rotl(v0_, 32);
            v2_ += v3_;
            v3_ = std::rotl(v3_, 16) ^ v2_;
            v0_ += v3_;
            v3_ = std::rotl(v3_, 21) ^ v0_;
            v2_ += v1_;
            v1_ = std::rotl(v1_, 17) ^ v2_;
            v2_ = std::rotl(v2_, 32);
        }
    }

    std::uint64_t v0_, v1_, v2_, v3_;
};

using WideHash = SipHash<1, 3>;
using TableHash = SipHash<1, 3>;

/// The 128-bit hash of `data`, as the reference code has it. O(size).
template <class Hash = WideHash>
Fingerprint siphash128(std::string_view data, const HashKey& key) {
    Hash hash(key, true);
    const auto whole = data.size() / 8 * 8;
    for (std::size_t at = 0; at < whole; at += 8) hash.word(Hash::load(data.data() + at, 8));
    hash.word(Hash::load(data.data() + whole, data.size() - whole) | std::uint64_t(data.size()) << 56);
    return hash.wide();
}

}  // namespace starling::crdt
