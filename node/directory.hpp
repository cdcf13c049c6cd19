// What a node keeps on disk: its key and certificates, the mesh's secret, addresses worth trying, and a lock so that no
// two nodes use one directory at once.
//
//     lock       held with flock() while the node is open
//     node.key   0600
//     node.cert  0600, the certificate chain
//     mesh.key   0600
//     seal       how the keys are sealed, where they are; without it they are lost (net/key_seal.hpp)
//     admin.key  0600, where the mesh was founded: keep a copy elsewhere, and none where it is not needed
//     peers      one "host:port" a line
//     voter.new  empty: the mesh was founded here and has no voters yet
//     store.db   the data (store/), with files of SQLite beside it
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <starling/options.hpp>

#include "net/identity.hpp"
#include "net/key_seal.hpp"
#include "net/mesh.hpp"

namespace starling::detail {

constexpr std::size_t peers_file_lines_max = 256;

/// Makes the directory (0700) and takes its lock until destroyed. Everything throws starling::Error. Thread rule: one
/// thread at a time.
class Directory {
  public:
    /// Throws Errc::dir_in_use, dir_unusable.
    explicit Directory(std::filesystem::path path);
    ~Directory();
    Directory(Directory&& other) noexcept;
    Directory& operator=(Directory&&) = delete;

    const std::filesystem::path& path() const { return path_; }
    /// Before the keys are asked for; seals those that lie in clear, where there is something to seal with. Throws
    /// Errc::key_sealed, invalid_argument, key_malformed, key_exposed, dir_unusable.
    void unlock(const Unlock& unlock);
    /// The node's key; made on the first call. Throws Errc::key_malformed, key_exposed, dir_unusable.
    net::Identity identity() const;
    /// The mesh's secret; nothing where the directory belongs to no mesh. Throws as above.
    std::optional<net::MeshSecret> mesh() const;
    /// In place of the one before, whole or not at all.
    void set_mesh(const net::MeshSecret& mesh) const;
    /// Throws as above.
    net::Chain chain() const;
    /// In place of the one before.
    void set_chain(const net::Chain& chain) const;
    /// The mesh's admin key, where the directory has it; throws as above.
    std::optional<net::Identity> admin() const;
    net::Identity admin_made() const;

    /// The mesh was founded here and no voter was named yet: the next open names this node, and says so.
    bool names_first_voter() const;
    void name_first_voter() const;
    void first_voter_named() const;

    /// Addresses to try; lines that are none are passed over.
    std::vector<std::string> peers() const;
    /// Adds addresses that are not there yet, as long as there is room.
    void add_peers(const std::vector<std::string>& addresses) const;

  private:
    const net::KeySeal* seal() const { return seal_ ? &*seal_ : nullptr; }

    std::filesystem::path path_;
    std::optional<net::KeySeal> seal_;
    int lock_ = -1;
};

}  // namespace starling::detail
