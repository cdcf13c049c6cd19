// The hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) in one number: microseconds of wall time,
// raised by one where wall time stood still. Wall time is an argument; this holds only what was seen.
#pragma once

#include <algorithm>

#include "crdt/ids.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

/// Invariant: `next` only grows. Thread rule: one thread at a time. O(1).
class Clock {
  public:
    /// The stamp of a write at wall time `wall_us`.
    Stamp next(std::uint64_t wall_us) { return last_ = std::max(last_ + 1, wall_us); }

    /// Takes note of a received stamp, never further than a minute ahead of the own wall clock (rule 5). True when the
    /// stamp was further ahead than that: its sender, or this node, has a wrong clock.
    bool observe(Stamp stamp, std::uint64_t wall_us) {
        const auto bound = wall_us + clock_lead_us_max;
        last_ = std::max(last_, mutant(Mutant::clock_is_dragged) ? stamp : std::min(stamp, bound));
        return stamp > bound;
    }

    Stamp last() const { return last_; }

  private:
    Stamp last_ = 0;
};

}  // namespace starling::crdt
