#include "crdt/hash.hpp"

#include <bit>
#include <cstring>

namespace starling::crdt {

namespace {

struct Sip {
    std::uint64_t v0, v1, v2, v3;

    void round() {
        v0 += v1;
        v1 = std::rotl(v1, 13) ^ v0;
        v0 = std::rotl(v0, 32);
        v2 += v3;
        v3 = std::rotl(v3, 16) ^ v2;
        v0 += v3;
        v3 = std::rotl(v3, 21) ^ v0;
        v2 += v1;
        v1 = std::rotl(v1, 17) ^ v2;
        v2 = std::rotl(v2, 32);
    }
    void absorb(std::uint64_t word) {
        v3 ^= word;
        round();
        round();
        v0 ^= word;
    }
    std::uint64_t squeeze() {
        for (int i = 0; i < 4; ++i) round();
        return v0 ^ v1 ^ v2 ^ v3;
    }
};

std::uint64_t little_endian(const char* at, std::size_t size) {
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < size; ++i) word |= std::uint64_t(std::uint8_t(at[i])) << (8 * i);
    return word;
}

}  // namespace

Fingerprint siphash128(std::string_view data, const std::array<std::uint64_t, 2>& key) {
    Sip sip{key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL ^ 0xee, key[0] ^ 0x6c7967656e657261ULL,
            key[1] ^ 0x7465646279746573ULL};
    std::size_t at = 0;
    for (; at + 8 <= data.size(); at += 8) sip.absorb(little_endian(data.data() + at, 8));
    sip.absorb(little_endian(data.data() + at, data.size() - at) | std::uint64_t(data.size()) << 56);
    sip.v2 ^= 0xee;
    const std::uint64_t low = sip.squeeze();
    sip.v1 ^= 0xdd;
    const std::uint64_t high = sip.squeeze();
    return {high, low};
}

}  // namespace starling::crdt
