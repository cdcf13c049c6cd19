// What befalls a seed, and what all of them did together.
#include <algorithm>

#include "tests/agree/trial.hpp"

namespace starling::agree_trial {

Plan Plan::drawn(std::uint64_t seed) {
    sim::Random random(seed ^ 0x706c616eULL);
    Plan plan;
    plan.nodes = random.between(3, 6);
    plan.voters = random.chance(100) ? 1 : (plan.nodes >= 5 && random.chance(400) ? 5 : 3);
    plan.voter_changes = random.chance(500);
    plan.erased = !plan.voter_changes && plan.voters > 1 && random.chance(300);
    plan.steady_clocks = random.chance(600);
    return plan;
}

Tally& Tally::operator+=(const Tally& other) {
    calls += other.calls, done += other.done, no_majority += other.no_majority, unknown += other.unknown;
    recovered += other.recovered, transitions += other.transitions, crashes += other.crashes, splits += other.splits;
    pauses += other.pauses, jumps += other.jumps, erased += other.erased, acquired += other.acquired;
    lost += other.lost, fenced_writes += other.fenced_writes, fenced_refused += other.fenced_refused;
    handed_on += other.handed_on, changed_voters += other.changed_voters;
    heal_us_most = std::max(heal_us_most, other.heal_us_most);
    return *this;
}

}  // namespace starling::agree_trial
