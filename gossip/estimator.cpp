#include "gossip/estimator.hpp"

#include <algorithm>
#include <array>

#include "crdt/assert.hpp"

namespace starling::gossip {

namespace {

/// Stafford's variant 13 of the finaliser of splitmix64: every bit depends on every bit.
std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58'476d'1ce4'e5b9ULL;
    x = (x ^ x >> 27) * 0x94d0'49bb'1331'11ebULL;
    return x ^ x >> 31;
}

// Likelihoods in fixed point, so that all compilers agree. Sizes are tried in eighths of an octave: d = 2^(g/8). Then a
// bit of a level of `width` bits, in which each element falls with probability 2^-j / 2, is set with the probability
// (1 - exp(-x)) / 2, where x = d · 2^-j / width is a power of 2^(1/8) too, as width is a power of 2.
constexpr int steps = 8;
constexpr int least_octave = -20;
constexpr int octaves = 25;
constexpr std::uint64_t one = std::uint64_t{1} << 32;

/// 1024 · log2(v / 2^32), for v up to 2^32.
std::int64_t logarithm(std::uint64_t v) {
    constexpr int fraction_bits = 10;
    const int whole = int(std::bit_width(v)) - 1;
    auto mantissa = v << (32 - whole) >> 1;  // from 2^31 on
    std::int64_t result = whole - 32;
    for (int bit = 0; bit < fraction_bits; ++bit) {
        mantissa = mantissa * mantissa >> 31;
        const bool high = mantissa >> 32 != 0;
        if (high) mantissa >>= 1;
        result = 2 * result + (high ? 1 : 0);
    }
    return result;
}

struct Chance {
    std::int64_t set, clear;  ///< logarithms
};

/// For x = 2^(least_octave + i/8).
const std::array<Chance, octaves * steps>& chances() {
    static const auto table = [] {
        constexpr std::uint64_t eighths[steps] = {4096, 4467, 4871, 5312, 5793, 6317, 6889, 7513};  // 4096 · 2^(i/8)
        std::array<Chance, octaves * steps> all{};
        for (int i = 0; i < steps; ++i) {
            auto kept = one - eighths[i];  // exp(-x) is 1 - x where x is small, and squared where it doubles
            for (int octave = 0; octave < octaves; ++octave, kept = kept * kept >> 32) {
                all.at(std::size_t(octave) * steps + std::size_t(i)) = {
                    logarithm(std::max<std::uint64_t>(1, (one - kept) / 2)), logarithm((one + kept) / 2)};
            }
        }
        return all;
    }();
    return table;
}

}  // namespace

std::size_t DifferenceEstimator::levels_of(std::uint64_t size) {
    // In the last level fall some 16 elements where a sixteenth of the axis differs; more, and no sketch is wanted.
    const auto bits = std::size_t(std::bit_width(size));
    return std::clamp<std::size_t>(bits < 8 ? 0 : bits - 8, 4, levels_max);
}

void DifferenceEstimator::flip(Position position, std::uint64_t nonce) {
    const auto hash = mixed(position + 0x9e37'79b9'7f4a'7c15ULL * (nonce + 1));
    const auto level = std::min<std::size_t>(std::size_t(std::countr_zero(hash)), levels_.size() - 1);
    levels_[level] ^= std::uint64_t{1} << (hash >> 48) % width_;
}

crdt::Bytes DifferenceEstimator::bytes() const {
    crdt::Bytes bytes((width_ * levels_.size() + 7) / 8, '\0');
    for (std::size_t i = 0; i < width_ * levels_.size(); ++i) {
        if ((levels_[i / width_] >> i % width_ & 1) != 0) bytes[i / 8] = char(std::uint8_t(bytes[i / 8]) | 1U << i % 8);
    }
    return bytes;
}

std::optional<DifferenceEstimator> DifferenceEstimator::read(crdt::BytesView bytes, unsigned width,
                                                             std::size_t levels) {
    if (bytes.size() != (width * levels + 7) / 8) return std::nullopt;
    DifferenceEstimator estimator(width, levels);
    for (std::size_t i = 0; i < width * levels; ++i)
        estimator.levels_[i / width] |= std::uint64_t(std::uint8_t(bytes[i / 8]) >> i % 8 & 1) << i % width;
    return estimator;
}

std::uint64_t DifferenceEstimator::difference(const DifferenceEstimator& a, const DifferenceEstimator& b) {
    STARLING_ASSERT(a.width_ == b.width_ && a.levels_.size() == b.levels_.size(), "estimators are of one shape");
    if (a.levels_ == b.levels_) return 0;
    const auto levels = int(a.levels_.size());
    const auto width_octave = int(std::bit_width(a.width_)) - 1;
    // x of a level for the size 2^(g/8), as a place in the table. The last level has what would fall beyond it too.
    const auto place = [&](int g, int level) {
        return g - steps * (std::min(level, levels - 2) + width_octave + least_octave);
    };
    std::int64_t most = INT64_MIN;
    int likeliest = 0;
    for (int g = 0; place(g, levels) < octaves * steps; ++g) {
        std::int64_t likelihood = 0;
        for (int level = 0; level < levels; ++level) {
            const auto ones = std::popcount(a.levels_[std::size_t(level)] ^ b.levels_[std::size_t(level)]);
            const auto& chance = chances().at(std::size_t(std::clamp(place(g, level), 0, octaves * steps - 1)));
            likelihood += ones * chance.set + (int(a.width_) - ones) * chance.clear;
        }
        if (likelihood > most) {
            most = likelihood;
            likeliest = g;
        }
    }
    if (place(likeliest, levels) >= steps * (1 - least_octave)) return UINT64_MAX;  // x = 2: as many ones as chance has
    constexpr std::uint64_t eighths[steps] = {256, 279, 304, 332, 362, 395, 431, 470};
    return (eighths[likeliest % steps] << (likeliest / steps)) / 256;
}

}  // namespace starling::gossip
