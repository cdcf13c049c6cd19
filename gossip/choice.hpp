// Log or state diff: the node that holds the log chooses for the one that pulls, by estimated bytes.
#pragma once

#include "crdt/state.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// A diff must be so many times cheaper: its estimate is rough, and changesets also tell watchers who wrote.
inline constexpr std::uint64_t diff_advantage_min = 2;
/// What a session costs in any case, and what is not worth a second thought.
inline constexpr std::uint64_t diff_fixed_bytes = 16 * 1024;

/// The rule: the changesets of the ranges, `of_log` bytes, against twice the sum of
/// - the live entries whose dots are in the ranges, and
/// - what it takes to name the dots that died: 4 bytes for each event of the ranges that is not live, but no more than
/// a
///   quarter of a byte for each live dot, and
/// - `diff_fixed_bytes`.
/// O(live in the ranges).
bool diff_is_cheaper(const crdt::State& state, std::uint64_t of_log, const std::vector<PullRange>& ranges);

}  // namespace starling::gossip
