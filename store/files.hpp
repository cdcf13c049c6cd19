// Where the operating system keeps the store: a directory and files for their owner alone.
#pragma once

#include <string>

#include "store/fault.hpp"

namespace starling::store {

/// Makes the directory (0700) and an empty file (0600) in it where they are not there, and sees to it that both names
/// are durable.
Outcome<bool> make_private_file(const std::string& directory, const std::string& path);
/// An empty file (0600) that must not be there yet.
Outcome<bool> make_new_file(const std::string& path);
/// Durably. `to` must not be there yet.
Outcome<bool> rename_new_file(const std::string& from, const std::string& to);
bool file_exists(const std::string& path);
/// If it is there.
void remove_file(const std::string& path);

}  // namespace starling::store
