// What the nodes of a mesh share: one secret. Whoever knows it may pass the door and read beacons; whoever does not can
// tell neither that two beacons belong to one mesh nor who sent them. Everything used on the wire is derived from it
// under a label of its own, so that no key serves two purposes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/identity.hpp"
#include "net/secret.hpp"

namespace starling::net {

/// Names a mesh in public: derived from the secret, tells nothing about it.
using MeshId = std::array<std::uint8_t, 16>;

struct JoinCode;

/// The shared secret and the keys derived from it. Immutable, readable from any thread, wiped on destruction.
class MeshSecret {
  public:
    static MeshSecret generate();
    /// Reads what save() wrote. Faults as Identity::load.
    static Result<MeshSecret> load(const std::filesystem::path& path);
    /// Mode 0600, whole or not at all, never over an existing file.
    Result<Done> save(const std::filesystem::path& path) const;

    const MeshId& mesh_id() const { return mesh_id_; }
    const Secret<32>& beacon_key() const { return beacon_key_; }
    const Secret<32>& door_key() const { return door_key_; }

    /// One line that lets another node in: "starling1-…", base64url, with a checksum. `addresses` ("host:port", at most
    /// join_addresses_max of at most join_address_bytes_max) are where to look when no beacon is heard; what is over
    /// the limits is left out. The code *is* the secret: show it to whom may join.
    std::string join_code(std::span<const std::string> addresses = {}) const;

    bool operator==(const MeshSecret& other) const { return root_ == other.root_; }

  private:
    friend Result<JoinCode> parse_join_code(std::string_view text);
    explicit MeshSecret(const Secret<32>& root);

    Secret<32> root_;
    Secret<32> beacon_key_;
    Secret<32> door_key_;
    MeshId mesh_id_{};
};

constexpr std::size_t join_addresses_max = 8;
constexpr std::size_t join_address_bytes_max = 255;
constexpr std::size_t join_code_bytes_max = 4096;

struct JoinCode {
    MeshSecret mesh;
    std::vector<std::string> addresses;
};

/// Reads a join code; white space around it is ignored. The fault says, in a sentence for people, what is wrong with
/// it.
Result<JoinCode> parse_join_code(std::string_view text);

}  // namespace starling::net
