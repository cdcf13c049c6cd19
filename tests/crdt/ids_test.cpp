#include "crdt/ids.hpp"

#include <algorithm>
#include <array>
#include <random>

#include <doctest/doctest.h>

using namespace starling::crdt;

TEST_CASE("the order of replicas is the order of their 40 bytes") {
    ReplicaId a{{1}, 9}, b{{2}, 1};
    CHECK(a < b);
    CHECK(ReplicaId{{1}, 1} < a);
    // Its twin compares them byte by byte, the life's highest first. They differ at any byte, or nowhere.
    const auto bytes_of = [](const ReplicaId& id) {
        std::array<std::uint8_t, 40> bytes{};
        std::copy(id.node.begin(), id.node.end(), bytes.begin());
        for (std::size_t i = 0; i < 8; ++i) bytes[32 + i] = std::uint8_t(id.life >> (56 - 8 * i));
        return bytes;
    };
    std::mt19937_64 random(1);
    for (int round = 0; round < 10'000; ++round) {
        ReplicaId one;
        for (auto& byte : one.node) byte = std::uint8_t(random());
        one.life = random();
        auto other = one;
        const auto place = random() % 48;  // past the end: equal
        if (place < 32) other.node[place] ^= std::uint8_t(1 + random() % 255);
        if (place >= 32 && place < 40) other.life ^= (1 + random() % 255) << (8 * (place - 32));
        if (random() % 2 == 0) other.life = random();
        CHECK((one <=> other) == (bytes_of(one) <=> bytes_of(other)));
        CHECK((one == other) == (bytes_of(one) == bytes_of(other)));
    }
}

TEST_CASE("a version covers every dot up to its seq, and another version that reaches no further") {
    ReplicaId a{{1}, 9}, b{{2}, 1};
    Version version{{a, 3}};
    CHECK(covers(version, Dot{a, 3}));
    CHECK_FALSE(covers(version, Dot{a, 4}));
    CHECK_FALSE(covers(version, Dot{b, 1}));
    CHECK(covers(version, Version{{a, 2}}));
    CHECK_FALSE(covers(version, Version{{a, 2}, {b, 1}}));
}
