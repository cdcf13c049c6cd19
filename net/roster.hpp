// What the membership records of a mesh say together: who is a member and by which chain, and which keys were revoked.
#pragma once

#include <map>
#include <vector>

#include "net/mesh_record.hpp"
#include "net/roll.hpp"

namespace starling::net {

/// A set of records, all of which hold: in whatever order they came, it says the same. A revocation counts if its
/// issuer's chain holds by itself, whether or not that issuer was revoked too: otherwise two admins who revoke each
/// other would leave each node with an order of its own. Not thread-safe.
class Roster {
  public:
    struct Member {
        Chain chain;
        Standing standing;
        bool revoked = false;
        NodeKey invited_by{};  ///< the admin node, or the mesh's admin key
    };

    explicit Roster(const Trust& trust) : trust_(trust) {}

    /// Of what `checked_record` returned for this mesh. False where it says nothing new.
    bool add(MeshRecord record);
    bool holds(const Chain& chain) const;

    /// Was the last subject revoked, or anyone who vouched for it? O(chain · log revoked).
    bool revokes(const Chain& chain) const;
    const std::map<NodeKey, Revocation>& revoked() const { return revoked_; }
    /// The mesh's secrets that were told of, and for whom: several records may tell of one.
    struct SecretKey {
        std::uint32_t epoch = 0;
        Digest256 digest{};
        auto operator<=>(const SecretKey&) const = default;
    };
    const std::map<SecretKey, std::vector<SecretRecord>>& secrets() const { return secrets_; }
    /// As the network needs it.
    Roll roll() const;
    /// Each node once, by the best of its chains: one that is not revoked, else of the higher role, else that lasts
    /// longer. O(all).
    std::map<NodeKey, Member> members() const;
    std::size_t size() const { return chains_.size(); }

  private:
    Trust trust_;
    std::map<NodeKey, std::vector<Chain>> chains_;
    std::map<SecretKey, std::vector<SecretRecord>> secrets_;
    std::map<NodeKey, Revocation> revoked_;  ///< by subject; of several the one with the least bytes
};

}  // namespace starling::net
