#include "sim/command.hpp"

#include <algorithm>
#include <csignal>
#include <ostream>
#include <string>
#include <unistd.h>

#include "sim/scenario.hpp"

namespace starling::sim {

namespace {

std::string hex(std::uint64_t word) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text(16, '0');
    for (auto at = text.rbegin(); at != text.rend(); ++at, word >>= 4) *at = digits[word & 15];
    return text;
}

std::string replay_of(std::size_t nodes, std::uint64_t seed) {
    return "starling sim --nodes " + std::to_string(nodes) + " --seed " + std::to_string(seed);
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

}  // namespace

int run_command(const Command& command, std::ostream& out, std::ostream& err) {
    if (command.nodes == 0 || command.nodes > command_nodes_max || command.seeds == 0) {
        err << "sim: 1 to " << command_nodes_max << " nodes, and at least one seed\n";
        return 2;
    }
    int status = 0;
    for (std::uint64_t i = 0; i < command.seeds; ++i) {
        const auto seed = command.seed + i;
        const auto replay = replay_of(command.nodes, seed);
        const AbortNote note(replay);
        const auto outcome = run(Config::drawn(command.nodes, seed));
        out << (command.json ? json_of(outcome) : words_of(outcome)) << std::endl;
        if (outcome.good()) continue;
        status = 1;
        err << "seed " << seed << " failed; again: " << replay << "\n"
            << outcome.violation.value_or("no verdict") << std::endl;
    }
    return status;
}

}  // namespace starling::sim
