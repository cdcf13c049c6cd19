// Requests that wait for the network, beside all others: each on a thread of its own, and its result is a line of its
// own after the answer.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <stop_token>
#include <thread>

#include "cli/control_server.hpp"
#include "cli/protocol.hpp"

namespace starling::cli {

constexpr std::size_t background_max = 64;  ///< under way at once

/// Thread rule: that of the service that has it. What it runs ends with the node: close that first.
class Background {
  public:
    /// Runs `work`, and sends what it returns, or the error that it throws. `stop` is requested when the client hangs
    /// up. The answer to be given now: that it is begun, or that too much is.
    Json run(ClientSession& session, std::function<Json(const std::stop_token& stop)> work);

  private:
    struct Task {
        std::atomic<bool> done{false};
        std::jthread thread{};
    };
    std::list<Task> tasks_;
};

}  // namespace starling::cli
