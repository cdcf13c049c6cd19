// Many seeds. STARLING_AGREE_SEEDS=N runs N of them, STARLING_AGREE_FIRST=S begins at seed S.
#include "tests/agree/trial.hpp"

#include <doctest/doctest.h>

#include "tests/environment.hpp"

using namespace starling::agree_trial;
using starling::testing::number_from;

TEST_CASE("registers are linearizable and locks exclude, whatever befalls, and all are served again once it is over") {
    const auto first = number_from("STARLING_AGREE_FIRST", 1), seeds = number_from("STARLING_AGREE_SEEDS", 300);
    Tally total;
    std::uint64_t failed = 0;
    for (auto seed = first; seed < first + seeds && failed < 3; ++seed) {
        const auto verdict = run_trial(seed, Plan::drawn(seed));
        total += verdict.tally;
        if (!verdict.violation) continue;
        ++failed;
        MESSAGE("STARLING_AGREE_SEEDS=1 STARLING_AGREE_FIRST=" << seed << "\n" << *verdict.violation);
    }
    CHECK(failed == 0);
    MESSAGE(total.calls << " calls: " << total.done << " done, " << total.no_majority << " without a majority, "
                        << total.unknown << " unknown, " << total.recovered << " found to have come through; "
                        << total.transitions << " changes of voters begun and " << total.changed_voters
                        << " brought to their end, " << total.crashes << " crashes, " << total.splits << " partitions, "
                        << total.pauses << " pauses, " << total.jumps << " clock jumps, " << total.erased
                        << " disks lost; " << total.acquired << " locks taken, " << total.lost << " lost, "
                        << total.fenced_writes << " fenced writes and " << total.fenced_refused
                        << " refused; healed within " << total.heal_us_most / 1000 << " ms");
    if (seeds < 100) return;  // too few for everything to befall
    for (const auto count :
         {total.done, total.no_majority, total.unknown, total.recovered, total.transitions, total.crashes, total.splits,
          total.pauses, total.jumps, total.erased, total.acquired, total.lost, total.changed_voters,
          total.fenced_writes, total.fenced_refused, total.handed_on})
        CHECK(count > 0);
}

TEST_CASE("the same seed is the same run, bit for bit") {
    for (std::uint64_t seed : {3, 4, 5})
        CHECK(run_trial(seed, Plan::drawn(seed)).trace == run_trial(seed, Plan::drawn(seed)).trace);
}

TEST_CASE("the control: with disks that say durable before it is so, something is not linearizable") {
    std::uint64_t violated = 0;
    for (std::uint64_t seed = 1; seed <= 400 && violated == 0; ++seed) {
        auto plan = Plan::drawn(seed);
        plan.sync_lies = true;
        violated += run_trial(seed, plan).violation ? 1 : 0;
    }
    CHECK(violated > 0);
}
