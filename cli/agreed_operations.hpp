// What a running node offers on its control socket of what a majority decides: voters, and locks that last as long as a
// connection.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include <starling/starling.hpp>

#include "cli/background.hpp"
#include "cli/control_server.hpp"
#include "cli/protocol.hpp"

namespace starling::cli {

/// Thread rule: that of the service that has it. What it waits for ends with the node: close that first.
class AgreedOperations {
  public:
    explicit AgreedOperations(const Node& node) : node_(node) {}

    Json voters() const;
    /// The answer says that it is begun; {"voters":…} or an error follows.
    Json set_voters(const Json& request, const ClientSession& session);
    /// Once a connection. The answer says that it is wished; {"locked":{"token":…}} or an error follows, and {"lost":…}
    /// should it be. It is given up when the client hangs up.
    Json lock(const Json& request, ClientSession& session) const;
    /// The same for a role.
    Json elect(const Json& request, ClientSession& session) const;
    /// The answer says that it is begun; {"leader":{…}} or an error follows.
    Json leader(const Json& request, ClientSession& session);

  private:
    /// Takes a turn, or waits for none where `options.wait` is 0.
    using Take = std::function<Lock(const LockOptions& options)>;
    static Json turn(const Json& request, ClientSession& session, const std::string& what, Take take);
    crdt::Result<NodeId> named(const std::string& text) const;

    const Node& node_;
    std::atomic<bool> changing_{false};
    std::jthread changer_;
    Background background_;
};

}  // namespace starling::cli
