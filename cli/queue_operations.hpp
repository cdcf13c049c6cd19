// Work queues, as requests of the control protocol.
#pragma once

#include <optional>
#include <string>

#include <starling/starling.hpp>

#include "cli/background.hpp"
#include "cli/control_server.hpp"
#include "cli/protocol.hpp"

namespace starling::cli {

/// Thread rule: that of the service that has it. What it waits for ends with the node: close that first.
class QueueOperations {
  public:
    explicit QueueOperations(const Node& node) : node_(node) {}

    /// Runs a request whose `op` begins with "queue_"; nothing where it names none. The answer says that it is begun;
    /// what came of it, or an error, follows. Throws starling::Error.
    std::optional<Json> run(const std::string& op, const Json& request, ClientSession& session);

  private:
    const Node& node_;
    Background background_;
};

}  // namespace starling::cli
