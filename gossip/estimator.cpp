#include "gossip/estimator.hpp"

#include <algorithm>

#include "crdt/assert.hpp"

namespace starling::gossip {

namespace {

/// Stafford's variant 13 of the finaliser of splitmix64: every bit depends on every bit.
std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xbf58'476d'1ce4'e5b9ULL;
    x = (x ^ x >> 27) * 0x94d0'49bb'1331'11ebULL;
    return x ^ x >> 31;
}

/// 256 times the natural logarithm of 1 / (1 - k/16), for k below 16: in 256ths of a count, integers everywhere.
constexpr std::uint32_t log_table[16] = {0, 17, 34, 53, 74, 96, 120, 147, 177, 212, 251, 298, 355, 429, 532, 710};

/// How many elements fell where `ones` of `width` bits are set, times 256: -width/2 · ln(1 - 2·ones/width).
std::uint64_t fallen(unsigned ones, unsigned width) {
    const auto sixteenths = 32 * ones / width;  // of the way to "half of all", where nothing can be told any more
    const auto rest = 32 * ones % width;
    const auto low = log_table[sixteenths];
    const auto high = sixteenths < 15 ? log_table[sixteenths + 1] : 2 * low;
    return width * (low * (width - rest) + high * rest) / (2 * width);
}

}  // namespace

std::size_t DifferenceEstimator::levels_of(std::uint64_t size) {
    // In the last level fall some 16 elements where a sixteenth of the axis differs; more, and no sketch is wanted.
    const auto bits = std::size_t(std::bit_width(size));
    return std::clamp<std::size_t>(bits < 8 ? 0 : bits - 7, 4, levels_max);
}

void DifferenceEstimator::flip(Position position, std::uint64_t nonce) {
    const auto hash = mixed(position + 0x9e37'79b9'7f4a'7c15ULL * (nonce + 1));
    const auto level = std::min<std::size_t>(std::size_t(std::countr_zero(hash)), levels_.size() - 1);
    levels_[level] ^= 1U << (hash >> 48) % width_;
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
        estimator.levels_[i / width] |= std::uint32_t(std::uint8_t(bytes[i / 8]) >> i % 8 & 1) << i % width;
    return estimator;
}

std::uint64_t DifferenceEstimator::difference(const DifferenceEstimator& a, const DifferenceEstimator& b) {
    STARLING_ASSERT(a.width_ == b.width_ && a.levels_.size() == b.levels_.size(), "estimators are of one shape");
    const auto width = a.width_;
    // From the sparsest level to the densest one that still tells something. Together they hold 2^-j of all.
    std::uint64_t sum = 0;
    for (std::size_t j = a.levels_.size(); j > 0; --j) {
        const auto ones = unsigned(std::popcount(a.levels_[j - 1] ^ b.levels_[j - 1]));
        const bool last = j == a.levels_.size();
        const bool full = 16 * ones > 6 * width;  // the nearer to half, the less it tells
        if (full && last) return UINT64_MAX;      // more than can be told
        if (full) return (sum << j) / 256;
        sum += fallen(ones, width);
    }
    return sum / 256;
}

}  // namespace starling::gossip
