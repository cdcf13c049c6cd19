// What the nodes of a mesh share: the key that its founder vouches with, and one secret. Whoever lacks the secret can
// tell neither that two beacons belong to one mesh nor who sent them, and gets no further than the first frame at the
// door; what makes a node a member is its certificate chain (certificate.hpp). Everything used on the wire is derived
// from the secret under a label of its own, so that no key serves two purposes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/certificate.hpp"
#include "net/identity.hpp"
#include "net/secret.hpp"

namespace starling::net {

/// Immutable, readable from any thread, wiped on destruction.
class MeshSecret {
  public:
    /// Of the mesh that `admin` founds: always the same, so that the admin key alone brings a mesh back.
    static MeshSecret founded_by(const Identity& admin);
    /// Reads what save() wrote. Faults as Identity::load.
    static Result<MeshSecret> load(const std::filesystem::path& path, const KeySeal* seal = nullptr);
    /// Mode 0600, whole or not at all, never over an existing file.
    Result<Done> save(const std::filesystem::path& path, const KeySeal* seal = nullptr) const;
    static Result<Done> seal_file(const std::filesystem::path& path, const KeySeal& seal);

    const MeshId& mesh_id() const { return trust_.mesh; }
    const Trust& trust() const { return trust_; }
    const Secret<32>& beacon_key() const { return beacon_key_; }
    const Secret<32>& door_key() const { return door_key_; }

    bool operator==(const MeshSecret& other) const {
        return root_ == other.root_ && trust_.admin == other.trust_.admin;
    }

  private:
    friend struct JoinCode;
    MeshSecret(const Secret<32>& root, const NodeKey& admin);

    Secret<32> root_;
    Secret<32> beacon_key_;
    Secret<32> door_key_;
    Trust trust_;
};

/// What makes a node a member.
struct Membership {
    MeshSecret mesh;
    Chain chain;
};

constexpr std::size_t join_addresses_max = 8;
constexpr std::size_t join_address_bytes_max = 255;
constexpr std::size_t join_code_bytes_max = 4096;

/// An invitation as it is handed over. Whoever has it can join, so it is shown to nobody else.
struct JoinCode {
    MeshSecret mesh;
    Issuer invitation;                   ///< its key, and the chain that vouches for it
    std::vector<std::string> addresses;  ///< where to look when no beacon is heard

    /// One line: "starling2-…", base64url, with a checksum. Addresses over join_addresses_max, or that are none, are
    /// left out.
    std::string text() const;
    /// What a node of this key is a member by.
    Membership admit(const NodeKey& node) const;

  private:
    friend Result<JoinCode> parse_join_code(std::string_view text);
    static Result<JoinCode> checked_code(BytesView payload);
    static Result<JoinCode> read(BytesView body);
};

/// Reads a join code, and checks that its invitation is one; not whether it is over. White space around it is ignored.
/// The fault says, in a sentence for people, what is wrong.
Result<JoinCode> parse_join_code(std::string_view text);

}  // namespace starling::net
