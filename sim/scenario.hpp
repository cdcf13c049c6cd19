// A scenario: a world, a workload and a schedule of faults, all drawn from one seed; then everything heals, and the
// world must come to rest with every node level.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "sim/world.hpp"

namespace starling::sim {

/// How often each fault befalls a step of the schedule, in thousandths; the other steps write.
struct FaultRates {
    std::uint64_t crash = 15;
    std::uint64_t partition = 12;  ///< silent, between two parts of the nodes
    std::uint64_t block = 15;      ///< silent, of one link
    std::uint64_t cut = 20;        ///< of one link; it is dialled again
    std::uint64_t pause = 10;      ///< a node stands still
    std::uint64_t clock = 10;      ///< a wall clock jumps
    // -- with disks, of the crashes
    std::uint64_t restored = 150;  ///< come back with an older disk
    std::uint64_t cloned = 100;    ///< come back with another node's
};

struct Config {
    std::size_t nodes = 5;
    std::uint64_t seed = 1;
    std::uint64_t steps = 150;           ///< writes and faults
    std::uint64_t step_us_max = 50'000;  ///< virtual time between two of them
    Topology topology = Topology::full;
    FaultRates rates;
    NetworkOptions network;
    gossip::Limits limits;
    std::uint64_t skew_us_max = 2'000;  ///< of wall clocks
    std::uint64_t check_every = 16;     ///< see Checker
    /// Decides on the links, whatever the topology says.
    std::optional<gossip::OverlayLimits> overlay = {};
    std::optional<DiskOptions> disks = {};  ///< nodes have disks, and come back from them
    bool sealed = false;                    ///< see WorldOptions
    bool liars = false;                     ///< see Checker
    World::Tamper tamper;                   ///< see World
    std::ostream* trace = nullptr;          ///< every event in words, as it happens

    /// Everything else drawn from the seed: topology, faults of the links, and sizes small enough that logs end, pulls
    /// and diffs take several messages, and waiting changesets are evicted.
    static Config drawn(std::size_t nodes, std::uint64_t seed);
    /// The same with disks, slow ones among them, and more crashes.
    static Config drawn_with_disks(std::size_t nodes, std::uint64_t seed);
};

/// After the heal, virtual time until every node is level may be so much: idle digests, and time-outs of a pull and a
/// diff among them, on every hop of the longest path.
inline constexpr std::uint64_t converge_us_max = 60'000'000;
/// And from then until each node knows that its peers are.
inline constexpr std::uint64_t settle_us_max = 30'000'000;
/// A world that is this busy never comes to rest.
inline constexpr std::uint64_t events_max = 4'000'000;

struct Outcome {
    std::uint64_t seed = 0;
    std::size_t nodes = 0;
    Topology topology = Topology::full;
    std::uint64_t trace_hash = 0;  ///< over every event: time, kind, ends, bytes
    bool converged = false;
    /// Intervals of busy digests (Limits::digest_busy_us of virtual time) from the heal until every node is level.
    std::uint64_t rounds = 0;
    FaultCounts faults;  ///< how many of each fired
    std::uint64_t transactions = 0, events = 0;
    std::uint64_t pulls = 0, diffs = 0, waited = 0;  ///< of the peers that live at the end
    std::optional<std::string> violation;            ///< what went wrong, and the last events before it

    bool good() const { return converged && !violation; }
};

/// The same configuration gives the same outcome, bit for bit.
Outcome run(const Config& config);

}  // namespace starling::sim
