#include <algorithm>

#include "sim/trial.hpp"

namespace starling::sim {

namespace {

/// "1.234" for 1234 thousandths.
std::string thousandths(std::uint64_t number) {
    auto digits = std::to_string(number % 1000);
    return std::to_string(number / 1000) + "." + std::string(3 - digits.size(), '0') + digits;
}

/// a ÷ b with three places; 0 where there is nothing to divide by.
std::string ratio(std::uint64_t a, std::uint64_t b) {
    return thousandths(b == 0 ? 0 : a * 1000 / b);
}

}  // namespace

std::string json_of(const TrialOutcome& outcome, bool with_memory) {
    const auto& spread = outcome.spread;
    const auto& counters = outcome.counters;
    const auto useful = counters.changesets_received - counters.changesets_redundant;
    std::string text = "{\"scenario\": \"" + outcome.plan + "\"";
    const auto add = [&](const char* name, const std::string& value) {
        text += ", \"" + std::string(name) + "\": " + value;
    };
    add("seed", std::to_string(outcome.seed));
    add("nodes", std::to_string(outcome.nodes));
    add("trace_hash", "\"" + hex(outcome.trace_hash) + "\"");
    add("events", std::to_string(outcome.events));
    add("converged", outcome.converged ? "true" : "false");
    add("converged_s", thousandths(outcome.converged_us / 1000));
    add("running", std::to_string(outcome.running));
    add("reached", std::to_string(outcome.reached));
    add("changesets", std::to_string(spread.changesets));
    add("measured", std::to_string(spread.measured));
    add("rmr", ratio(counters.changesets_redundant, useful));
    add("ldh", ratio(spread.last_hops, spread.measured));
    add("ldh_most", std::to_string(spread.last_hops_most));
    add("last_ratio", thousandths(spread.measured == 0 ? 0 : spread.last_permille / spread.measured));
    add("p99_ratio", thousandths(spread.measured == 0 ? 0 : spread.p99_permille / spread.measured));
    add("last_s", thousandths(spread.last_us_most / 1000));
    add("control_bytes", ratio(counters.control_bytes_sent, useful));
    add("bytes_per_delivery", ratio(counters.bytes_sent, useful));
    add("payload_ratio", ratio(counters.body_bytes_applied, counters.bytes_sent));
    add("pulls", std::to_string(counters.pulls));
    add("diffs", std::to_string(counters.diffs));
    std::string faults;
    for (const auto& [name, count] : outcome.faults)
        faults += (faults.empty() ? "\"" : ", \"") + name + "\": " + std::to_string(count);
    add("faults", "{" + faults + "}");
    if (with_memory) {
        const auto grown = [&](std::size_t bytes) {
            return (bytes - std::min(bytes, outcome.resident_before)) / outcome.nodes;
        };
        add("bytes_per_node_idle", std::to_string(grown(outcome.resident_idle)));
        add("bytes_per_node", std::to_string(grown(outcome.resident_end)));
    }
    return text + "}";
}

std::string words_of(const TrialOutcome& outcome) {
    const auto& spread = outcome.spread;
    const auto& counters = outcome.counters;
    const auto useful = counters.changesets_received - counters.changesets_redundant;
    const auto mean = [&](std::uint64_t sum) { return ratio(sum, 1000 * spread.measured); };
    std::string faults;
    for (const auto& [name, count] : outcome.faults) faults += ", " + name + " " + std::to_string(count);
    return outcome.plan + ", seed " + std::to_string(outcome.seed) + ": " + std::to_string(outcome.nodes) +
           " nodes, trace " + hex(outcome.trace_hash) +
           (outcome.converged ? ", level after " + thousandths(outcome.converged_us / 1000) + " s"
                              : ", NOT level: " + std::to_string(outcome.reached) + " of " +
                                    std::to_string(outcome.running) + " nodes know everything") +
           "; " + std::to_string(spread.changesets) + " changesets, rmr " +
           ratio(counters.changesets_redundant, useful) + ", last hop " + ratio(spread.last_hops, spread.measured) +
           ", last " + mean(spread.last_permille) + ", p99 " + mean(spread.p99_permille) +
           " of the shortest time, control " + ratio(counters.control_bytes_sent, useful) + " B" + faults;
}

}  // namespace starling::sim
