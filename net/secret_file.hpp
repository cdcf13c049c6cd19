// How a 32-byte secret lies on disk: one line of text, `<label> <hex secret> <hex checksum>`, mode 0600. The checksum
// tells a damaged file from a foreign one; the label keeps an identity from being read as a mesh secret.
#pragma once

#include <filesystem>
#include <string_view>

#include "net/identity.hpp"
#include "net/secret.hpp"

namespace starling::net {

/// Makes libsodium ready; idempotent, thread-safe. Whatever draws randomness calls it first.
void start_sodium();

/// Whole or not at all, synced, never over an existing file. Faults: refused (exists), not_available (cannot write).
Result<Done> write_secret_file(const std::filesystem::path& path, std::string_view label, const Secret<32>& secret);
/// Faults: not_available, refused (others than the owner may read it), malformed.
Result<Secret<32>> read_secret_file(const std::filesystem::path& path, std::string_view label);

}  // namespace starling::net
