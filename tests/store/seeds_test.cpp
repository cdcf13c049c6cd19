// Many seeds with disks: crashes in mid-commit, torn sectors, restored backups and cloned disks, beside all faults of
// the network. STARLING_STORE_SEEDS=N runs N of them, STARLING_SIM_FIRST=S begins at seed S.
#include <string>

#include <doctest/doctest.h>

#include "sim/scenario.hpp"
#include "tests/environment.hpp"

using namespace starling::sim;
using starling::testing::number_from;

TEST_CASE("nodes with disks lose nothing that was durable, and use no dot twice, whatever befalls the disks") {
    const auto first = number_from("STARLING_SIM_FIRST", 1), seeds = number_from("STARLING_STORE_SEEDS", 150);
    constexpr std::size_t nodes_least = 2, nodes_most = 6;
    std::uint64_t failed = 0, transactions = 0;
    FaultCounts faults;
    for (auto seed = first; seed < first + seeds && failed < 3; ++seed) {
        const auto nodes = nodes_least + seed % (nodes_most - nodes_least + 1);
        const auto outcome = run(Config::drawn_with_disks(nodes, seed));
        for (const auto& [fault, count] : outcome.faults) faults[fault] += count;
        transactions += outcome.transactions;
        if (outcome.good()) continue;
        ++failed;
        MESSAGE(nodes << " nodes, seed " << seed << "\n" << outcome.violation.value_or(""));
    }
    CHECK(failed == 0);
    std::string fired;
    for (const auto& [fault, count] : faults) fired += fault + " " + std::to_string(count) + ", ";
    MESSAGE(transactions << " transactions; " << fired);
    if (seeds < 100) return;
    for (const auto* fault : {"crash", "restore", "clone"}) CHECK_MESSAGE(faults[fault] > 0, fault);
}

TEST_CASE("the same seed is the same run, with disks too") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed)
        CHECK(run(Config::drawn_with_disks(3, seed)).trace_hash == run(Config::drawn_with_disks(3, seed)).trace_hash);
}
