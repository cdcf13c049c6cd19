// One seed of everything at once: clients that read, append and swap, contenders for a lock whose holders write to a
// store that checks tokens, voters that change, under partitions, loss, crashes, pauses and clocks that differ. What
// the clients were told is judged by linearizable.hpp.
#pragma once

#include <optional>
#include <string>

#include "tests/agree/linearizable.hpp"
#include "tests/agree/world.hpp"

namespace starling::agree_trial {

/// What befalls a seed; drawn from it.
struct Plan {
    std::size_t nodes = 5, voters = 3;
    bool voter_changes = false;
    bool erased = false;        ///< one voter loses its disk, once, and is replaced
    bool steady_clocks = true;  ///< rates within the drift margin, and clocks that only pass: wall clocks jump anyway
    bool sync_lies = false;
    static Plan drawn(std::uint64_t seed);
};

struct Tally {
    std::uint64_t calls = 0, done = 0, no_majority = 0, unknown = 0, recovered = 0;
    std::uint64_t transitions = 0, changed_voters = 0, crashes = 0, splits = 0, pauses = 0, jumps = 0, erased = 0;
    std::uint64_t acquired = 0, lost = 0, fenced_writes = 0, fenced_refused = 0, handed_on = 0;
    std::uint64_t heal_us_most = 0;  ///< until every node was served again
    Tally& operator+=(const Tally& other);
};

struct Verdict {
    std::optional<std::string> violation;
    Tally tally;
    std::uint64_t trace = 0;  ///< equal for the same seed
};

Verdict run_trial(std::uint64_t seed, const Plan& plan);

}  // namespace starling::agree_trial
