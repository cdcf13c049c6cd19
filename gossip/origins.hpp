// Replicas are 40 bytes, and a node keeps several things of each on every link. So an engine numbers those that it has
// to do with, and all its tables are vectors over these numbers. They are this process's alone: nothing on a wire, in a
// hash or in a comparison depends on them. Replicas of one node share a tree (gossip/trees.hpp), so nodes have numbers
// too: those of which something rose here, came or went. Who is merely named by a peer gets none, since these are never
// given back.
//
// A mesh has many more lives than writers: each restart that writes leaves one. A life gets a number only when
// something is said of it or when it rises; all others are quiet, and nothing at all is kept of them. What a link is
// known to hold, was told or said of quiet lives needs no place: whatever counts as based on this node's version is,
// for a quiet life, what this node has seen of it, and for a life with a number what this node had seen when it got
// the number, unless it was said otherwise since (`Seqs`). That stays true because no quiet life rises.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "crdt/assert.hpp"
#include "crdt/found_last.hpp"
#include "crdt/ids.hpp"
#include "crdt/state.hpp"

namespace starling::gossip {

using OriginId = std::uint32_t;
using TreeId = std::uint32_t;

/// Invariants: numbers are 0, 1, 2, … in the order of first mention, until all are given back; the quiet lives have the
/// seqs that they had then, and `quiet_hash` and `quiet_events` are theirs. Numbers of nodes never change. Thread rule:
/// one thread at a time. `intern` and `find` are O(log n) in the lives that have numbers.
class Origins {
  public:
    /// Gives a life its number, before it rises; `seen` is what this node has seen of it.
    OriginId intern(const crdt::ReplicaId& id, crdt::Seq seen) {
        if (const auto* found = found_.find(id)) return found->second;
        const auto [at, is_new] = ids_.try_emplace(id, OriginId(names_.size()));
        found_.keep(*at, ids_.size());
        if (!is_new) return at->second;
        names_.push_back({id, seen, no_tree});
        quiet_hash_ -= crdt::version_line_hash(id, seen);
        quiet_events_ -= seen;
        return at->second;
    }
    TreeId intern_node(const crdt::NodeKey& node) {
        return nodes_.try_emplace(node, TreeId(nodes_.size())).first->second;
    }
    /// The number of the life's node. O(1) but for the first time.
    TreeId tree(OriginId origin) {
        auto& name = names_[origin];
        if (name.tree == no_tree) name.tree = intern_node(name.id.node);
        return name.tree;
    }
    /// Lives that are not numbered came to be at, or rose to, other seqs all at once: nothing is based on them then.
    void rose_quietly(const crdt::ReplicaId& id, crdt::Seq before, crdt::Seq seen) {
        if (seen > 0) intern_node(id.node);
        quiet_hash_ -= crdt::version_line_hash(id, before);
        quiet_hash_ += crdt::version_line_hash(id, seen);
        quiet_events_ += seen - before;
    }
    /// All numbers are given back; `seen(id)` is what this node has seen. O(numbers).
    template <class Seen>
    void give_back(Seen seen) {
        for (const auto& name : names_) rose_quietly(name.id, 0, seen(name.id));
        found_.clear();
        ids_.clear();
        names_ = {};
    }

    std::optional<OriginId> find(const crdt::ReplicaId& id) const {
        if (const auto* found = found_.find(id)) return found->second;
        const auto at = ids_.find(id);
        return at == ids_.end() ? std::nullopt : std::optional(at->second);
    }
    const crdt::ReplicaId& name(OriginId origin) const { return names_[origin].id; }
    /// What this node had seen of the life when it got its number.
    crdt::Seq base(OriginId origin) const { return names_[origin].base; }
    std::optional<TreeId> tree_of(const crdt::NodeKey& node) const {
        const auto at = nodes_.find(node);
        return at == nodes_.end() ? std::nullopt : std::optional(at->second);
    }
    /// Calls `visit(id, number)` for the lives of a node that have numbers, in order.
    template <class Visit>
    void each_of(const crdt::NodeKey& node, Visit visit) const {
        for (auto at = ids_.lower_bound({node, 0}); at != ids_.end() && at->first.node == node; ++at)
            visit(at->first, at->second);
    }
    /// Of those that have numbers.
    std::size_t size() const { return names_.size(); }
    std::size_t trees() const { return nodes_.size(); }

    /// The part of the version hash, and of the count of all events, that is of quiet lives.
    const crdt::Fingerprint& quiet_hash() const { return quiet_hash_; }
    std::uint64_t quiet_events() const { return quiet_events_; }

  private:
    struct Name {
        crdt::ReplicaId id;
        crdt::Seq base;
        TreeId tree;  ///< where it was asked for
    };
    static constexpr TreeId no_tree = UINT32_MAX;
    using Ids = std::map<crdt::ReplicaId, OriginId>;
    Ids ids_;
    crdt::FoundLast<Ids::value_type, crdt::KeyOf> found_;
    std::map<crdt::NodeKey, TreeId> nodes_;
    std::vector<Name> names_;
    crdt::Fingerprint quiet_hash_;
    std::uint64_t quiet_events_ = 0;
};

/// A version as far as it is known, by numbers. What was not said of an origin is 0; or where the version is based on
/// this node's, what this node had seen of it when it got its number. Every operation is O(1), apart from growing.
class Seqs {
  public:
    explicit Seqs(bool based = false) : based_(based) {}

    crdt::Seq at(const Origins& origins, OriginId origin) const {
        if (origin < seqs_.size() && seqs_[origin] != unsaid) return seqs_[origin];
        return based_ ? origins.base(origin) : 0;
    }
    void set(OriginId origin, crdt::Seq seq) {
        if (origin >= seqs_.size()) seqs_.resize(origin + 1, unsaid);
        seqs_[origin] = seq;
    }
    /// Of quiet lives it says what this node has.
    bool based() const { return based_; }
    std::size_t size() const { return seqs_.size(); }

  private:
    static constexpr crdt::Seq unsaid = UINT64_MAX;
    std::vector<crdt::Seq> seqs_;
    bool based_;
};

/// A version together with its hash, kept as it is raised.
class KnownVersion {
  public:
    KnownVersion() = default;
    /// O(numbers).
    KnownVersion(const Origins& origins, Seqs seqs) : seqs_(std::move(seqs)), hash_(sum(origins)) {}

    crdt::Seq seen(const Origins& origins, OriginId origin) const { return seqs_.at(origins, origin); }
    const crdt::Fingerprint& hash() const { return hash_; }
    const Seqs& seqs() const { return seqs_; }
    bool based() const { return seqs_.based(); }

    /// O(1).
    void raise(const Origins& origins, OriginId origin, crdt::Seq seq) {
        const auto seen = seqs_.at(origins, origin);
        if (seq <= seen) return;
        hash_ -= crdt::version_line_hash(origins.name(origin), seen);
        hash_ += crdt::version_line_hash(origins.name(origin), seq);
        seqs_.set(origin, seq);
    }
    /// O(numbers).
    void check(const Origins& origins) const {
        STARLING_ASSERT(sum(origins) == hash_, "a known version knows its hash");
    }

  private:
    crdt::Fingerprint sum(const Origins& origins) const {
        auto hash = seqs_.based() ? origins.quiet_hash() : crdt::Fingerprint{};
        for (OriginId origin = 0; origin < origins.size(); ++origin)
            hash += crdt::version_line_hash(origins.name(origin), seqs_.at(origins, origin));
        return hash;
    }
    Seqs seqs_;
    crdt::Fingerprint hash_;
};

/// In which order the seqs of origins rose last: what a link was not told yet is what rose since it was told. So a link
/// keeps one number, and no list of its own. Invariant: each origin has at most one place. Every rise is O(log n).
class Rises {
  public:
    /// As many as `places` lie before the first rise.
    explicit Rises(std::uint64_t places = 0) : last_(places), first_(places) {}

    void rose(OriginId origin) {
        if (origin >= places_.size()) places_.resize(origin + 1, 0);
        if (places_[origin] != 0) order_.erase(places_[origin]);
        places_[origin] = ++last_;
        order_.emplace(last_, origin);
    }
    /// From here on: what rose before has no place any more.
    void begin_anew() { *this = Rises(last_ + 1); }
    /// Of the last rise; 0 before the first.
    std::uint64_t last() const { return last_; }
    /// Is what rose after this place still known?
    bool serves(std::uint64_t place) const { return place > 0 && place >= first_ && place <= last_; }
    /// The origins that rose after a place, those that rose longest ago first.
    std::vector<OriginId> since(std::uint64_t place) const {
        std::vector<OriginId> origins;
        for (auto at = order_.upper_bound(place); at != order_.end(); ++at) origins.push_back(at->second);
        return origins;
    }
    void check() const {
        std::size_t placed = 0;
        for (const auto place : places_) placed += place != 0 ? 1 : 0;
        STARLING_ASSERT(placed == order_.size(), "an origin that rose has one place");
        for (const auto& [place, origin] : order_)
            STARLING_ASSERT(places_[origin] == place && place > first_ && place <= last_, "an origin knows its place");
    }

  private:
    std::vector<std::uint64_t> places_;
    std::map<std::uint64_t, OriginId> order_;
    std::uint64_t last_;
    std::uint64_t first_;
};

}  // namespace starling::gossip
