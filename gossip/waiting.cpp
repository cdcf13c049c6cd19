#include "gossip/waiting.hpp"

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"

namespace starling::gossip {

using crdt::Dot;
using crdt::ReplicaId;
using crdt::Seq;

namespace {

std::size_t size_of(const WaitingChangeset& waiting) {
    const auto& changeset = *waiting.changeset;
    constexpr std::size_t item_bytes = 512;  // the structs and the three indexes, roughly
    const auto puts = waiting.body ? waiting.body->puts.size() : 0;
    return item_bytes + puts * sizeof(crdt::Put) + 4 * changeset.body.size() + changeset.deps.size() * sizeof(Dot) +
           changeset.refs.size() * sizeof(ReplicaId);
}

}  // namespace

WaitingChangeset Waiting::take(std::map<Name, Item>::iterator at) {
    const auto under = missing_.find(at->second.missing);
    under->second.erase(at->first);
    if (under->second.empty()) missing_.erase(under);
    by_distance_.erase({at->second.distance, at->first});
    bytes_ -= at->second.bytes;
    auto taken = std::move(at->second.waiting);
    items_.erase(at);
    return taken;
}

void Waiting::add(WaitingChangeset waiting, const Dot& missing, Seq seen, std::size_t bytes_max) {
    STARLING_ASSERT(missing.seq > seen, "what waits misses something");
    const Name name{waiting.changeset->origin, waiting.changeset->first};
    const auto bytes = size_of(waiting);
    const auto [at, is_new] = items_.try_emplace(name, Item{std::move(waiting), missing, missing.seq - seen, bytes});
    if (!is_new) return;
    missing_[missing].insert(name);
    by_distance_.emplace(at->second.distance, name);
    bytes_ += bytes;
    const bool nearest = mutant(crdt::Mutant::evicts_nearest);
    for (; bytes_ > bytes_max; ++evicted_)
        take(items_.find((nearest ? by_distance_.begin() : std::prev(by_distance_.end()))->second));
}

std::vector<WaitingChangeset> Waiting::covered(const ReplicaId& replica, Seq seen) {
    std::vector<WaitingChangeset> taken;
    while (true) {
        const auto at = missing_.lower_bound({replica, 0});
        if (at == missing_.end() || at->first.replica != replica || at->first.seq > seen) return taken;
        taken.push_back(take(items_.find(*at->second.begin())));
    }
}

Seq Waiting::continues(const ReplicaId& origin, Seq seen) const {
    for (auto at = items_.find({origin, seen + 1}); at != items_.end(); at = items_.find({origin, seen + 1}))
        seen = at->second.waiting.changeset->last();
    return seen;
}

void Waiting::check() const {
    std::size_t bytes = 0, indexed = 0;
    for (const auto& [name, item] : items_) {
        bytes += item.bytes;
        const auto under = missing_.find(item.missing);
        STARLING_ASSERT(under != missing_.end() && under->second.contains(name), "a waiting changeset can be found");
        STARLING_ASSERT(by_distance_.contains({item.distance, name}), "a waiting changeset can be evicted");
    }
    for (const auto& [dot, names] : missing_) indexed += names.size();
    STARLING_ASSERT(bytes == bytes_ && indexed == items_.size() && by_distance_.size() == items_.size(),
                    "the indexes hold what waits and nothing else");
}

}  // namespace starling::gossip
