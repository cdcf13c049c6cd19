// Who belongs to a mesh, and as what. The node that founds a mesh is its first admin; admins invite, with a join code,
// and whoever joins shows by its certificate what it is, to any member and without a server.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include <starling/types.hpp>

namespace starling {

/// Each may do what those before it may.
enum class Role : std::uint8_t {
    reader = 1,  ///< receives everything; this node's own writes throw Errc::role_forbids
    writer = 2,  ///< writes
    keeper = 3,  ///< may serve whole states to those who were away for long; so far every node does
    admin = 4,   ///< invites
};

/// What an invitation grants.
struct Invitation {
    Role role = Role::keeper;
    /// After this, nobody joins with it, and links of those who did are closed: by the clocks of their peers. 0: as
    /// long as the certificate of the admin who invites; that of who founded the mesh has no end. At most a hundred
    /// years.
    std::chrono::seconds valid_for{0};
    /// How many nodes should join with it; 0: any number. Best effort: each node counts itself and those it was linked
    /// with since it was opened, so that nodes that never met may together let in more.
    std::uint16_t uses = 0;
};

/// What a node is, as its certificate says.
struct Standing {
    Role role = Role::keeper;
    std::int64_t expires_s = 0;  ///< since 1970; 0: never
};

/// Does this node count for nothing in its mesh any more? Then no peer lets it in; what it holds it still reads.
enum class Revoked : std::uint8_t {
    no,
    told,        ///< peers said so at their doors, and no record of it has come here: a hint
    invitation,  ///< the invitation that it joined with, or an admin who vouched for it: it may join with another code
    key,         ///< the node itself: only a new directory, with a key of its own, may join again
};

/// A node that belongs to the mesh, or did: as its certificate says, which is part of the data and so known offline,
/// some time after the node was first opened.
struct Member {
    NodeId id{};
    Standing standing{};
    NodeId invited_by{};                 ///< an admin's node; or the mesh's admin key, which founded it
    std::optional<NodeId> invitation{};  ///< the key of the code that it joined with; nothing for the founder's node
    bool revoked = false;                ///< the node, its invitation, or an admin between it and the admin key
    bool linked = false;                 ///< with this node, now
    bool self = false;                   ///< this node
};

}  // namespace starling
