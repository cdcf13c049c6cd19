// One run of one protocol over one workload, and what it cost. The reference protocols run in a small event loop, ours
// in the simulator over the real engine (peer/, gossip/): the same topology, the same events at the same virtual times,
// the same delay on every link, no faults. A run ends when every node holds everything.
#pragma once

#include "protocol.hpp"

namespace starling::bench::icde {

/// Invariant: total bytes are payload and metadata.
struct Cost {
    std::uint64_t elements = 0;  ///< cells in all messages, every crossing of a link counted
    std::uint64_t payload = 0;   ///< bytes of those cells
    std::uint64_t bytes = 0;     ///< of all messages
    std::uint64_t messages = 0;
    double state_elements = 0;  ///< cells a node holds as its state, averaged over nodes and seconds
    double held_elements = 0;   ///< and everything else that it keeps of them: buffers, logs
    double cpu_s = 0;           ///< of the process over the run, the simulator around it included
    double level_after_s = 0;   ///< virtual time from the last event until every node held everything

    std::uint64_t metadata() const { return bytes - payload; }
};

/// Every node ends with the same store, or the run fails loudly.
Cost replay(Reference reference, const Workload& work);

/// How our engine is driven. Everything else has its default.
struct Mode {
    bool sync_each_second = true;  ///< flushed once a second, forwarding included; otherwise pushed at once
    std::uint64_t digest_us = 5'000'000;
    std::uint64_t log_age_us = 10'000'000;  ///< a node that was away longer is served by a state diff
};
Cost replay_ours(const Workload& work, const Mode& mode);

/// CPU time of this process.
double cpu_now_s();

}  // namespace starling::bench::icde
