#include "crdt/dots.hpp"

#include <algorithm>

#include "crdt/assert.hpp"

namespace starling::crdt {

bool contains(const DotRuns& runs, Seq seq) {
    auto at = std::upper_bound(runs.begin(), runs.end(), seq, [](Seq s, const DotRun& run) { return s < run.first; });
    return at != runs.begin() && seq <= std::prev(at)->last();
}

void extend(DotRuns& runs, Seq first, std::uint64_t count) {
    if (count == 0) return;
    if (!runs.empty() && runs.back().last() + 1 == first) {
        runs.back().count += count;
    } else {
        STARLING_ASSERT(runs.empty() || runs.back().last() < first, "runs are extended in order");
        runs.push_back({first, count});
    }
}

std::uint64_t count(const DotRuns& runs) {
    std::uint64_t sum = 0;
    for (const auto& run : runs) sum += run.count;
    return sum;
}

}  // namespace starling::crdt
