// How two nodes with long versions find the few lines in which they differ: range-based set reconciliation (Meyer,
// "Range-Based Set Reconciliation", 2023). The lines of a version are in the order of replicas. Of a range of that
// order a node says the sum of its lines' hashes; where the other's sum is the same there is nothing to say, else it
// answers with the sums of parts of the range, or where few lines are left in it, with the lines.
//
// Ranges begin and end between nodes where that is possible: a state keeps the sum of each node's lives, so that those
// of nodes whose lives are all equal are never looked at.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "crdt/state.hpp"
#include "gossip/origins.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// A range that differs is answered with so many parts…
inline constexpr std::size_t range_parts = 16;
/// …or with its lines, where there are no more.
inline constexpr std::size_t range_lines_max = 24;
/// A message ends when about so much is in it; what is left becomes one range. A quarter of it is typical of the worst.
inline constexpr std::size_t ranges_bytes = 128 * 1024;

/// A version as it was at an instant: the state's now, but for what rose since. Looks at the state, so it is good
/// until that changes. O(nodes) to make; what is asked of a range is O(log nodes + nodes inside + lives of the nodes at
/// its ends), but for what says that it is more.
class PinnedVersion {
  public:
    /// `seqs` are based on the state's version: they say what it was of each life that has a number.
    PinnedVersion(const crdt::State& state, const Origins& origins, const Seqs& seqs);

    crdt::Seq seen(const crdt::ReplicaId& id) const;
    /// Lines in all.
    std::size_t lines() const { return lines_; }

    struct Total {
        std::size_t lines = 0;
        std::uint64_t sum = 0;  ///< of the lower halves of the lines' hashes
    };
    Total total(const IdRange& range) const;
    /// The first `lines_max` of them. O(lives of the nodes that these are of).
    crdt::Version lines_in(const IdRange& range, std::size_t lines_max) const;
    /// Some `range_parts` parts with about as many lines each. O(lives of those nodes whose lives are too many for one
    /// part).
    std::vector<Range> parts(const IdRange& range) const;

  private:
    struct Node {
        crdt::NodeKey key;
        std::size_t lines;
        std::uint64_t sum;
    };
    using Lives = std::vector<std::pair<crdt::Life, crdt::Seq>>;

    const Lives& lives_of(const crdt::NodeKey& node) const;
    std::vector<Node>::const_iterator first_in(const IdRange& range) const;
    /// Visits the range in order: `whole(node)` for a node that lies inside it, where that returns true; its lines
    /// inside the range else, as long as `line(id, seq)` returns true.
    template <class Whole, class Line>
    void walk(const IdRange& range, Whole whole, Line line) const;

    const crdt::State& state_;
    const Origins& origins_;
    const Seqs& seqs_;
    std::vector<Node> nodes_;  ///< ascending
    std::size_t lines_ = 0;
    mutable std::optional<crdt::NodeKey> looked_at_;
    mutable Lives lives_;  ///< of that node
};

/// What one side makes of a message of the other.
struct RangesAnswer {
    std::vector<Range> ranges;  ///< that are not settled
    crdt::Version lines;        ///< of the ranges that ask, and those that the other lacks or has otherwise
    crdt::Version theirs;       ///< lines of the other that differ from this side's; seq 0 where it has none
};
RangesAnswer answer_ranges(const PinnedVersion& mine, const std::vector<Range>& ranges, const crdt::Version& lines);

/// As few bytes of `next` as tell it from `last`, which is less: `last` < the result ≤ `next`.
crdt::ReplicaId between(const crdt::ReplicaId& last, const crdt::ReplicaId& next);

}  // namespace starling::gossip
