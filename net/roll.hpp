// What the membership records say of keys, as the network needs it.
#pragma once

#include <algorithm>
#include <set>

#include "net/certificate.hpp"

namespace starling::net {

struct Roll {
    /// Of nodes and invitations: a chain with one of them holds no more. Such a node is not dialled, nor heard of; who
    /// joined by such an invitation is, since it may have joined with another.
    std::set<NodeKey> revoked;
    /// Nodes that are members and not out: those whose beacons under an earlier mesh secret count.
    std::set<NodeKey> members;
    bool operator==(const Roll&) const = default;

    bool fails(const Chain& chain) const {
        return std::ranges::any_of(chain, [&](const auto& link) { return revoked.contains(link.subject); });
    }
};

}  // namespace starling::net
