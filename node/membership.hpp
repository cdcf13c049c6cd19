// Which mesh a node is in and what makes it a member: founded, joined with a code, or as its directory says.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <starling/membership.hpp>

#include "node/directory.hpp"

namespace starling::detail {

struct Settled {
    net::Membership membership;
    Standing standing;
    std::optional<net::Issuer> issuer;   ///< what this node invites with, where it may
    std::vector<std::string> addresses;  ///< in the code
    std::uint64_t issuer_end_s = 0;      ///< what it grants ends no later; 0: never
};

/// The mesh from now on: that of the join code where there is one, else the directory's, else a new one. A code of the
/// mesh that the directory is in renews its certificate, unless that one's role is higher, or the same for longer, or
/// it is of that code. Throws Errc::mesh_differs, join_code_malformed, join_code_expired, key_malformed, and what
/// Directory throws.
Settled settle_membership(const Directory* dir, const net::Identity& identity, const std::string& code);

/// Throws Errc::join_code_malformed.
net::JoinCode join_code_of(const std::string& text);

/// Throws Errc::join_code_expired where its invitation is over.
void require_current(const net::JoinCode& code);
/// Has its certificate ended?
bool is_over(const Standing& standing);

constexpr std::chrono::hours valid_for_max{100 * 365 * 24};
/// A new join code, with the newest of the mesh's secrets. Throws Errc::not_admin, invalid_argument.
std::string invite(const Settled& settled, const net::MeshSecret& mesh, const Invitation& invitation,
                   std::vector<std::string> addresses);

}  // namespace starling::detail
