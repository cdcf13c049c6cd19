// `starling export`: what a running node holds as JSON Lines, each a write that `starling import FILE` does again.
#pragma once

#include <filesystem>
#include <string>

namespace starling::cli {

/// Prints the keys under a prefix ("" is all), by type, then in byte order; each reads as it is at its turn. Returns an
/// exit code.
int run_export(const std::filesystem::path& directory, const std::string& prefix);

}  // namespace starling::cli
