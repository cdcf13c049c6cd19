// What a node keeps on disk: its key, the mesh's secret, addresses worth trying, and a lock so that no two nodes use
// one directory at once.
//
//     lock       held with flock() while the node is open
//     node.key   0600
//     mesh.key   0600
//     peers      one "host:port" a line
//     store.db   the data (store/), with files of SQLite beside it
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "net/identity.hpp"
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
    /// The node's key; made on the first call. Throws Errc::key_malformed, key_exposed, dir_unusable.
    net::Identity identity() const;
    /// The mesh's secret; nothing where the directory belongs to no mesh. Throws as above.
    std::optional<net::MeshSecret> mesh() const;
    void set_mesh(const net::MeshSecret& mesh) const;

    /// Addresses to try; lines that are none are passed over.
    std::vector<std::string> peers() const;
    /// Adds addresses that are not there yet, as long as there is room.
    void add_peers(const std::vector<std::string>& addresses) const;

  private:
    std::filesystem::path path_;
    int lock_ = -1;
};

/// The mesh of a directory from now on: that of the join code where there is one, else its own, else a new one. Throws
/// Errc::mesh_differs, join_code_malformed, and what Directory throws.
struct Membership {
    net::MeshSecret mesh;
    std::vector<std::string> addresses;  ///< in the code
};
Membership settle_mesh(const Directory* dir, const std::string& code);

/// Throws Errc::join_code_malformed.
net::JoinCode join_code_of(const std::string& text);

}  // namespace starling::detail
