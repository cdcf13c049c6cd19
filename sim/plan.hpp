// A plan: what a scenario file says. One statement a line, a word and its arguments; `#` begins a comment;
// docs/simulator.md has them all. Numbers are whole, so that a plan means the same to every compiler.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/result.hpp"
#include "gossip/io.hpp"
#include "sim/network.hpp"

namespace starling::sim {

/// Something that befalls part of the nodes at a time.
struct PlannedFault {
    enum class Kind : std::uint8_t { crash, split, split_one_way, cut, pause, slow, upload, clock };
    Kind kind{};
    std::uint64_t at_us = 0;     ///< counted from the first write
    std::uint64_t permille = 0;  ///< of the nodes; of the links for `cut`
    std::uint64_t for_us = 0;    ///< 0: for good
    std::uint64_t amount = 0;    ///< slow: µs an input; upload: bytes a second; clock: µs of the greatest error
};

/// How the next one of several is drawn.
enum class Choice : std::uint8_t {
    turns,    ///< one after another
    uniform,  ///< each as likely
    zipf,     ///< the k-th with weight 1/k
};

struct Plan {
    std::string name;
    std::size_t nodes = 100;
    Topology topology = Topology::regular;
    std::size_t degree = regular_degree;
    NetworkOptions network;
    gossip::Limits limits;
    std::uint64_t skew_us_max = 2'000;

    std::uint64_t warm_us = 2'000'000;  ///< from the start of the world to the first write
    std::uint64_t writers = 1;          ///< at most as many as there are nodes
    std::uint64_t writes = 30;          ///< by each, on average
    std::uint64_t every_us = 100'000;   ///< from one write, anywhere, to the next
    Choice origins = Choice::turns;
    std::uint64_t keys = 1'000;
    Choice key_choice = Choice::uniform;
    std::uint64_t value_bytes = 16;

    std::uint64_t churn_permille = 0;  ///< of the nodes crash in a minute, while there are writes
    std::uint64_t churn_away_us = 0;   ///< and are back, with an empty memory, after this
    std::vector<PlannedFault> faults;
    std::uint64_t patience_us = 60'000'000;  ///< after the last write and fault, until every node is level
};

/// How large a planned world may be.
inline constexpr std::size_t plan_nodes_max = 20'000;

/// The plan that a text describes, or which line cannot be understood, and why.
crdt::Result<Plan> read_plan(std::string name, std::string_view text);

/// The texts of sim/scenarios/, which are built in: name and text, ascending.
struct NamedScenario {
    const char* name;
    const char* text;
};
std::vector<NamedScenario> scenarios();

}  // namespace starling::sim
