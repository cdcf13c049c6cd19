// Reads and writes of a node's data, as requests of the control protocol.
#pragma once

#include <string>

#include <starling/starling.hpp>

#include "cli/control_server.hpp"
#include "cli/protocol.hpp"

namespace starling::cli {

/// Runs one read; nothing where `op` names none. Throws starling::Error.
std::optional<Json> run_read(const Node& node, const std::string& op, const Json& request);

/// Runs one write as a transaction of its own, or "transact": all of its "writes" as one. Nothing where `op` names
/// none. `commit` is what came of it. Throws starling::Error.
std::optional<Json> run_write(const Node& node, const std::string& op, const Json& request, Commit& commit);

/// How many events one answer of "since" holds unless the request says otherwise.
constexpr std::int64_t since_limit_default = 1'000'000;

/// A page of events past a cursor. Throws starling::Error.
Json read_since(const Node& node, const Json& request);
/// What has changed since a cursor, of all types. Throws starling::Error.
Json read_changes(const Node& node, const Json& request);
/// What each of "keys" holds, as writes. Throws starling::Error.
Json export_keys(const Node& node, const Json& request);
/// As `read_since`, and what comes then, as lines of the session. Throws starling::Error.
Json follow_events(const Node& node, const Json& request, ClientSession& session);

}  // namespace starling::cli
