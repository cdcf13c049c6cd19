// Comparisons between two sides that know nothing of each other, honest, with wrong estimates and with changed
// messages: whatever happens, nothing that lives on both sides is taken for dead. STARLING_DIFF_SESSIONS=N runs so many
// (10,000).
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "crdt/limits.hpp"
#include "gossip/comparison.hpp"
#include "tests/environment.hpp"

using namespace starling::crdt;
using namespace starling::gossip;

namespace {

using Random = std::mt19937_64;

struct Case {
    Axis axis;
    PositionSet asker, answerer;
};

Case some_case(Random& random) {
    Version version;
    for (auto i = 1 + random() % 4; i > 0; --i) version[{{std::uint8_t(i)}, 1}] = 1 + random() % 8'000;
    Case c{Axis(version, version), {}, {}};
    const auto size = c.axis.size();
    const auto sparse = 1 + random() % (random() % 3 == 0 ? 300 : 10);
    const auto dead_in_256 = random() % 60;
    const auto differing = std::min<std::uint64_t>(size, std::uint64_t{1} << random() % (random() % 2 == 0 ? 3 : 11));
    PositionSet common;
    for (Position at = 0; at < size; at += 1 + (sparse > 1 ? random() % sparse : 0)) {
        if (random() % 256 >= dead_in_256) common.append(at, 1);
    }
    std::set<Position> only[2];
    for (std::uint64_t i = 0; i < differing; ++i) {
        const Position begin = random() % size;
        const auto run = random() % 8 == 0 ? 1 + random() % 50 : 1;
        for (auto at = begin; at < std::min(size, begin + run); ++at) only[random() % 2].insert(at);
    }
    PositionSet flips[2];
    for (int side = 0; side < 2; ++side) {
        for (const auto at : only[side]) flips[side].append(at, 1);
    }
    c.asker = common ^ flips[0];
    c.answerer = common ^ flips[1];
    return c;
}

enum class Trouble { none, estimate, message };

void change(Bytes& bytes, Random& random) {
    for (auto many = 1 + random() % 4; many > 0 && !bytes.empty(); --many)
        bytes[random() % bytes.size()] = char(std::uint8_t(random()));
}

struct Outcome {
    bool settled = false, fault = false;
    bool fell_back = false;  ///< to the live dots, after a sketch
    CompareBy by = CompareBy::live_dots;
    unsigned rounds = 0;
};

/// Runs a comparison to its end, as two honest sessions would, but for the trouble.
class Run {
  public:
    Run(const Case& c, Random& random, Trouble trouble)
        : case_(c),
          random_(random),
          trouble_(trouble),
          asker_(c.axis, c.asker, 11),
          answerer_(c.axis, c.answerer, 11, std::uint32_t(random())) {}

    Outcome go() {
        if (!answerer_.worthwhile()) {
            outcome_.settled = bool(asker_.take(answerer_.live()));
            return check();
        }
        auto opening = answerer_.opening();
        if (trouble_ == Trouble::estimate) {
            change(opening.of_set, random_);
            change(opening.of_changes, random_);
            if (random_() % 4 == 0) opening.of_set.assign(opening.of_set.size(), '\0');
        }
        auto sketch = asker_.begin(opening);
        while (sketch && *sketch && !outcome_.fault) {
            auto next = std::move(**sketch);
            outcome_.fell_back = outcome_.rounds > 0 && next.by == CompareBy::live_dots;
            if (next.by != CompareBy::live_dots) outcome_.by = next.by;
            ++outcome_.rounds;
            if (trouble()) change(next.sums, random_);
            auto reply = answerer_.take(next);
            sketch = std::optional<DiffSketch>{};
            if (!reply) return outcome_.fault = true, outcome_;
            for (auto* more = std::get_if<DiffMore>(&*reply); more != nullptr; more = std::get_if<DiffMore>(&*reply)) {
                ++outcome_.rounds;
                auto sums = asker_.more(*more);
                REQUIRE(sums);
                if (trouble()) change(sums->sums, random_);
                reply = answerer_.take(*sums);
                if (!reply) return outcome_.fault = true, outcome_;
            }
            if (auto* cells = std::get_if<DiffCells>(&*reply)) {
                if (trouble()) change(cells->contents, random_);
                sketch = asker_.take(*cells);
            } else if (auto* verdict = std::get_if<Verdict>(&*reply)) {
                if (trouble() && !verdict->died.empty()) verdict->died.back().count += random_() % 2;
                outcome_.fault = !asker_.take(*verdict);
            } else {
                outcome_.fell_back = next.by != CompareBy::live_dots || outcome_.fell_back;
                outcome_.fault = !asker_.take(answerer_.live());
            }
        }
        outcome_.fault = outcome_.fault || !sketch;
        outcome_.settled = asker_.settled();
        return check();
    }

  private:
    bool trouble() { return trouble_ == Trouble::message && random_() % 2 == 0; }
    Outcome check() {
        if (outcome_.fault) return outcome_;
        REQUIRE(outcome_.settled);
        const auto& axis = case_.axis;
        CHECK(asker_.dead() == axis.dots(case_.asker - case_.answerer));
        const auto known = answerer_.known();
        CHECK(asker_.known() == known);
        auto there = axis.positions(known) ^ axis.positions(answerer_.dead_there());
        CHECK(there == case_.answerer);
        CHECK((axis.positions(answerer_.dead_there()) & case_.asker).empty());
        return outcome_;
    }

    const Case& case_;
    Random& random_;
    Trouble trouble_;
    AskerComparison asker_;
    AnswererComparison answerer_;
    Outcome outcome_;
};

std::size_t sessions() {
    return starling::testing::number_from("STARLING_DIFF_SESSIONS", 10'000);
}

}  // namespace

TEST_CASE("no comparison takes for dead what lives on both sides") {
    std::size_t settled[4] = {}, faults = 0, fell_back = 0, more = 0;
    for (std::size_t seed = 0; seed < sessions(); ++seed) {
        CAPTURE(seed);
        Random random(seed);
        const auto c = some_case(random);
        const auto trouble = Trouble(random() % 3);
        const auto outcome = Run(c, random, trouble).go();
        if (trouble != Trouble::message) CHECK_FALSE(outcome.fault);
        faults += outcome.fault ? 1 : 0;
        fell_back += outcome.fell_back ? 1 : 0;
        more += outcome.rounds > 2 ? 1 : 0;
        if (outcome.settled) ++settled[std::size_t(outcome.by)];
    }
    MESSAGE("live dots ", settled[0], ", sketch ", settled[1], ", transitions ", settled[2], ", folded ", settled[3],
            ", faults ", faults, ", fell back ", fell_back, ", more than two rounds ", more);
    for (const auto many : settled) CHECK(many > 0);
    CHECK(fell_back > 0);
    CHECK(faults > 0);
}

TEST_CASE("what no honest side says is a fault") {
    Random random(1);
    const Version version{{{{1}, 1}, 20'000}};
    Case c{Axis(version, version), {}, {}};
    for (Position at = 0; at < 20'000; ++at) {  // a fifth dead, some 200 differences
        if (random() % 5 == 0) continue;
        const auto side = random() % 160;
        if (side != 0) c.asker.append(at, 1);
        if (side != 1) c.answerer.append(at, 1);
    }
    const auto size = c.axis.size();
    AnswererComparison answerer(c.axis, c.answerer, 1, 2);
    REQUIRE(answerer.worthwhile());
    CHECK_FALSE(answerer.take(DiffSums{0, "x"}));
    DiffSketch sketch;
    sketch.by = CompareBy::sketch;
    for (const auto& [bits, blocks, sums] : {std::tuple(6U, 1UL, 1UL),
                                             {15U, 1UL, 1UL},
                                             {9U, 0UL, 1UL},
                                             {9U, 1UL, 0UL},
                                             {9U, 1UL, 65UL},
                                             {9U, unfolded_blocks(9, size) + 1, 1UL},
                                             {7U, unfolded_blocks(7, size), 64UL}}) {
        sketch.shape = {bits, blocks};
        sketch.count = sums;
        sketch.sums = Bytes(blocks * bits * sums / 8 + 1, '\0');
        CHECK_FALSE(answerer.take(sketch));
    }
    sketch.shape = {9, 1};
    sketch.count = 4;
    sketch.sums = Bytes(3, 'x');  // too short
    CHECK_FALSE(answerer.take(sketch));

    AskerComparison asker(c.axis, c.asker, 1);
    CHECK_FALSE(asker.more(DiffMore{0, 0, 1, {{1, 1}}}));
    CHECK_FALSE(asker.take(Verdict{}));
    CHECK_FALSE(asker.take(DiffCells{}));
    auto opening = answerer.opening();
    opening.of_set += "x";
    CHECK_FALSE(asker.begin(opening));
    AskerComparison again(c.axis, c.asker, 1);
    const auto begun = again.begin(answerer.opening());
    REQUIRE(begun);
    REQUIRE(*begun);
    REQUIRE((*begun)->by != CompareBy::live_dots);
    const auto blocks = (*begun)->shape.blocks;
    CHECK_FALSE(again.more(DiffMore{0, 1, 1, {{blocks + 1, 1}}}));
    CHECK_FALSE(again.more(DiffMore{0, 60, 5, {{1, 1}}}));
    CHECK_FALSE(again.more(DiffMore{0, 0, 0, {{1, 1}}}));
    CHECK_FALSE(again.more(DiffMore{0, UINT64_MAX, 2, {{1, 1}}}));
    for (std::uint64_t round = 4; round < compare_rounds_max; ++round) CHECK(again.more(DiffMore{0, 1, 1, {{1, 1}}}));
    CHECK_FALSE(again.more(DiffMore{0, 1, 1, {{1, 1}}}));  // for ever
    CHECK_FALSE(again.take(Verdict{{{c.asker.count() + 1, 1}}, {}}));
    CHECK_FALSE(again.take(Verdict{{{1, 1}}, {}}));  // another digest
    CHECK_FALSE(again.settled());
}

TEST_CASE("versions that cover more than anybody counts have no axis") {
    Version few, many;
    for (std::uint64_t life = 0; life < 2'100; ++life) many[{{9}, life}] = seq_max - 1;  // past 2^64 in sum
    few[{{9}, 0}] = seq_max - 1;
    CHECK(Axis(few, many).fits());
    CHECK(Axis(few, many).size() == seq_max - 1);
    CHECK_FALSE(Axis(many, many).fits());
    CHECK(Axis(many, many).lines().empty());
    many.erase(std::next(many.begin(), 100), many.end());
    CHECK(Axis(many, many).fits());
}

TEST_CASE("a few bytes cannot ask for more sums than a message holds") {
    // Half of an axis of 2^24 positions lives; sketches of many blocks, each of which is asked for all sums there are.
    const Axis axis({{{{1}, 1}, Seq{1} << 24}}, {{{{1}, 1}, Seq{1} << 24}});
    PositionSet mine;
    for (Position at = 0; at < axis.size(); at += 64) mine.append(at, 0x5555'5555'5555'5555ULL ^ at);
    Random random(4);
    auto theirs = mine;
    PositionSet flips;
    for (Position at = random() % 300; at < axis.size(); at += 1 + random() % 300) flips.append(at, 1);
    theirs = theirs ^ flips;
    AskerComparison asker(axis, mine, 1);
    AnswererComparison answerer(axis, theirs, 1, 2);
    const auto begun = asker.begin(answerer.opening());
    REQUIRE(begun);
    REQUIRE(*begun);
    REQUIRE((*begun)->by == CompareBy::sketch);
    const auto blocks = (*begun)->shape.blocks;
    REQUIRE(blocks * block_sums_max * (*begun)->shape.bits > 8 * sums_bytes_max);
    CHECK_FALSE(asker.more(DiffMore{0, 0, block_sums_max, {{1, blocks}}}));
    CHECK(asker.more(DiffMore{0, 0, 1, {{1, blocks}}}));
}

TEST_CASE("a set that was decoded is believed by its digest only") {
    Random random(3);
    std::size_t verdicts = 0;
    for (int round = 0; round < 200; ++round) {
        const auto c = some_case(random);
        AskerComparison asker(c.axis, c.asker, 1);
        AnswererComparison answerer(c.axis, c.answerer, 1, 2);
        if (!answerer.worthwhile()) continue;
        auto begun = asker.begin(answerer.opening());
        REQUIRE(begun);
        if (!*begun || ((*begun)->by != CompareBy::sketch && (*begun)->by != CompareBy::transitions)) continue;
        AnswererComparison deceived = answerer;
        const auto reply = answerer.take(**begun);
        REQUIRE(reply);
        if (!std::holds_alternative<Verdict>(*reply)) continue;
        ++verdicts;
        (*begun)->digest.low ^= 1;
        const auto other = deceived.take(**begun);
        REQUIRE(other);
        CHECK(std::holds_alternative<LiveDotsWanted>(*other));
    }
    CHECK(verdicts > 10);
}

TEST_CASE("equal sets are settled by their digests") {
    Random random(2);
    for (int round = 0; round < 50; ++round) {
        auto c = some_case(random);
        c.answerer = c.asker;
        AskerComparison asker(c.axis, c.asker, 1);
        AnswererComparison answerer(c.axis, c.answerer, 1, 2);
        if (!answerer.worthwhile()) continue;
        const auto begun = asker.begin(answerer.opening());
        REQUIRE(begun);
        CHECK_FALSE(*begun);
        CHECK(asker.settled());
        CHECK(asker.dead().empty());
    }
}
