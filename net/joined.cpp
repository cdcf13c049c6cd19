#include "net/joined.hpp"

#include "crdt/assert.hpp"

namespace starling::net {

bool Joined::used_up(const NodeKey& node, const Standing& standing) const {
    if (standing.invitation_uses == 0) return false;
    const auto at = by_invitation_.find(*standing.invitation);
    if (at != by_invitation_.end() && at->second.contains(node)) return false;
    return count_ == joined_remembered_max ||
           (at != by_invitation_.end() && at->second.size() >= standing.invitation_uses);
}

void Joined::remember(const NodeKey& node, const Standing& standing) {
    if (standing.invitation_uses == 0) return;
    if (by_invitation_[*standing.invitation].insert(node).second) ++count_;
}

void Joined::check() const {
    std::size_t count = 0;
    for (const auto& [invitation, nodes] : by_invitation_) count += nodes.size();
    STARLING_ASSERT(count == count_ && count <= joined_remembered_max, "who joined by what is bounded");
}

}  // namespace starling::net
