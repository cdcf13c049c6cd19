// How two replicas find out which of their common dots live at one of them only: the heart of a state diff. Each side
// holds its pinned set on the common axis; what they say to each other is in wire.hpp, who may say it when is the
// business of diff_session.hpp.
//
//   asker                                    answerer
//                                       ←      Comparison: digest and estimates
//     equal digests: done
//     the cheapest of
//       Sketch (of the set, of its transitions, folded), or a request for the live dots
//                                       →
//                                       ←      More: these blocks hold too much
//     Sums                              →
//                                       ←      a verdict: the ranks of those that died; Cells; or the live dots
//
// Whoever has rebuilt the other's set believes it only if the other's digest agrees: a set that was decoded wrongly
// would delete what lives.
#pragma once

#include <variant>

#include "gossip/estimator.hpp"
#include "gossip/plan.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// Sums asked for, the first time or again, before the answerer gives up and sends its live dots.
inline constexpr std::uint64_t compare_rounds_max = 6;
/// Below this many bits the live dots are sent at once.
inline constexpr std::uint64_t compare_bits_min = 8 * 256;
/// Longer axes are not turned into whole bitmaps: a stranger's numbers would buy much memory.
inline constexpr std::uint64_t whole_bitmap_bits_max = std::uint64_t{1} << 27;

/// The asker's side. Invariant: what is `settled()` was checked against the answerer's digest.
class AskerComparison {
  public:
    AskerComparison(Axis axis, PositionSet mine, std::uint64_t nonce)
        : axis_(std::move(axis)), mine_(std::move(mine)), nonce_(nonce) {}

    /// Nothing to say where the sets are equal: then this is settled. A fault for what no honest answerer says.
    crdt::Result<std::optional<DiffSketch>> begin(const Comparison& theirs);
    crdt::Result<DiffSums> more(const DiffMore& more);
    /// Where the digest is not met, the live dots are asked for.
    crdt::Result<std::optional<DiffSketch>> take(const DiffCells& cells);
    crdt::Result<bool> take(const Verdict& verdict);
    crdt::Result<bool> take(const crdt::LiveDots& live);

    bool settled() const { return theirs_.has_value(); }
    const Axis& axis() const { return axis_; }
    /// Of the asker's dots on the axis, those that are dead at the answerer.
    crdt::LiveDots dead() const { return axis_.dots(mine_ - *theirs_); }
    /// Those of the answerer's that are known to live there.
    crdt::LiveDots known() const { return axis_.dots(*theirs_); }

  private:
    DiffSketch live_dots_wanted() const;
    const PositionSet& sketched() const { return by_ == CompareBy::transitions ? changes_ : mine_; }
    bool of_rest() const { return of_rest_ && by_ != CompareBy::transitions; }

    Axis axis_;
    PositionSet mine_;
    PositionSet changes_;  ///< the transitions of `mine_`
    std::uint64_t nonce_;
    bool of_rest_ = false;
    crdt::Fingerprint their_digest_;
    CompareBy by_ = CompareBy::live_dots;
    std::optional<Placement> placement_;
    std::uint64_t rounds_ = 0;
    std::optional<PositionSet> theirs_;  ///< the answerer's set, as far as it is known
};

/// The answerer sends its live dots instead.
struct LiveDotsWanted {};

/// The answerer's side.
class AnswererComparison {
  public:
    AnswererComparison(Axis axis, PositionSet mine, std::uint64_t askers_nonce, std::uint64_t nonce);

    const Comparison& opening() const { return opening_; }
    /// False where the live dots are so few bytes that they are sent at once.
    bool worthwhile() const;

    using Reply = std::variant<Verdict, DiffMore, DiffCells, LiveDotsWanted>;
    crdt::Result<Reply> take(const DiffSketch& sketch);
    crdt::Result<Reply> take(const DiffSums& sums);

    crdt::LiveDots live() const { return axis_.dots(mine_); }
    /// What the asker knows to live here: all, or after a verdict what lives on both sides.
    crdt::LiveDots known() const { return axis_.dots(verdict_given_ ? mine_ & theirs_ : mine_); }
    /// Of the dots here, those that a verdict showed to be dead at the asker.
    crdt::LiveDots dead_there() const { return verdict_given_ ? axis_.dots(mine_ - theirs_) : crdt::LiveDots{}; }

  private:
    crdt::Result<Reply> decode_blocks();
    Reply all_decoded();
    DiffCells cells() const;
    const PositionSet& sketched() const { return by_ == CompareBy::transitions ? changes_ : mine_; }
    bool of_rest() const { return opening_.of_rest && by_ != CompareBy::transitions; }

    Axis axis_;
    PositionSet mine_;
    PositionSet changes_;
    std::uint64_t nonce_;  ///< of both
    Comparison opening_;

    CompareBy by_ = CompareBy::live_dots;
    bool begun_ = false;
    crdt::Fingerprint their_digest_;
    std::optional<Placement> placement_;
    std::vector<std::uint64_t> open_;  ///< blocks that are not decoded yet
    std::vector<Sums> sums_;           ///< of them, of the difference
    SumRange asked_;                   ///< for more of those
    std::uint64_t rounds_ = 0;
    std::vector<std::pair<std::uint64_t, unsigned>> cells_;  ///< that differ: (block, index)
    PositionSet theirs_;
    bool verdict_given_ = false;
};

}  // namespace starling::gossip
