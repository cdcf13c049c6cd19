// The lives of nodes that are restarted daily and write each time.
#pragma once

#include <cstdint>
#include <malloc.h>

#include "crdt/ids.hpp"

namespace starling::bench {

inline constexpr std::size_t lives_of_each = 1'095;  // days of three years
inline constexpr crdt::Stamp day_us = 86'400'000'000;
inline constexpr crdt::Stamp begin_us = 1'700'000'000'000'000;

inline std::uint64_t mixed(std::uint64_t word) {
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ word >> 27) * 0x94d049bb133111ebULL;
    return word ^ word >> 31;
}

inline crdt::NodeKey node_key(std::size_t node) {
    crdt::NodeKey key{};
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = std::uint8_t(mixed(node * 32 + i));
    return key;
}

struct Lived {
    crdt::ReplicaId id;
    crdt::Seq seen;
    crdt::Stamp last_stamp;
};

/// Of a node that had `each` of them: it wrote some thousand times on its day.
inline Lived life_of(std::size_t node, std::size_t day, std::size_t each) {
    const auto number = node * each + day;
    return {{node_key(node), mixed(number + 1)},
            1 + mixed(number) % 5'000,
            begin_us + day * day_us + mixed(number) % day_us};
}

inline std::size_t allocated_bytes() {
    const auto heap = mallinfo2();
    return heap.uordblks + heap.hblkhd;
}

}  // namespace starling::bench
