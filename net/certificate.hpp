// Who belongs to a mesh. The founder's admin key vouches for invitations and nodes, a node that is an admin for further
// invitations, an invitation for the nodes that join with it. A node shows the chain from the admin key to its own, and
// any member checks it alone and offline, with nothing but the admin key in hand.
//
//     admin key → invitation → node          as a rule
//     admin key → node (admin) → invitation → node
//
// Nobody passes on more than it has: neither a higher role nor a later end.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "net/identity.hpp"
#include "net/signing.hpp"

namespace starling::net {

/// Names a mesh in public: derived from its admin key.
using MeshId = std::array<std::uint8_t, 16>;

/// Each may do what those before it may. The numbers are wire format.
enum class Role : std::uint8_t {
    reader = 1,  ///< receives everything, writes nothing
    writer = 2,  ///< writes
    keeper = 3,  ///< may serve whole states to those who were away for long
    admin = 4,   ///< invites
};

/// What a key is that a certificate speaks of.
enum class Subject : std::uint8_t { node = 1, invitation = 2 };

/// What a certificate grants.
struct Terms {
    Role role = Role::keeper;
    std::uint16_t uses = 0;       ///< of an invitation: how many nodes should join with it; 0: any number. Best effort.
    std::uint32_t epoch = 0;      ///< 0 alone holds so far
    std::uint64_t expires_s = 0;  ///< since 1970, of the invitation and of whoever joined with it; 0: never
    bool operator==(const Terms&) const = default;
};

/// One link of a chain. Who signed it follows from its place.
struct Certificate {
    Subject what = Subject::node;
    Terms terms;
    NodeKey subject{};
    Signature signature{};
    bool operator==(const Certificate&) const = default;
};
constexpr std::size_t certificate_bytes = 1 + 2 + 4 + 8 + 32 + 64;

/// From the admin key on; each is signed by the subject of the one before.
using Chain = std::vector<Certificate>;
constexpr std::size_t certificates_max = 6;  // two generations of admins, and whom they invite
constexpr std::size_t chain_bytes_max = 1 + certificates_max * certificate_bytes;

/// The trust root of a mesh.
struct Trust {
    MeshId mesh{};
    NodeKey admin{};
};

/// The mesh id of an admin key.
MeshId mesh_id_of(const NodeKey& admin);

/// Whoever may sign: a key, and the chain that makes it something; empty for the admin key itself.
struct Issuer {
    Identity key;
    Chain chain;
};

/// The issuer's chain with one more link. Whether the issuer may grant that shows in `standing_of`. About 30 µs.
Chain issued(const Issuer& issuer, const MeshId& mesh, Subject what, const NodeKey& subject, const Terms& terms);

/// What a chain makes of its last subject.
struct Standing {
    Subject what = Subject::node;
    Terms terms;                        ///< those of the last certificate, which are within all before
    std::optional<NodeKey> invitation;  ///< that it joined with
    std::uint16_t invitation_uses = 0;
    bool operator==(const Standing&) const = default;
};
/// Are they over? By a clock of the caller's.
bool expired(const Terms& terms, std::uint64_t now_s);

/// Checks a chain, but for its end in time. Faults: refused, with what is wrong in words. A pure function. Some 60 µs a
/// certificate, and none are checked where the form alone shows that it cannot hold.
Result<Standing> standing_of(const Trust& trust, const Chain& chain, const NodeKey& subject);

/// One form of each chain. Faults of reading: malformed, too_large.
Bytes encode_chain(const Chain& chain);
Result<Chain> decode_chain(BytesView bytes);
/// How many bytes a chain takes that begins with these; nothing where none does.
std::optional<std::size_t> chain_size(BytesView bytes);

}  // namespace starling::net
