// One side of a matching: two nodes with long versions find out in which lines they differ (version_ranges.hpp says
// how), so that each knows the other's version as after a hello.
//
//   beginner                          peer
//     hash of the version       →
//                               ←       its own, and where that is another, the sums of ranges
//     sums of parts, lines      →
//                               ←       …
//
// Each message answers the one before. What it does not mention is settled; one without ranges is the last. Both sides
// speak of their versions at the instant when they began: what rises meanwhile, digests tell of afterwards.
#pragma once

#include <cstdint>
#include <optional>

#include "gossip/origins.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// Two versions with more different lines are left to a state diff; each takes some 100 bytes meanwhile.
inline constexpr std::size_t matching_lines_max = 16'384;
/// Messages of one matching, both ways.
inline constexpr std::uint64_t matching_steps_max = 256;

struct Matching {
    std::uint64_t id = 0;
    bool begun_here = false;
    std::uint64_t step = 0;  ///< of the last message that was sent or read
    std::uint64_t deadline_us = 0;
    Seqs pinned;  ///< this side's version
    crdt::Fingerprint pinned_hash;
    std::optional<RangesHead> head;  ///< of the other side's version
    crdt::Version theirs;            ///< its lines that differ, as far as they are known; seq 0: it has none
};

}  // namespace starling::gossip
