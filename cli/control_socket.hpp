// Where a running node listens for commands: a Unix socket in its directory, for its owner alone. The directory's lock
// tells whether a node runs; whoever holds it may take the place of a socket that a killed process left behind.
#pragma once

#include <cstddef>
#include <filesystem>

#include "cli/descriptor.hpp"
#include "crdt/result.hpp"

namespace starling::cli {

constexpr const char* control_socket_name = "control.sock";
constexpr std::size_t control_read_bytes = 64 * 1024;  ///< read at once, at either end

/// Binds `directory`/control.sock with mode 0600 and listens, non-blocking. The caller holds the directory's lock: a
/// socket that is there is stale and is replaced. Faults: not_available (cannot create), too_large (the path does not
/// fit into a socket address and the machine has no /proc to shorten it), refused (something else has that name).
crdt::Result<Descriptor> listen_in(const std::filesystem::path& directory);

/// Connects to the node that runs in `directory`. Faults: not_available (none runs there), refused (not the owner),
/// too_large as above.
crdt::Result<Descriptor> connect_in(const std::filesystem::path& directory);

}  // namespace starling::cli
