// Sets of dots of one replica as runs of consecutive seqs.
#pragma once

#include <vector>

#include "crdt/ids.hpp"

namespace starling::crdt {

/// A run of consecutive seqs.
struct DotRun {
    Seq first = 0;
    Seq count = 0;
    Seq last() const { return first + count - 1; }
    auto operator<=>(const DotRun&) const = default;
};
/// Sorted, disjoint, not adjacent.
using DotRuns = std::vector<DotRun>;

/// O(log runs).
bool contains(const DotRuns& runs, Seq seq);
/// Adds `count` seqs from `first` on, which is past all of `runs`. A count of 0 adds nothing. O(1).
void extend(DotRuns& runs, Seq first, std::uint64_t count = 1);
std::uint64_t count(const DotRuns& runs);

}  // namespace starling::crdt
