#include "gossip/plan.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace starling::gossip {

namespace {

constexpr std::uint64_t differences_max = std::uint64_t{1} << 24;  // beyond, no sketch is worth a thought
constexpr std::uint64_t sketch_bits_max = 8 * 256 * 1024;          // it fits a frame, and so does what follows
constexpr std::uint64_t mean_256ths_max = 24 * 256;  // of a block: where an estimate is low its sums have room to grow

/// 256 · log2(x), the fraction by a straight line (at most 0.09 bits too little).
std::uint64_t log2_256ths(std::uint64_t x) {
    if (x <= 1) return 0;
    const auto whole = unsigned(std::bit_width(x)) - 1;
    const auto rest = whole >= 8 ? x >> (whole - 8) : x << (8 - whole);
    return 256 * whole + (rest - 256);
}

std::uint64_t root(std::uint64_t x) {
    std::uint64_t r = 0;
    while ((r + 1) * (r + 1) <= x) ++r;
    return r;
}

/// What a sketch of one set costs, whose blocks hold `differences` together.
void try_sums(Plan plan, std::uint64_t differences, std::uint64_t extra_bits, Plan& best) {
    const auto& shape = plan.shape;
    const auto mean = 256 * differences / shape.blocks;
    if (mean > mean_256ths_max) return;
    for (plan.sums = 1; plan.sums + more_sums(plan.sums) <= block_sums_max; ++plan.sums) {
        const auto once = shape.blocks * shape.bits * plan.sums;
        if (once + extra_bits >= best.bits || once > sketch_bits_max) return;
        if (256 * plan.sums < mean) continue;
        const auto again = overflow_chance(mean, trusted(shape, plan.sums));
        if (again > std::uint64_t{1} << 30) continue;  // a quarter of the blocks: too many rounds
        const auto failed_256ths = shape.blocks * (again >> 8) >> 16;
        plan.bits = once + failed_256ths * (8 + shape.bits * more_sums(plan.sums)) / 256 + extra_bits;
        if (plan.bits < best.bits) best = plan;
    }
}

/// The reply names the cells that differ, and what lives in each.
std::uint64_t reply_bits(const Surroundings& here, const SketchShape& shape) {
    const auto cells = shape.blocks * ((std::uint64_t{1} << shape.bits) - 1);
    const auto named = choice_bits(cells, here.differences);
    const auto positions = here.differences * ((here.axis_size + cells - 1) / cells);
    const auto live = positions * (here.live >> 8) / std::max<std::uint64_t>(1, here.axis_size >> 8);
    return named + choice_bits(positions, std::min(positions, live + here.differences / 2));
}

void try_folded(const Surroundings& here, unsigned bits, std::uint64_t bitmap_bits, Plan& best) {
    const auto order = (std::uint64_t{1} << bits) - 1;
    const auto unfolded = unfolded_blocks(bits, here.axis_size);
    for (std::uint64_t blocks = 1; blocks < unfolded; blocks += std::max<std::uint64_t>(1, blocks / 4)) {
        // Two differences in one cell are missed, and then the whole set is sent.
        const auto cells = blocks * order;
        if (here.differences * here.differences > cells) continue;
        if (!valid_fold({bits, blocks}, block_sums_max, here.axis_size)) continue;
        const auto missed_bits = bitmap_bits * here.differences * here.differences / (2 * cells);
        const auto extra = missed_bits + reply_bits(here, {bits, blocks});
        try_sums({CompareBy::folded, {bits, blocks}, 0, 0}, here.differences, extra, best);
    }
}

}  // namespace

bool valid_fold(const SketchShape& shape, std::uint64_t sums, std::uint64_t axis_size) {
    const auto cells = shape.blocks * ((std::uint64_t{1} << shape.bits) - 1);
    return axis_size / cells + 1 <= cell_positions_max / (shape.blocks * sums);
}

std::uint64_t more_sums(std::uint64_t sums) {
    return 4 + 2 * root(sums);
}

std::uint64_t choice_bits(std::uint64_t many, std::uint64_t chosen) {
    constexpr std::uint64_t many_max = std::uint64_t{1} << 48;  // as if of so many: products fit
    many = std::min(many, many_max);
    chosen = std::min(chosen, many);
    if (chosen == 0 || chosen == many) return 0;
    const auto all = log2_256ths(many);
    const auto in = all - std::min(all, log2_256ths(chosen));
    const auto out = all - std::min(all, log2_256ths(many - chosen));
    // Where almost none is chosen the second logarithm vanishes in its rounding: 1.44 bits for each that is.
    const auto rest = std::max(out * (many - chosen) >> 8, chosen < many / 64 ? chosen * 369 >> 8 : 0);
    return (in * chosen >> 8) + rest;
}

std::uint64_t overflow_chance(std::uint64_t mean_256ths, std::uint64_t sums) {
    // Weights from the mean on in both directions; only their ratios count.
    const auto middle = mean_256ths / 256;
    constexpr std::uint64_t start = std::uint64_t{1} << 40;
    std::uint64_t within = 0, beyond = 0;
    const auto count = [&](std::uint64_t many, std::uint64_t weight) { (many <= sums ? within : beyond) += weight; };
    count(middle, start);
    auto weight = start;
    for (auto many = middle; many > 0; --many) {
        weight = weight * (256 * many) / std::max<std::uint64_t>(1, mean_256ths);
        count(many - 1, weight);
    }
    weight = start;
    for (auto many = middle + 1; weight > 0; ++many) {
        weight = weight * mean_256ths / (256 * many);
        count(many, weight);
    }
    const auto all = within + beyond;
    return (beyond << 16) / (all >> 16);
}

Plan cheapest(const Surroundings& here) {
    const auto runs = (here.transitions + 1) / 2;
    Plan best;
    best.bits = choice_bits(here.live, runs) + choice_bits(here.axis_size - here.live, runs);
    const auto bitmap_bits = best.bits;
    best.bits = bitmap_bits / 4 * 3;  // estimates are rough, and a sketch that holds too much costs several times more
    if (here.axis_size == 0) return best;
    for (auto bits = field_bits_min; bits <= field_bits_max; ++bits) {
        const auto blocks = unfolded_blocks(bits, here.axis_size);
        if (here.differences <= differences_max) {
            try_sums({CompareBy::sketch, {bits, blocks}, 0, 0}, here.differences, 0, best);
            try_folded(here, bits, bitmap_bits, best);
        }
        if (here.changed_transitions <= differences_max)
            try_sums({CompareBy::transitions, {bits, blocks}, 0, 0}, here.changed_transitions, 0, best);
    }
    if (best.by != CompareBy::live_dots && !valid_shape(best.shape, best.sums, here.axis_size)) {
        best = {};
        best.bits = bitmap_bits;
    }
    return best;
}

}  // namespace starling::gossip
