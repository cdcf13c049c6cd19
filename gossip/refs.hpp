// Replicas are 40 bytes; on a link each side numbers the ones it mentions and defines a number in the frame that first
// uses it. The numbers are this link's alone and enter no comparison or hash. A receiver that misses a definition (a
// frame was lost) asks, and the sender defines all of its numbers anew.
#pragma once

#include <map>
#include <vector>

#include "crdt/codec.hpp"
#include "crdt/found_last.hpp"
#include "crdt/mutant.hpp"
#include "crdt/result.hpp"
#include "gossip/bodies.hpp"

namespace starling::gossip {

/// How many replicas one link may define.
inline constexpr std::uint64_t link_refs_max = 1 << 20;

/// The sending side of one link. Invariant: numbers are 0, 1, 2, … in the order of first mention.
class RefSender {
  public:
    struct Numbered {
        std::uint64_t number;
        bool defined;
    };

    /// The number of a replica; a new one joins the definitions of the frame being written. O(log n).
    std::uint64_t number(const crdt::ReplicaId& id) {
        auto& numbered = of(id);
        if (!numbered.defined) {
            numbered.defined = true;
            pending_.emplace_back(numbered.number, id);
        }
        return numbered.number;
    }
    /// So many are given. A frame gives fewer than 2^16 new ones.
    std::size_t size() const { return numbers_.size(); }
    /// Has the peer been told what number means this replica?
    bool defined(const crdt::ReplicaId& id) const {
        if (const auto* found = found_.find(id)) return found->second.defined;
        const auto at = numbers_.find(id);
        return at != numbers_.end() && at->second.defined;
    }
    /// The definitions that the frame must carry.
    std::vector<std::pair<std::uint64_t, crdt::ReplicaId>> take_definitions() { return std::exchange(pending_, {}); }
    /// The peer lost frames: each number is defined again when next used, each next body is sent whole.
    void begin_anew() {
        for (auto& [id, numbered] : numbers_) numbered.defined = mutant(crdt::Mutant::definitions_are_kept);
        bodies.forget();
    }

    KeptBodies bodies;  ///< that were sent

  private:
    using Numbers = std::map<crdt::ReplicaId, Numbered>;

    Numbered& of(const crdt::ReplicaId& id) {
        if (auto* found = found_.find(id)) return found->second;
        auto& entry = *numbers_.try_emplace(id, Numbered{numbers_.size(), false}).first;
        found_.keep(entry, numbers_.size());
        return entry.second;
    }

    Numbers numbers_;
    crdt::FoundLast<Numbers::value_type, crdt::KeyOf> found_;
    std::vector<std::pair<std::uint64_t, crdt::ReplicaId>> pending_;
};

/// The receiving side of one link.
class RefReceiver {
  public:
    /// False when the number is out of range or already means another replica.
    bool define(std::uint64_t number, const crdt::ReplicaId& id) {
        if (number >= link_refs_max) return false;
        return ids_.try_emplace(number, id).first->second == id;
    }
    /// Nothing where the number has no definition yet.
    const crdt::ReplicaId* find(std::uint64_t number) const {
        const auto at = ids_.find(number);
        return at == ids_.end() ? nullptr : &at->second;
    }

    KeptBodies bodies;  ///< that were received

  private:
    std::map<std::uint64_t, crdt::ReplicaId> ids_;
};

}  // namespace starling::gossip
