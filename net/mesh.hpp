// What a node belongs to a mesh by, and the text by which another comes to belong to it: the mesh's secret, the key
// that its founder vouches with, and a certificate chain.
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
#include "net/mesh_secret.hpp"

namespace starling::net {

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
    MeshSecret mesh;                     ///< the newest secret alone
    Issuer invitation;                   ///< its key, and the chain that vouches for it
    std::vector<std::string> addresses;  ///< where to look when no beacon is heard

    /// One line: "starling3-…", base64url, with a checksum. Addresses over join_addresses_max, or that are none, are
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
