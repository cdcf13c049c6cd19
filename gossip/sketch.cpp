#include "gossip/sketch.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "crdt/assert.hpp"
#include "crdt/hash.hpp"

namespace starling::gossip {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr std::uint64_t narrow_size_max = std::uint64_t{1} << 32;  // products of two positions fit 64 bits

std::uint64_t inverse_modulo(std::uint64_t a, std::uint64_t modulus) {
    std::int64_t x = 0, next_x = 1;
    auto r = std::int64_t(modulus), next_r = std::int64_t(a % modulus);
    while (next_r != 0) {
        const auto quotient = r / next_r;
        x = std::exchange(next_x, x - quotient * next_x);
        r = std::exchange(next_r, r - quotient * next_r);
    }
    STARLING_ASSERT(r == 1 || modulus == 1, "a factor without common divisors has an inverse");
    return std::uint64_t(x < 0 ? x + std::int64_t(modulus) : x) % modulus;
}

}  // namespace

std::uint64_t unfolded_blocks(unsigned bits, std::uint64_t axis_size) {
    const auto order = (std::uint64_t{1} << bits) - 1;
    return (axis_size + order - 1) / order;
}

bool valid_shape(const SketchShape& shape, std::uint64_t sums, std::uint64_t axis_size) {
    return shape.bits >= field_bits_min && shape.bits <= field_bits_max && sums >= 1 && sums <= block_sums_max &&
           shape.blocks >= 1 && shape.blocks <= unfolded_blocks(shape.bits, axis_size) &&
           shape.blocks <= axis_size / (shape.bits * sums);
}

Placement::Placement(const SketchShape& shape, std::uint64_t axis_size, std::uint64_t nonce)
    : shape_(shape), size_(axis_size), order_((1U << shape.bits) - 1) {
    STARLING_ASSERT(axis_size > 0 && axis_size <= axis_positions_max, "an axis has positions");
    const auto per_block = (size_ + shape.blocks - 1) / shape.blocks;
    turns_ = (per_block + order_ - 1) / order_;
    crdt::TableHash hash({nonce, axis_size}, false);
    hash.word(shape.bits);
    hash.word(shape.blocks);
    factor_ = hash.narrow() % size_;
    hash.word(1);
    shift_ = hash.narrow() % size_;
    while (std::gcd(factor_, size_) != 1) factor_ = (factor_ + 1) % size_;
    inverse_ = inverse_modulo(factor_, size_);
}

std::uint64_t Placement::times(std::uint64_t a, std::uint64_t b) const {
    if (size_ <= narrow_size_max) return a * b % size_;
    return std::uint64_t(Wide{a} * b % size_);
}

std::optional<Position> Placement::position(const Cell& cell, std::uint64_t turn) const {
    const auto q = cell.block + shape_.blocks * (cell.index + turn * order_);
    if (q >= size_) return std::nullopt;
    return times(q >= shift_ ? q - shift_ : q + size_ - shift_, inverse_);
}

Sums power_sums(const Placement& placement, const PositionSet& set, bool of_rest, std::uint64_t axis_size,
                const std::vector<std::uint64_t>& blocks, const SumRange& range) {
    const auto& field = Field::of(placement.shape().bits);
    const auto order = field.order();
    constexpr std::uint32_t unwanted = UINT32_MAX;
    std::vector<std::uint32_t> slots(placement.shape().blocks, unwanted);
    for (std::size_t slot = 0; slot < blocks.size(); ++slot) slots[blocks[slot]] = std::uint32_t(slot);
    Sums sums(blocks.size() * range.count);
    const auto add = [&](Position position) {
        const auto cell = placement.cell(position);
        const auto slot = slots[cell.block];
        if (slot == unwanted) return;
        auto* sum = sums.data() + slot * range.count;
        auto exponent = unsigned(cell.index * (2 * range.first + 1) % order);
        const auto step = 2 * cell.index % order;
        for (std::uint64_t j = 0; j < range.count; ++j) {
            sum[j] ^= field.power(exponent);
            exponent += step;
            if (exponent >= order) exponent -= order;
        }
    };
    if (of_rest) {
        set.each_gap(axis_size, add);
    } else {
        set.each(add);
    }
    return sums;
}

std::uint64_t trusted(const SketchShape& shape, std::uint64_t sums) {
    constexpr unsigned rare_bits = 6;
    const auto wanted = unsigned(std::bit_width(shape.blocks)) + rare_bits;
    for (std::uint64_t proof = 0; proof < sums; ++proof) {
        auto bits = proof * shape.bits;  // of rarity; a factorial's logarithm rounded down, factor by factor
        for (std::uint64_t factor = 2; factor <= sums - proof && bits < wanted; ++factor)
            bits += factor == 3 ? 1 : unsigned(std::bit_width(factor)) - 1;
        if (bits >= wanted) return sums - proof;
    }
    return 0;
}

crdt::Bytes pack(const Sums& sums, unsigned bits) {
    crdt::Bytes bytes;
    bytes.reserve((sums.size() * bits + 7) / 8);
    std::uint32_t held = 0;
    unsigned many = 0;
    for (const auto sum : sums) {
        held |= std::uint32_t{sum} << many;
        for (many += bits; many >= 8; many -= 8, held >>= 8) bytes.push_back(char(held & 0xff));
    }
    if (many > 0) bytes.push_back(char(held & 0xff));
    return bytes;
}

std::optional<Sums> unpack(crdt::BytesView bytes, unsigned bits, std::size_t many) {
    if (bytes.size() != (many * bits + 7) / 8) return std::nullopt;
    Sums sums;
    sums.reserve(many);
    std::uint32_t held = 0;
    unsigned have = 0;
    auto next = bytes.begin();
    while (sums.size() < many) {
        for (; have < bits; have += 8) held |= std::uint32_t(std::uint8_t(*next++)) << have;
        sums.push_back(Field::Element(held & ((1U << bits) - 1)));
        held >>= bits;
        have -= bits;
    }
    return sums;
}

}  // namespace starling::gossip
