#include "crdt/hash.hpp"

#include <algorithm>
#include <random>

#include <doctest/doctest.h>
#include <sodium.h>

using namespace starling::crdt;

TEST_CASE("SipHash of 128 bits is libsodium's where that has as many rounds") {
    std::array<std::uint64_t, 2> key{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
    unsigned char key_bytes[crypto_shorthash_siphashx24_KEYBYTES];
    for (unsigned i = 0; i < sizeof key_bytes; ++i) key_bytes[i] = std::uint8_t(i);
    std::mt19937_64 random(1);
    for (std::size_t size = 0; size < 300; ++size) {
        std::string data(size, '\0');
        std::generate(data.begin(), data.end(), [&] { return char(random()); });
        unsigned char expected[crypto_shorthash_siphashx24_BYTES];
        crypto_shorthash_siphashx24(expected, reinterpret_cast<const unsigned char*>(data.data()), size, key_bytes);
        std::uint64_t low = 0, high = 0;
        for (unsigned i = 0; i < 8; ++i) {
            low |= std::uint64_t(expected[i]) << (8 * i);
            high |= std::uint64_t(expected[8 + i]) << (8 * i);
        }
        CHECK(siphash128<SipHash<2, 4>>(data, key) == Fingerprint{high, low});
    }
}

TEST_CASE("a fingerprint is a sum modulo 2^128") {
    Fingerprint a{1, UINT64_MAX}, b{2, 3};
    auto sum = a;
    sum += b;
    CHECK(sum == Fingerprint{4, 2});
    sum -= a;
    CHECK(sum == b);
}
