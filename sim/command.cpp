#include "sim/command.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <unistd.h>

#include "sim/scenario.hpp"
#include "sim/trial.hpp"

namespace starling::sim {

namespace {

std::string replay_of(std::size_t nodes, std::uint64_t seed, const Command& command) {
    return "starling sim --nodes " + std::to_string(nodes) + " --seed " + std::to_string(seed) +
           (command.disks ? " --disks" : "") + (command.sealed ? " --sealed" : "");
}

/// Names of faults are words of ours: nothing in them needs escaping.
std::string json_of(const Outcome& outcome) {
    std::string faults;
    for (const auto& [name, count] : outcome.faults)
        faults += (faults.empty() ? "\"" : ", \"") + name + "\": " + std::to_string(count);
    return "{\"seed\": " + std::to_string(outcome.seed) + ", \"nodes\": " + std::to_string(outcome.nodes) +
           ", \"trace_hash\": \"" + hex(outcome.trace_hash) +
           "\", \"converged\": " + (outcome.good() ? "true" : "false") +
           ", \"rounds\": " + std::to_string(outcome.rounds) + ", \"faults\": {" + faults + "}}";
}

std::string words_of(const Outcome& outcome) {
    std::string faults;
    for (const auto& [name, count] : outcome.faults) faults += ", " + name + " " + std::to_string(count);
    return "seed " + std::to_string(outcome.seed) + ": " + std::to_string(outcome.nodes) + " nodes, " +
           name_of(outcome.topology) + ", trace " + hex(outcome.trace_hash) +
           (outcome.good() ? ", converged in " + std::to_string(outcome.rounds) + " rounds" : ", FAILED") + faults;
}

/// Says which seed an assertion failed in. Async-signal-safe: the text is made before the run.
class AbortNote {
  public:
    explicit AbortNote(const std::string& replay) {
        const auto words = "while running: " + replay + "\n";
        size = std::min(words.size(), sizeof text);
        std::copy_n(words.begin(), size, text);
        before_ =
            std::signal(SIGABRT, [](int) { [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, size); });
    }
    ~AbortNote() { std::signal(SIGABRT, before_); }
    AbortNote(const AbortNote&) = delete;
    AbortNote& operator=(const AbortNote&) = delete;

  private:
    static inline char text[128];
    static inline std::size_t size;
    void (*before_)(int);
};

int run_drawn(const Command& command, std::ostream& out, std::ostream& err) {
    const auto nodes = command.nodes.value_or(command_nodes);
    if (nodes == 0 || nodes > command_nodes_max || command.seeds == 0) {
        err << "sim: 1 to " << command_nodes_max << " nodes, and at least one seed\n";
        return 2;
    }
    int status = 0;
    for (std::uint64_t i = 0; i < command.seeds; ++i) {
        const auto seed = command.seed + i;
        const auto replay = replay_of(nodes, seed, command);
        const AbortNote note(replay);
        auto config = command.disks ? Config::drawn_with_disks(nodes, seed) : Config::drawn(nodes, seed);
        config.sealed = command.sealed;
        if (command.replay) config.trace = &out;
        const auto outcome = run(config);
        out << (command.json ? json_of(outcome) : words_of(outcome)) << std::endl;
        if (outcome.good()) continue;
        status = 1;
        err << "seed " << seed << " failed; again: " << replay << "\n"
            << outcome.violation.value_or("no verdict") << std::endl;
    }
    return status;
}

/// The plan of a name, or of a file.
crdt::Result<Plan> plan_of(const std::string& scenario) {
    for (const auto& [name, text] : scenarios()) {
        if (scenario == name) return read_plan(scenario, text);
    }
    std::ifstream file(scenario);
    std::stringstream text;
    if (file && text << file.rdbuf()) return read_plan(scenario, text.str());
    std::string names;
    for (const auto& known : scenarios()) names += std::string(" ") + known.name;
    return crdt::Fault{crdt::FaultCode::not_available,
                       "there is no scenario or file '" + scenario + "'; there are" + names};
}

int run_planned(const Command& command, std::ostream& out, std::ostream& err) {
    if (command.disks) {
        err << "sim: a scenario of a file has no disks: --disks is for drawn ones\n";
        return 2;
    }
    auto plan = plan_of(command.scenario);
    if (!plan) {
        err << "sim: " << plan.fault().what << "\n";
        return 2;
    }
    plan->nodes = command.nodes.value_or(plan->nodes);
    if (plan->nodes < 2 || plan->nodes > plan_nodes_max || command.seeds == 0) {
        err << "sim: 2 to " << plan_nodes_max << " nodes, and at least one seed\n";
        return 2;
    }
    int status = 0;
    for (std::uint64_t i = 0; i < command.seeds; ++i) {
        const auto seed = command.seed + i;
        const AbortNote note("starling sim --scenario " + command.scenario + " --nodes " + std::to_string(plan->nodes) +
                             " --seed " + std::to_string(seed));
        TrialOptions options;
        options.sealed = command.sealed;
        if (command.replay) options.trace = &out;
        const auto outcome = run_trial(*plan, seed, options);
        out << (command.json ? json_of(outcome) : words_of(outcome)) << std::endl;
        if (!outcome.converged) status = 1;
    }
    return status;
}

}  // namespace

int run_command(const Command& given, std::ostream& out, std::ostream& err) {
    auto command = given;
    if (command.replay) {
        command.seed = *command.replay;
        command.seeds = 1;
    }
    return command.scenario.empty() ? run_drawn(command, out, err) : run_planned(command, out, err);
}

}  // namespace starling::sim
