// The mathematics of the comparison beside naive twins: sets of positions beside std::set, the field beside long
// multiplication, decoding beside trying every subset, estimates beside the truth.
#include "gossip/sketch.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "gossip/estimator.hpp"
#include "gossip/plan.hpp"
#include "gossip/range_coder.hpp"

using namespace starling::crdt;
using namespace starling::gossip;

namespace {

using Random = std::mt19937_64;

std::set<Position> some(Random& random, std::uint64_t size, std::uint64_t in_256) {
    std::set<Position> set;
    std::uint64_t chance = in_256;
    for (Position at = 0; at < size; ++at) {
        if (random() % 50 == 0) chance = random() % 3 == 0 ? 256 - in_256 : in_256;  // clusters
        if (random() % 256 < chance) set.insert(at);
    }
    return set;
}

PositionSet set_of(const std::set<Position>& positions) {
    PositionSet set;
    for (const auto at : positions) set.append(at, 1);
    return set;
}

std::set<Position> plain(const PositionSet& set) {
    set.check();
    std::set<Position> positions;
    set.each([&](Position at) { positions.insert(at); });
    return positions;
}

template <class Keep>
std::set<Position> filtered(std::uint64_t size, Keep keep) {
    std::set<Position> set;
    for (Position at = 0; at < size; ++at) {
        if (keep(at)) set.insert(at);
    }
    return set;
}

}  // namespace

TEST_CASE("sets of positions are what std::set says") {
    Random random(1);
    for (int round = 0; round < 300; ++round) {
        const std::uint64_t size = 1 + random() % 400;
        const auto a = some(random, size, random() % 257);
        const auto b = some(random, size, random() % 257);
        const auto x = set_of(a), y = set_of(b);
        CHECK(x.count() == a.size());
        CHECK(plain(x) == a);
        CHECK(plain(x & y) == filtered(size, [&](Position i) { return a.contains(i) && b.contains(i); }));
        CHECK(plain(x ^ y) == filtered(size, [&](Position i) { return a.contains(i) != b.contains(i); }));
        CHECK(plain(x - y) == filtered(size, [&](Position i) { return a.contains(i) && !b.contains(i); }));
        std::set<Position> gaps;
        x.each_gap(size, [&](Position i) { gaps.insert(i); });
        CHECK(gaps == filtered(size, [&](Position i) { return !a.contains(i); }));
        const auto changes = transitions(x, size);
        CHECK(plain(changes) ==
              filtered(size, [&](Position i) { return a.contains(i) != (i > 0 && a.contains(i - 1)); }));
        CHECK(from_transitions(changes, size) == x);
        const auto chosen = x & y;
        const auto places = ranks(x, chosen);
        const auto back = at_ranks(x, places);
        REQUIRE(back);
        CHECK(*back == chosen);
        CHECK_FALSE(at_ranks(x, {{a.size() + 1, 1}}));
        CHECK_FALSE(at_ranks(x, {{a.size(), 2}}));
    }
}

TEST_CASE("an axis has what both versions cover, in the order of replicas") {
    Random random(2);
    for (int round = 0; round < 100; ++round) {
        Version a, b;
        LiveDots live;
        for (std::uint8_t i = 1; i < 8; ++i) {
            const ReplicaId id{{i}, random() % 3};
            if (random() % 4 != 0) a[id] = random() % 100;
            if (random() % 4 != 0) b[id] = random() % 100;
            for (Seq seq = 1; seq <= std::min(seen(a, id), seen(b, id)); ++seq) {
                if (random() % 3 != 0) extend(live[id], seq);
            }
            if (live[id].empty()) live.erase(id);
        }
        const Axis axis(a, b);
        std::uint64_t size = 0;
        for (const auto& [id, seq] : a) size += std::min(seq, seen(b, id));
        CHECK(axis.size() == size);
        const auto positions = axis.positions(live);
        positions.check();
        CHECK(axis.dots(positions) == live);
        LiveWords words;
        for (const auto& [id, runs] : live) {
            for (const auto& run : runs) {
                for (Seq seq = run.first; seq <= run.last(); ++seq) {
                    auto& line = words[id];
                    if (line.empty() || line.back().first != seq / 32 * 32) line.push_back({seq / 32 * 32, 0});
                    line.back().bits |= 1U << seq % 32;
                }
            }
        }
        CHECK(axis.positions(words) == positions);
        CHECK(digest(axis, positions, 1) == digest(axis, axis.positions(words), 1));
        CHECK(digest(axis, positions, 1) != digest(axis, positions, 2));
    }
}

TEST_CASE("the field multiplies as polynomials do") {
    for (auto bits = field_bits_min; bits <= field_bits_max; ++bits) {
        const auto& field = Field::of(bits);
        const auto doubled = [&](std::uint32_t a) { return field.times(Field::Element(a), 2); };
        Random random(3);
        for (int round = 0; round < 2'000; ++round) {
            const auto a = Field::Element(random() % (field.order() + 1));
            const auto b = Field::Element(random() % (field.order() + 1));
            Field::Element product = 0;
            Field::Element shifted = a;
            for (unsigned bit = 0; bit < bits; ++bit, shifted = Field::Element(doubled(shifted))) {
                if ((b >> bit & 1) != 0) product ^= shifted;
            }
            CHECK(field.times(a, b) == product);
            CHECK(field.square(a) == field.times(a, a));
            if (a != 0) CHECK(field.times(a, field.inverse(a)) == 1);
        }
    }
}

TEST_CASE("decoding finds the elements, and seldom finds others where there are too many") {
    Random random(4);
    std::size_t wrong = 0, too_many = 0;
    for (int round = 0; round < 4'000; ++round) {
        const auto& field = Field::of(field_bits_min + unsigned(random() % 8));
        const auto sums_many = 1 + random() % 24;
        std::set<unsigned> elements;
        for (auto left = random() % (sums_many + 4); left > 0; --left)
            elements.insert(unsigned(random() % field.order()));
        std::vector<Field::Element> sums(sums_many);
        for (const auto log : elements) {
            for (std::size_t j = 0; j < sums_many; ++j)
                sums[j] ^= field.power(unsigned(log * (2 * j + 1) % field.order()));
        }
        const auto found = decode(field, sums);
        if (elements.size() <= sums_many) {
            REQUIRE(found);
            CHECK(*found == std::vector<unsigned>(elements.begin(), elements.end()));
        } else {
            ++too_many;
            if (found && found->size() <= trusted({field.bits(), 64}, sums_many)) ++wrong;
        }
    }
    CHECK(too_many > 300);
    CHECK(wrong * 20 < too_many);
}

TEST_CASE("whatever is decoded has the sums it was decoded from") {
    Random random(5);
    const auto& field = Field::of(7);
    std::size_t decoded = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::vector<Field::Element> sums(1 + random() % 4);
        for (auto& sum : sums) sum = Field::Element(random() % (field.order() + 1));
        const auto found = decode(field, sums);
        if (!found) continue;
        ++decoded;
        CHECK(found->size() <= sums.size());
        for (std::size_t j = 0; j < sums.size(); ++j) {
            Field::Element sum = 0;
            for (const auto log : *found) sum ^= field.power(unsigned(log * (2 * j + 1) % field.order()));
            CHECK(sum == sums[j]);
        }
    }
    CHECK(decoded > 1'000);
}

TEST_CASE("a placement gives every position one cell, and every cell its positions") {
    Random random(6);
    for (int round = 0; round < 60; ++round) {
        const std::uint64_t size = 500 + random() % 20'000;
        SketchShape shape{field_bits_min + unsigned(random() % 4), 1};
        shape.blocks = 1 + random() % unfolded_blocks(shape.bits, size);
        const Placement placement(shape, size, random());
        std::set<std::pair<std::uint64_t, unsigned>> used;
        for (Position at = 0; at < size; ++at) {
            const auto cell = placement.cell(at);
            REQUIRE(cell.block < shape.blocks);
            REQUIRE(cell.index < (1U << shape.bits) - 1);
            used.emplace(cell.block, cell.index);
        }
        std::set<Position> positions;
        for (const auto& [block, index] : used) {
            for (std::uint64_t turn = 0; turn < placement.turns(); ++turn) {
                const auto at = placement.position({block, index}, turn);
                if (!at) continue;
                CHECK(positions.insert(*at).second);
                CHECK(placement.cell(*at).block == block);
                CHECK(placement.cell(*at).index == index);
            }
        }
        CHECK(positions.size() == size);
        if (shape.blocks == unfolded_blocks(shape.bits, size)) CHECK(used.size() == size);
    }
    const Placement wide({14, 1'000}, (std::uint64_t{1} << 40) + 15, 7);  // products beyond 64 bits
    for (int i = 0; i < 100; ++i) {
        const Position at = random() % ((std::uint64_t{1} << 40) + 15);
        bool found = false;
        for (std::uint64_t turn = 0; turn < wide.turns() && !found; ++turn)
            found = wide.position(wide.cell(at), turn) == at;
        CHECK(found);
    }
}

TEST_CASE("two sketches make the sketch of what differs, of the sets and of their rests, at once and in pieces") {
    Random random(7);
    for (int round = 0; round < 60; ++round) {
        const std::uint64_t size = 2'000 + random() % 5'000;
        const auto a = set_of(some(random, size, 200));
        std::set<Position> flips;
        for (int i = 0; i < 20; ++i) flips.insert(random() % size);
        const auto b = a ^ set_of(flips);
        SketchShape shape{8, unfolded_blocks(8, size)};
        const Placement placement(shape, size, random());
        std::vector<std::uint64_t> blocks;
        for (std::uint64_t block = 0; block < shape.blocks; ++block) blocks.push_back(block);
        const auto whole_a = power_sums(placement, a, false, size, blocks, {0, 12});
        const auto whole_b = power_sums(placement, b, false, size, blocks, {0, 12});
        const auto rest_a = power_sums(placement, a, true, size, blocks, {0, 12});
        const auto rest_b = power_sums(placement, b, true, size, blocks, {0, 12});
        const auto later = power_sums(placement, a, false, size, {1, 3}, {5, 7});
        CHECK(unpack(pack(whole_a, 8), 8, whole_a.size()) == whole_a);
        std::set<Position> found;
        for (std::uint64_t block = 0; block < shape.blocks; ++block) {
            std::vector<Field::Element> sums;
            for (std::size_t j = 0; j < 12; ++j) {
                sums.push_back(whole_a[block * 12 + j] ^ whole_b[block * 12 + j]);
                CHECK(sums.back() == (rest_a[block * 12 + j] ^ rest_b[block * 12 + j]));
                if (j >= 5 && (block == 1 || block == 3))
                    CHECK(later[(block == 1 ? 0 : 7) + j - 5] == whole_a[block * 12 + j]);
            }
            const auto cells = decode(Field::of(8), sums);
            REQUIRE(cells);
            for (const auto index : *cells) found.insert(*placement.position({block, index}, 0));
        }
        CHECK(found == flips);
    }
}

TEST_CASE("packed sums of every width come back, and of no other size") {
    Random random(8);
    for (auto bits = field_bits_min; bits <= field_bits_max; ++bits) {
        for (std::size_t many : {0UL, 1UL, 7UL, 64UL}) {
            Sums sums(many);
            for (auto& sum : sums) sum = Field::Element(random() & ((1U << bits) - 1));
            const auto bytes = pack(sums, bits);
            CHECK(bytes.size() == (many * bits + 7) / 8);
            CHECK(unpack(bytes, bits, many) == sums);
            CHECK_FALSE(unpack(bytes + "x", bits, many));
        }
    }
}

TEST_CASE("estimates are near what differs") {
    Random random(9);
    for (const std::uint64_t differing : {3ULL, 10ULL, 100ULL, 1'000ULL, 10'000ULL}) {
        const std::uint64_t size = 1'000'000;
        const auto levels = DifferenceEstimator::levels_of(size);
        double error = 0;
        constexpr int rounds = 60;
        for (int round = 0; round < rounds; ++round) {
            DifferenceEstimator a(64, levels), b(64, levels);
            const auto nonce = random();
            for (int same = 0; same < 100; ++same) {
                const Position at = random() % size;
                a.flip(at, nonce);
                b.flip(at, nonce);
            }
            for (std::uint64_t i = 0; i < differing; ++i) (i % 2 == 0 ? a : b).flip(random() % size, nonce);
            const auto read = DifferenceEstimator::read(b.bytes(), 64, levels);
            REQUIRE(read);
            const auto estimate = DifferenceEstimator::difference(a, *read);
            const double off = double(estimate) / double(differing) - 1;
            CHECK(std::abs(off) < 1.5);
            error += off * off;
        }
        CHECK(std::sqrt(error / rounds) < (differing < 50 ? 0.5 : 0.25));
    }
    DifferenceEstimator a(32, 4), b(32, 4);
    for (Position at = 0; at < 100'000; ++at) a.flip(at, 1);
    CHECK(DifferenceEstimator::difference(a, b) == UINT64_MAX);
    CHECK_FALSE(DifferenceEstimator::read("short", 32, 4));
}

TEST_CASE("a coded sequence comes back, near its entropy") {
    Random random(10);
    for (const double chance : {0.5, 0.1, 0.01, 0.0005}) {
        RangeEncoder out;
        AdaptiveBit model;
        std::vector<bool> bits;
        const int many = 200'000;
        for (int i = 0; i < many; ++i) bits.push_back(double(random() % 1'000'000) < chance * 1'000'000);
        for (const bool bit : bits) out.bit(bit, model);
        out.even_bits(0x2a5, 10);
        const auto bytes = out.take();
        RangeDecoder in(bytes);
        AdaptiveBit again;
        for (const bool bit : bits) REQUIRE(in.bit(again) == bit);
        CHECK(in.even_bits(10) == 0x2a5);
        CHECK_FALSE(in.overrun());
        const double entropy = -many * (chance * std::log2(chance) + (1 - chance) * std::log2(1 - chance)) / 8;
        CHECK(double(bytes.size()) < 1.03 * entropy + 60);
    }
}

TEST_CASE("coded numbers come back, small and large") {
    Random random(11);
    for (int round = 0; round < 200; ++round) {
        std::vector<std::uint64_t> numbers;
        for (auto many = random() % 50; many > 0; --many) numbers.push_back(random() >> (4 + random() % 60));
        RangeEncoder out;
        NumberModel model;
        for (const auto number : numbers) model.write(out, number);
        const auto bytes = out.take();
        RangeDecoder in(bytes);
        NumberModel again;
        for (const auto number : numbers) CHECK(again.read(in) == number);
        CHECK_FALSE(in.overrun());
    }
    RangeDecoder empty("");
    NumberModel model;
    for (int i = 0; i < 1'000'000 && !empty.overrun(); ++i) (void)model.read(empty);
    CHECK(empty.overrun());
}

TEST_CASE("overflow chances are those of Poisson, choices cost their logarithm") {
    for (const double mean : {0.5, 2.0, 14.7, 40.0}) {
        for (const std::uint64_t sums : {1ULL, 3ULL, 10ULL, 20ULL, 50ULL}) {
            double term = std::exp(-mean), within = 0;
            for (std::uint64_t k = 0; k <= sums; ++k, term *= mean / double(k)) within += term;
            const auto chance = double(overflow_chance(std::uint64_t(mean * 256), sums)) / 4294967296.0;
            CHECK(chance == doctest::Approx(1 - within).epsilon(0.05).scale(0.05));
        }
    }
    for (const auto& [many, chosen] : {std::pair(1'000'000.0, 500.0), {1'000'000.0, 100'000.0}, {1'000.0, 500.0}}) {
        const double bits =
            (std::lgamma(many + 1) - std::lgamma(chosen + 1) - std::lgamma(many - chosen + 1)) / std::log(2.0);
        CHECK(double(choice_bits(std::uint64_t(many), std::uint64_t(chosen))) == doctest::Approx(bits).epsilon(0.1));
    }
}

TEST_CASE("the plan is a shape that may be asked for, and a bitmap where much differs") {
    Random random(12);
    for (int round = 0; round < 500; ++round) {
        Surroundings here;
        here.axis_size = 2 + (random() >> (10 + random() % 50));
        here.live = random() % here.axis_size;
        here.transitions = random() % (here.live + 1);
        here.differences = random() >> (random() % 64);
        here.changed_transitions = random() >> (random() % 64);
        const auto plan = cheapest(here);
        if (plan.by != CompareBy::live_dots) CHECK(valid_shape(plan.shape, plan.sums, here.axis_size));
    }
    CHECK(cheapest({1'111'111, 1'000'000, 200'000, 400'000, 400'000}).by == CompareBy::live_dots);
    CHECK(cheapest({1'111'111, 1'000'000, 200'000, 10'000, 20'000}).by == CompareBy::sketch);
    CHECK(cheapest({1'111'111, 1'000'000, 200'000, 1'000, 40}).by == CompareBy::transitions);
    CHECK(cheapest({1'111'111, 1'000'000, 200'000, 10, 20}).by == CompareBy::folded);
    CHECK_FALSE(valid_shape({6, 1}, 1, 1'000'000));
    CHECK_FALSE(valid_shape({15, 1}, 1, 1'000'000));
    CHECK_FALSE(valid_shape({14, 1}, 65, 1'000'000));
    CHECK_FALSE(valid_shape({14, 0}, 1, 1'000'000));
    CHECK_FALSE(valid_shape({14, 63}, 1, 1'000'000));
    CHECK_FALSE(valid_shape({7, 100}, 64, 40'000));  // more bits than the axis has
}
