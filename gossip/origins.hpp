// Replicas are 40 bytes, and a node keeps several things of each on every link. So an engine numbers the replicas it
// meets, and all its tables are vectors over these numbers. They are this process's alone: nothing on a wire, in a hash
// or in a comparison depends on them. Replicas of one node share a tree (gossip/trees.hpp), so nodes have numbers too.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "crdt/assert.hpp"
#include "crdt/ids.hpp"
#include "crdt/state.hpp"

namespace starling::gossip {

using OriginId = std::uint32_t;
using TreeId = std::uint32_t;

/// Invariant: numbers are 0, 1, 2, … in the order of first mention, and never change. Thread rule: one thread at a
/// time. `intern` and `find` are O(log n).
class Origins {
  public:
    OriginId intern(const crdt::ReplicaId& id) {
        const auto [at, is_new] = ids_.try_emplace(id, OriginId(names_.size()));
        if (is_new) names_.push_back({id, nodes_.try_emplace(id.node, TreeId(nodes_.size())).first->second});
        return at->second;
    }
    std::optional<OriginId> find(const crdt::ReplicaId& id) const {
        const auto at = ids_.find(id);
        return at == ids_.end() ? std::nullopt : std::optional(at->second);
    }
    const crdt::ReplicaId& name(OriginId origin) const { return names_[origin].id; }
    TreeId tree(OriginId origin) const { return names_[origin].tree; }
    std::optional<TreeId> tree_of(const crdt::NodeKey& node) const {
        const auto at = nodes_.find(node);
        return at == nodes_.end() ? std::nullopt : std::optional(at->second);
    }
    std::size_t size() const { return names_.size(); }
    std::size_t trees() const { return nodes_.size(); }

  private:
    struct Name {
        crdt::ReplicaId id;
        TreeId tree;
    };
    std::map<crdt::ReplicaId, OriginId> ids_;
    std::map<crdt::NodeKey, TreeId> nodes_;
    std::vector<Name> names_;
};

/// Seqs by origin, 0 where nothing is known. Every operation is O(1), apart from growing.
class Seqs {
  public:
    crdt::Seq at(OriginId origin) const { return origin < seqs_.size() ? seqs_[origin] : 0; }
    void set(OriginId origin, crdt::Seq seq) {
        if (origin >= seqs_.size()) seqs_.resize(origin + 1, 0);
        seqs_[origin] = seq;
    }
    std::size_t size() const { return seqs_.size(); }
    void clear() { seqs_.clear(); }

  private:
    std::vector<crdt::Seq> seqs_;
};

/// A version together with its hash, kept as it is raised.
class KnownVersion {
  public:
    crdt::Seq seen(OriginId origin) const { return seqs_.at(origin); }
    const crdt::Fingerprint& hash() const { return hash_; }
    const Seqs& seqs() const { return seqs_; }

    /// O(1).
    void raise(OriginId origin, const crdt::ReplicaId& id, crdt::Seq seq) {
        const auto seen = seqs_.at(origin);
        if (seq <= seen) return;
        hash_ -= crdt::version_line_hash(id, seen);
        hash_ += crdt::version_line_hash(id, seq);
        seqs_.set(origin, seq);
    }

  private:
    Seqs seqs_;
    crdt::Fingerprint hash_;
};

/// In which order the seqs of origins rose last: what a link was not told yet is what rose since it was told. So a link
/// keeps one number, and no list of its own. Invariant: each origin has at most one place. Every rise is O(log n).
class Rises {
  public:
    void rose(OriginId origin) {
        if (origin >= places_.size()) places_.resize(origin + 1, 0);
        if (places_[origin] != 0) order_.erase(places_[origin]);
        places_[origin] = ++last_;
        order_.emplace(last_, origin);
    }
    /// Of the last rise; 0 before the first.
    std::uint64_t last() const { return last_; }
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
            STARLING_ASSERT(places_[origin] == place && place <= last_, "an origin knows its place");
    }

  private:
    std::vector<std::uint64_t> places_;
    std::map<std::uint64_t, OriginId> order_;
    std::uint64_t last_ = 0;
};

}  // namespace starling::gossip
