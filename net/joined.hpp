// Which nodes were linked here by an invitation that has a number of uses, since the transport was opened.
#pragma once

#include <map>
#include <set>

#include "net/certificate.hpp"

namespace starling::net {

// Beyond, no other comes in by such an invitation.
constexpr std::size_t joined_remembered_max = 4096;

/// Best effort: what each node has seen for itself. Invariant: at most joined_remembered_max nodes are remembered.
class Joined {
  public:
    /// Is there no use left for it, as far as this node has seen?
    bool used_up(const NodeKey& node, const Standing& standing) const;
    void remember(const NodeKey& node, const Standing& standing);
    void check() const;

  private:
    std::map<NodeKey, std::set<NodeKey>> by_invitation_;
    std::size_t count_ = 0;
};

}  // namespace starling::net
