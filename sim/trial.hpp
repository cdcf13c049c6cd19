// A trial: a plan carried out from one seed, and what was measured. Beside the drawn scenarios, which judge every
// reader of a small world, it asks of a large one how fast and how cheaply everybody comes to know everything.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "sim/meter.hpp"
#include "sim/plan.hpp"

namespace starling::sim {

struct TrialOptions {
    StationMaker station;           ///< empty: peers
    std::ostream* trace = nullptr;  ///< every event in words, as it happens
    bool sealed = false;            ///< see WorldOptions
};

struct TrialOutcome {
    std::string plan;
    std::uint64_t seed = 0;
    std::size_t nodes = 0;
    std::uint64_t trace_hash = 0, events = 0;
    /// Every running node knows every changeset that one of them knows, and equal versions are equal states.
    bool converged = false;
    std::uint64_t converged_us = 0;  ///< from the last write or fault until then
    std::uint64_t reached = 0;       ///< nodes that know everything at the end
    std::uint64_t running = 0;       ///< nodes that run at the end
    Spread spread;
    gossip::Counters counters;
    FaultCounts faults;
    std::size_t resident_before = 0, resident_idle = 0, resident_end = 0;  ///< bytes; not part of what repeats
};

/// The same plan and seed give the same outcome, bit for bit.
TrialOutcome run_trial(const Plan& plan, std::uint64_t seed, const TrialOptions& options = {});

/// An object, as docs/simulator.md describes it; without the memory it is the same on every machine.
std::string json_of(const TrialOutcome& outcome, bool with_memory = true);
/// A line for people.
std::string words_of(const TrialOutcome& outcome);

}  // namespace starling::sim
