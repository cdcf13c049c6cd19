// How a few bytes that make a node a member lie on disk: one line of text, `<label> <hex bytes> <hex checksum>`, mode
// 0600. The checksum tells a damaged file from a foreign one; the label keeps an identity from being read as a mesh.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "net/identity.hpp"
#include "net/secret.hpp"

namespace starling::net {

class KeySeal;

/// Makes libsodium ready; idempotent, thread-safe. Whatever draws randomness calls it first.
void start_sodium();

constexpr std::size_t secret_bytes_max = 1024;  // of one file

/// Whole or not at all, synced, never over an existing file; encrypted where there is a seal. Faults: refused (exists),
/// not_available (cannot write).
Result<Done> write_secret_file(const std::filesystem::path& path, std::string_view label,
                               std::span<const std::uint8_t> bytes, const KeySeal* seal = nullptr);
/// How many bytes there are, which are now at the beginning of `into`. Reads what is sealed and what is in clear.
/// Faults: not_available, refused (others than the owner may read it), malformed (as is what does not fit, and what the
/// seal does not open).
Result<std::size_t> read_secret_file(const std::filesystem::path& path, std::string_view label,
                                     std::span<std::uint8_t> into, const KeySeal* seal = nullptr);
/// As write_secret_file, in place of what is there.
Result<Done> replace_secret_file(const std::filesystem::path& path, std::string_view label,
                                 std::span<const std::uint8_t> bytes, const KeySeal* seal = nullptr);
/// Does it say of itself that it is sealed?
bool is_sealed(const std::filesystem::path& path);
/// What a process that was killed left of writing here. Only while nobody else writes to the directory.
void remove_drafts(const std::filesystem::path& directory);
/// Has what is in clear sealed from now on; the file is whole at any moment. What was on the disk before may be found
/// by who looks at its blocks. Faults: as of both others.
Result<Done> seal_secret_file(const std::filesystem::path& path, std::string_view label, const KeySeal& seal);
/// Exactly N bytes.
template <std::size_t N>
Result<Secret<N>> read_secret_file(const std::filesystem::path& path, std::string_view label,
                                   const KeySeal* seal = nullptr) {
    Secret<N> secret;
    const auto count = read_secret_file(path, label, {secret.data(), N}, seal);
    if (!count) return count.fault();
    if (*count != N) return Fault{FaultCode::malformed, path.string() + ": of another length than it should be"};
    return secret;
}

}  // namespace starling::net
