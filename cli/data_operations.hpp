// Reads and writes of a node's data, as requests of the control protocol.
#pragma once

#include <string>

#include <starling/starling.hpp>

#include "cli/protocol.hpp"

namespace starling::cli {

/// Runs one read; nothing where `op` names none. Throws starling::Error.
std::optional<Json> run_read(const Node& node, const std::string& op, const Json& request);

/// Runs one write as a transaction of its own, or "transact": all of its "writes" as one. Nothing where `op` names
/// none. `commit` is what came of it. Throws starling::Error.
std::optional<Json> run_write(const Node& node, const std::string& op, const Json& request, Commit& commit);

}  // namespace starling::cli
