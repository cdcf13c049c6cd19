// The passphrase that seals a directory's keys. It comes out of a file, since a command line is for everybody to read.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include <starling/options.hpp>

namespace starling::cli {

/// Adds --passphrase-file to a verb; what it names stands in `file` after parsing.
void add_passphrase_option(CLI::App& verb, std::string& file);

/// The first line of the file; nothing where none is named. Throws Error (Errc::invalid_argument) where it cannot be
/// read, is empty, or too long.
Unlock unlock_from(const std::string& file);

}  // namespace starling::cli
