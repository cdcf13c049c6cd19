// The common dots of two versions as one dense axis, and sets of its positions. Two replicas order the axis alike, by
// the full replica id and then by seq, so that inside what both cover their live sets are two bitmaps over the same
// positions, and no key or hash is needed to compare them.
#pragma once

#include <bit>
#include <vector>

#include "crdt/difference.hpp"

namespace starling::gossip {

/// Position on an axis: 0, 1, 2, …
using Position = std::uint64_t;

/// A set of positions: the words of a bitmap that are not zero. Where nothing lives it weighs nothing.
/// Invariants: places ascend, no word is 0. Thread rule: one thread at a time.
class PositionSet {
  public:
    struct Word {
        std::uint64_t place;  ///< of positions 64 · place …
        std::uint64_t bits;
        bool operator==(const Word&) const = default;
    };

    /// Joins the `bits` (bit 0: `first`), none of which is before what is here already. O(1).
    void append(Position first, std::uint64_t bits);
    /// As `append`, for `count` positions from `first` on. O(count / 64).
    void append_run(Position first, std::uint64_t count);

    std::uint64_t count() const;
    bool empty() const { return words_.empty(); }
    const std::vector<Word>& words() const { return words_; }
    /// Calls `visit(position)` in ascending order. O(words + count).
    template <class Visit>
    void each(Visit visit) const {
        for (const auto& word : words_) {
            for (auto bits = word.bits; bits != 0; bits &= bits - 1)
                visit(word.place * 64 + unsigned(std::countr_zero(bits)));
        }
    }
    /// Calls `visit(position)` for the positions below `size` that are not in the set. O(size / 64 + visited).
    template <class Visit>
    void each_gap(std::uint64_t size, Visit visit) const {
        auto word = words_.begin();
        for (std::uint64_t place = 0; place * 64 < size; ++place) {
            auto bits = ~std::uint64_t{0};
            if (word != words_.end() && word->place == place) bits = ~(word++)->bits;
            if (size - place * 64 < 64) bits &= (std::uint64_t{1} << (size - place * 64)) - 1;
            for (; bits != 0; bits &= bits - 1) visit(place * 64 + unsigned(std::countr_zero(bits)));
        }
    }
    bool operator==(const PositionSet&) const = default;

    /// O(words); the three below are of both.
    void check() const;
    friend PositionSet operator&(const PositionSet& a, const PositionSet& b);
    friend PositionSet operator^(const PositionSet& a, const PositionSet& b);
    /// Those of `a` that are not in `b`.
    friend PositionSet operator-(const PositionSet& a, const PositionSet& b);

  private:
    template <class Combine>
    static PositionSet combined(const PositionSet& a, const PositionSet& b, Combine combine);
    std::vector<Word> words_;
};

/// The positions at which being in the set or not changes: i is in it where i and i − 1 differ in the set. Below
/// `size`. O(words).
PositionSet transitions(const PositionSet& set, std::uint64_t size);
/// The set that has these transitions, below `size`. O(size / 64).
PositionSet from_transitions(const PositionSet& changes, std::uint64_t size);

/// The places of `chosen` among the members of `among`, of which it is a part: 1 for the first. O(words + chosen).
crdt::DotRuns ranks(const PositionSet& among, const PositionSet& chosen);
/// The members of `among` at these ranks; nothing where a rank is out of order or beyond them. O(words + chosen).
std::optional<PositionSet> at_ranks(const PositionSet& among, const crdt::DotRuns& ranks);

/// The live seqs of each replica at one instant.
struct LiveWord {
    crdt::Seq first;
    std::uint32_t bits;
};
using LiveWords = std::map<crdt::ReplicaId, std::vector<LiveWord>>;
/// O(live / 32).
LiveWords live_words(const crdt::State& state);

/// No honest replica counts so far; what claims more is not compared.
inline constexpr std::uint64_t axis_positions_max = std::uint64_t{1} << 60;

/// Invariant: lines are in the order of replicas, and follow each other without a gap.
class Axis {
  public:
    struct Line {
        crdt::ReplicaId replica;
        crdt::Seq top;   ///< its seqs 1 … top are on the axis
        Position first;  ///< where they begin
    };

    Axis() = default;
    /// What both versions cover.
    Axis(const crdt::Version& a, const crdt::Version& b);

    /// False where the versions cover more than `axis_positions_max` dots in common: then it has no lines.
    bool fits() const { return fits_; }
    std::uint64_t size() const { return size_; }
    const std::vector<Line>& lines() const { return lines_; }

    /// What of these is on the axis. O(words log lines).
    PositionSet positions(const LiveWords& live) const;
    PositionSet positions(const crdt::LiveDots& dots) const;
    crdt::LiveDots dots(const PositionSet& positions) const;

  private:
    std::vector<Line> lines_;
    std::uint64_t size_ = 0;
    bool fits_ = true;
};

/// A digest of a set on an axis. Equal digests stand for equal sets: 128 bits of SipHash, keyed by `nonce`. O(words).
crdt::Fingerprint digest(const Axis& axis, const PositionSet& set, std::uint64_t nonce);

}  // namespace starling::gossip
