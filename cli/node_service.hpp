// The operations that a running node offers on its control socket.
#pragma once

#include <atomic>
#include <set>
#include <string>
#include <thread>

#include <starling/starling.hpp>

#include "cli/agreed_operations.hpp"
#include "cli/control_server.hpp"
#include "cli/protocol.hpp"
#include "cli/queue_operations.hpp"
#include "cli/register_operations.hpp"

namespace starling::cli {

/// What an error is called on the control socket.
const char* code_of(Errc error);

/// Answers requests on a node. Thread rule: one thread calls answer(); `node` outlives the service and the sessions
/// that it answered. A copy that is under way ends before the service does: close the node first, which ends it at
/// once.
class NodeService {
  public:
    explicit NodeService(const Node& node) : node_(node), agreed_(node), registers_(node), queues_(node) {}

    /// Never throws: errors of the node become error answers. Blocks no longer than the operation takes on local data;
    /// a write's answer waits for the disk unless the request says "durable": false.
    Json answer(const Json& request, ClientSession& session);
    /// A client asked the node to stop.
    bool stop_wanted() const { return stop_wanted_; }

  private:
    Json dispatch(const std::string& op, const Json& request, ClientSession& session);
    Json watch(const Json& request, ClientSession& session) const;
    Json backup(const Json& request, const ClientSession& session);
    Json fault(const Json& request);
    crdt::Result<NodeId> node_named(const std::string& text) const;

    const Node& node_;
    AgreedOperations agreed_;
    RegisterOperations registers_;
    QueueOperations queues_;
    std::set<NodeId> blocked_;
    bool stop_wanted_ = false;
    std::atomic<bool> copying_{false};
    std::jthread copier_;
};

}  // namespace starling::cli
