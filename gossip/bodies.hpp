// Changesets of one origin resemble each other: the same keys, the next number, a stamp a little later. So each side of
// a link keeps the last short body of each origin that crossed it in one direction, and the next one is sent as how
// much it shares with that one at its two ends, and what is new between them. Which body is meant follows from the
// seqs, so a receiver that missed it knows, and asks the sender to begin anew, as it does for a missing number
// (refs.hpp).
#pragma once

#include <algorithm>
#include <map>

#include "crdt/ids.hpp"

namespace starling::gossip {

/// Bodies are kept in so many places; where numbers share one, the later takes it. Bounds what a link keeps.
inline constexpr std::uint64_t bodies_kept_max = 1'024;
/// Longer ones are not kept: they gain little, and a few bytes would make a reader build much.
inline constexpr std::size_t kept_body_bytes_max = 256;
/// Less than this is not worth the numbers that say it.
inline constexpr std::size_t shared_bytes_min = 4;

/// How many bytes two bodies have in common at their beginning, and after that at their end.
struct SharedEnds {
    std::size_t front = 0;
    std::size_t back = 0;
};
inline SharedEnds shared_ends(crdt::BytesView a, crdt::BytesView b) {
    const auto front = std::size_t(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
    a.remove_prefix(front);
    b.remove_prefix(front);
    const auto back = std::size_t(std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first - a.rbegin());
    return {front, back};
}

/// One direction of a link; the same calls at both its ends leave the same behind. O(log kept).
class KeptBodies {
  public:
    /// The body of the changeset right before `first` of the origin with this number; nullptr where it is not kept.
    const crdt::Bytes* before(std::uint64_t number, crdt::Seq first) const {
        const auto at = kept_.find(number % bodies_kept_max);
        const bool it = at != kept_.end() && at->second.number == number && at->second.last + 1 == first;
        return it ? &at->second.body : nullptr;
    }
    void keep(std::uint64_t number, crdt::Seq last, const crdt::Bytes& body) {
        if (body.size() <= kept_body_bytes_max) kept_[number % bodies_kept_max] = {number, last, body};
    }
    void forget() { kept_.clear(); }

  private:
    struct Kept {
        std::uint64_t number;
        crdt::Seq last;
        crdt::Bytes body;
    };
    std::map<std::uint64_t, Kept> kept_;
};

}  // namespace starling::gossip
