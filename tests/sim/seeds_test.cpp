// Many seeds with all faults on, over 2 to 7 nodes and every topology. STARLING_SIM_SEEDS=N runs N of them,
// STARLING_SIM_FIRST=S begins at seed S.
#include <string>

#include <doctest/doctest.h>

#include "sim/scenario.hpp"
#include "tests/environment.hpp"

using namespace starling::sim;
using starling::testing::number_from;

TEST_CASE("under all faults every seed converges, and no reader ever sees what the history does not imply") {
    const auto first = number_from("STARLING_SIM_FIRST", 1), seeds = number_from("STARLING_SIM_SEEDS", 500);
    constexpr std::size_t nodes_least = 2, nodes_most = 7;
    std::uint64_t failed = 0, diffs = 0, pulls = 0, transactions = 0, rounds_most = 0;
    FaultCounts faults;
    for (auto seed = first; seed < first + seeds && failed < 5; ++seed) {
        const auto nodes = nodes_least + seed % (nodes_most - nodes_least + 1);
        auto config = Config::drawn(nodes, seed);
        config.sealed = starling::testing::number_from("STARLING_SIM_SEALED", 0) != 0;
        const auto outcome = run(config);
        for (const auto& [fault, count] : outcome.faults) faults[fault] += count;
        diffs += outcome.diffs;
        pulls += outcome.pulls;
        transactions += outcome.transactions;
        rounds_most = std::max(rounds_most, outcome.rounds);
        if (outcome.good()) continue;
        ++failed;
        MESSAGE("starling sim --nodes " << nodes << " --seed " << seed << "\n" << outcome.violation.value_or(""));
    }
    CHECK(failed == 0);
    std::string fired;
    for (const auto& [fault, count] : faults) fired += fault + " " + std::to_string(count) + ", ";
    MESSAGE(transactions << " transactions, " << pulls << " pulls, " << diffs << " diffs, at most " << rounds_most
                         << " rounds; " << fired);
    if (seeds < 200) return;  // too few for every fault to befall
    CHECK(pulls > 0);
    CHECK(diffs > 0);
    for (const auto* fault :
         {"crash", "partition", "block", "cut", "pause", "clock", "lost", "duplicated", "reordered", "vanished"})
        CHECK_MESSAGE(faults[fault] > 0, fault);
}
