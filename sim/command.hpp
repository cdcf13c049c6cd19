// `starling sim`: seeds in, one line a seed out, and the story of whatever failed.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

namespace starling::sim {

inline constexpr std::uint64_t command_nodes = 5;
/// Of a drawn scenario, whose judge looks at everything; others have plan_nodes_max.
inline constexpr std::uint64_t command_nodes_max = 64;

struct Command {
    std::optional<std::uint64_t> nodes;  ///< else command_nodes, or what the scenario says
    std::uint64_t seed = 1;
    std::uint64_t seeds = 1;  ///< runs seed, seed + 1, …
    bool disks = false;       ///< drawn scenarios: nodes have disks, and these fail too
    bool sealed = false;      ///< nodes sign what they write, and apply nothing that its origin did not sign
    bool json = false;        ///< objects instead of words
    std::string scenario;     ///< a name of sim/scenarios/, or a file; empty: drawn from the seed, and judged
    std::optional<std::uint64_t> replay;  ///< this one seed, with every event in words
};

/// Prints a line for each seed to `out`, and stories of failures to `err`. 0 when all seeds are good, 1 when one is
/// not, 2 when the command makes no sense. While it runs, an assertion that fails names the seed before the process
/// ends.
int run_command(const Command& command, std::ostream& out, std::ostream& err);

}  // namespace starling::sim
