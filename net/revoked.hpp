// What the membership records say of keys that count for nothing any more, as the network needs it.
#pragma once

#include <algorithm>
#include <set>

#include "net/certificate.hpp"

namespace starling::net {

struct Revoked {
    /// Of nodes and invitations: a chain with one of them holds no more. Such a node is not dialled, nor heard of; who
    /// joined by such an invitation is, since it may have joined with another.
    std::set<NodeKey> keys;
    bool operator==(const Revoked&) const = default;

    bool fails(const Chain& chain) const {
        return std::ranges::any_of(chain, [&](const auto& link) { return keys.contains(link.subject); });
    }
};

}  // namespace starling::net
