// Chance that repeats: everything a simulation draws comes from here, so that a seed is a whole run. xoshiro256**
// (Blackman, Vigna 2018), seeded through splitmix64; bounded draws are our own, because the standard's distributions
// differ from one library to the next.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <utility>

#include "crdt/assert.hpp"

namespace starling::sim {

/// One step of splitmix64: spreads a seed, or mixes a word into a hash.
inline std::uint64_t splitmix64(std::uint64_t& state) {
    state += 0x9e3779b97f4a7c15ULL;
    auto word = state;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
    return word ^ (word >> 31);
}

/// Integers only: floating point may differ between compilers. Thread rule: one thread at a time. Every draw is O(1).
class Random {
  public:
    explicit Random(std::uint64_t seed) {
        for (auto& word : state_) word = splitmix64(seed);
    }

    std::uint64_t next() {
        const auto result = std::rotl(state_[1] * 5, 7) * 9;
        const auto shifted = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= shifted;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// Uniform in 0 … bound − 1, without bias: draws in the incomplete last stretch are drawn again.
    std::uint64_t below(std::uint64_t bound) {
        STARLING_ASSERT(bound > 0, "a draw has at least one outcome");
        const auto incomplete = (UINT64_MAX % bound + 1) % bound;
        auto draw = next();
        while (draw > UINT64_MAX - incomplete) draw = next();
        return draw % bound;
    }

    /// Uniform in least … most.
    std::uint64_t between(std::uint64_t least, std::uint64_t most) {
        STARLING_ASSERT(least <= most && most - least < UINT64_MAX, "a range is in order and not everything");
        return least + below(most - least + 1);
    }

    /// True `permille` times in a thousand. Draws also where the answer is certain, so that a changed rate moves
    /// nothing else.
    bool chance(std::uint64_t permille) { return below(1000) < permille; }

    template <class Items>
    auto& pick(Items& items) {
        return items[below(items.size())];
    }

    template <class Items>
    void shuffle(Items& items) {
        for (auto left = items.size(); left > 1; --left) std::swap(items[left - 1], items[below(left)]);
    }

    /// A stream of its own, so that draws for one purpose do not move those for another.
    Random fork() { return Random(next()); }

  private:
    std::array<std::uint64_t, 4> state_{};
};

}  // namespace starling::sim
