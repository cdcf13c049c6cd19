// The scenes of the demo. Each plays on the fleet, looks at what really happened, and says so in figures.
#pragma once

#include <string>
#include <vector>

#include "cli/demo/fleet.hpp"
#include "cli/demo/inventory.hpp"

namespace starling::cli::demo {

/// How a scene went.
struct Outcome {
    bool pass = false;
    Json figures = Json::object();
    std::string words;  ///< the figures, for people
    std::string why;    ///< what did not hold, where it failed
};

/// What the scenes share: the stage, and what one scene leaves for the next.
struct Stage {
    Fleet& fleet;
    std::string inventory_file;
    std::vector<Package> packages;
    bool quick = false;

    std::int64_t clicks = 0;            ///< what the counter must show
    std::int64_t partition_writes = 0;  ///< fields that the two sides wrote while apart
    std::string last_owner{};           ///< the last of the conflicting writes
    std::uint64_t missing_bytes = 0;    ///< of the changesets that each node lacks after the partition, summed up
};

Outcome find_each_other(Stage& stage);      // 1
Outcome load_the_inventory(Stage& stage);   // 2
Outcome count_together(Stage& stage);       // 3
Outcome part(Stage& stage);                 // 4
Outcome heal(Stage& stage);                 // 5
Outcome kill_and_return(Stage& stage);      // 6
Outcome crash_and_return(Stage& stage);     // 7
Outcome refuse_a_stranger(Stage& stage);    // 8
Outcome agree_in_a_majority(Stage& stage);  // 9
Outcome fence_a_late_holder(Stage& stage);  // 10

/// The outcome of a scene in which something did not hold.
Outcome failed(Outcome outcome, std::string why);

std::int64_t ms_since(Clock::time_point began);

}  // namespace starling::cli::demo
