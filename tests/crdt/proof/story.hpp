// A short story of three writers: who wrote what, in which window, after having seen which earlier changesets. What
// comes of it is a set of changesets and, told by the story alone and not by the changesets, what each of them depends
// on. Any subset that is closed under that is a state which some replica could be in; the laws are about such states.
//
// A story is drawn from a seed, becomes simpler when it fails, and prints as a schedule.
#pragma once

#include <deque>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "crdt/difference.hpp"
#include "sim/random.hpp"
#include "tests/crdt/proof/operation.hpp"

namespace starling::proof {

inline constexpr std::size_t writers = 3;
inline constexpr std::size_t writes_max = 10;  ///< transactions of a story
using Members = std::uint32_t;                 ///< a set of changesets, one bit each

/// One transaction. What the writer gets to see arrives just before it, also into an open window.
struct Write {
    std::uint8_t by = 0;
    Members sees = 0;  ///< of the changesets so far; their causes come along
    bool cuts = true;  ///< closes the writer's window first
    crdt::Stamp wall = 0;
    std::vector<Operation> operations;
};

struct Story {
    std::vector<Write> writes;
    Members a = 0, b = 0, c = 0;  ///< three states, as sets of changesets; their causes come along
    std::uint64_t order = 0;      ///< seeds the orders of delivery
};
std::ostream& operator<<(std::ostream& out, const Story& story);

/// `types` are those that its operations draw from.
Story draw_story(sim::Random random, const std::vector<crdt::Type>& types);
/// Every story that lacks one thing of this one.
std::vector<Story> simpler(const Story& story);

/// A changeset that travelled: encoded, decoded, its body decoded.
struct Travelled {
    explicit Travelled(const crdt::Changeset& sent);

    crdt::Changeset changeset;
    decltype(crdt::decode_body(std::declval<const crdt::Changeset&>())) body;
    Members causes = 0;  ///< everything that its writer had seen when it was cut
    bool same = false;   ///< what arrived is what was sent, and encodes as it did
};

/// True when the body can be read and encodes to the same bytes again. The only place that names what a body is made
/// of.
bool encodes_again(const crdt::Changeset& changeset);

class History {
  public:
    explicit History(const Story& story);

    const std::deque<Travelled>& changesets() const { return changesets_; }
    Members everything() const { return Members((std::uint64_t{1} << changesets_.size()) - 1); }
    /// The members that exist, and all their causes.
    Members closed(Members members) const;

    /// A replica that got the (closed) members in some order that causality allows; it has no life of its own.
    std::unique_ptr<crdt::Replica> built(Members members, std::uint64_t order) const;
    /// Delivers the members that are not there yet, in some such order.
    void deliver(crdt::Replica& replica, Members there, Members members, std::uint64_t order) const;

  private:
    struct Writer;
    void cut(Writer& writer);

    std::deque<Travelled> changesets_;  ///< at most one a write
};

/// Joins what `from` answers, as pinned at this moment, into a replica. `knowing`: the answerer is told what lives
/// there.
crdt::Difference difference_for(const crdt::Replica& into, const crdt::Replica& from, bool knowing = false);
crdt::Changes join(crdt::Replica& into, const crdt::Replica& from, bool knowing = false);

}  // namespace starling::proof
