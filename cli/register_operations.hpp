// Registers that a majority decides on, as a running node offers them on its control socket. A decision waits for the
// network, so each is made on a thread of its own, beside all other requests.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <thread>

#include <starling/starling.hpp>

#include "cli/control_server.hpp"
#include "cli/protocol.hpp"

namespace starling::cli {

constexpr std::size_t decisions_max = 64;  ///< under way at once, of all clients

/// Thread rule: that of the service that has it. What is under way ends with the node: close that first.
class RegisterOperations {
  public:
    explicit RegisterOperations(const Node& node) : node_(node) {}

    /// agreed_get, agreed_set, agreed_cas, agreed_append; nothing where `op` is none of them. The answer says that it
    /// is begun; {"decided":…} or an error follows. One at a time for each connection, else their order is unknown.
    std::optional<Json> answer(const std::string& op, const Json& request, ClientSession& session);

  private:
    struct Decision {
        std::shared_ptr<std::atomic<bool>> over = std::make_shared<std::atomic<bool>>(false);
        std::jthread thread{};
    };
    Json begin(std::function<Json()> decide, ClientSession& session);

    const Node& node_;
    std::list<Decision> decisions_;
};

}  // namespace starling::cli
