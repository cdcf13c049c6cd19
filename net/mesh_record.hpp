// What a mesh keeps of its members, as entries of its ordinary data below `$mesh/`: a node's certificate chain,
// that a key was revoked, and newer mesh secrets, sealed for those who are to have them. Each record proves itself, to
// any member and offline: whoever wrote the entry, and whatever else is written there, counts for nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "net/certificate.hpp"
#include "net/mesh_secret.hpp"

namespace starling::net {

/// All records are entries of the map with this key; the field is the record's digest.
inline constexpr char mesh_records_key[] = "$mesh/records";
constexpr std::size_t record_bytes_max = std::size_t{160} << 10;  // an entry's value holds 192 KiB
constexpr std::size_t lives_listed_max = 3000;                    // of a revocation

/// That a node is a member: its chain is all there is to it.
struct MemberRecord {
    Chain chain;
    bool operator==(const MemberRecord&) const = default;
};

/// How far a life of a key has come where the record's issuer saw it. For records that end replicas, which come
/// later.
struct LifeSeen {
    NodeKey node{};
    std::uint64_t life = 0;
    std::uint64_t seq = 0;
    auto operator<=>(const LifeSeen&) const = default;
};

/// That a key counts for nothing any more, and nobody whom it vouched for: a node's or an invitation's.
struct Revocation {
    Subject what = Subject::node;
    NodeKey subject{};
    std::uint64_t at_s = 0;      ///< since 1970, by the issuer's clock; for people
    Chain issuer;                ///< of the admin node that signed; empty for the admin key itself
    std::vector<LifeSeen> seen;  ///< ascending, each life once
    bool operator==(const Revocation&) const = default;
};

/// That the mesh has a newer secret, for the members that it is sealed for.
struct SecretRecord {
    struct Sealed {
        NodeKey node{};
        std::array<std::uint8_t, 80> box{};  ///< libsodium's crypto_box_seal to the node's CURVE key
        auto operator<=>(const Sealed&) const = default;
    };
    std::uint32_t epoch = 0;
    Digest256 digest{};          ///< of the secret (MeshKeys)
    Bytes history;               ///< earlier ones (MeshSecret::history_for)
    Chain issuer;                ///< of the admin node that signed; empty for the admin key itself
    std::vector<Sealed> sealed;  ///< ascending by node, each once
    bool operator==(const SecretRecord&) const = default;
};
constexpr std::size_t sealed_for_max = 1400;  // in one record; for more members there are more records

using MeshRecord = std::variant<MemberRecord, Revocation, SecretRecord>;

/// By its first byte alone.
bool claims_revocation(BytesView bytes);

/// One form of each record.
Bytes encode_record(const MemberRecord& record);
/// Signed by the issuer, whose chain the record gets.
Bytes encode_record(const Issuer& issuer, const MeshId& mesh, Revocation record);

/// Seals the secret for these nodes and signs. Nodes whose key is none are left out.
Bytes encode_record(const Issuer& issuer, const MeshSecret& known, const MeshKeys& secret, std::vector<NodeKey> nodes);
/// The secret in it, where it is sealed for this node, and is what the record says.
std::optional<Secret<32>> open_secret(const SecretRecord& record, const MeshId& mesh, const Identity& node);

/// A record that holds: a member's chain does, or the others were signed by the admin key or by an admin node whose
/// chain does. A pure function of the bytes and of the mesh. Faults: malformed, too_large, refused. Some 60 µs a
/// signature, at most certificates_max + 1 of them, and none where the form alone shows that it cannot hold.
Result<MeshRecord> checked_record(const Trust& trust, BytesView bytes);

}  // namespace starling::net
