// The client's end of the control socket: a request goes out as a line, its answer comes back as a line.
#pragma once

#include <chrono>
#include <filesystem>

#include "cli/descriptor.hpp"
#include "cli/protocol.hpp"

namespace starling::cli {

constexpr std::chrono::milliseconds answer_ms_max{30'000};

/// A connection to a running node. Movable, one thread at a time. Every call is bounded in time.
class ControlClient {
  public:
    /// Faults: those of connect_in.
    static crdt::Result<ControlClient> connect(const std::filesystem::path& directory);

    /// Sends one request; "v" is added. Faults: not_available (the node is gone, or takes nothing for answer_ms_max).
    crdt::Result<bool> send(Json request);
    /// The next line. Faults: not_available (hung up, or silent for `timeout`), malformed (no JSON object).
    crdt::Result<Json> receive(std::chrono::milliseconds timeout = answer_ms_max);
    /// Sends and receives; an answer with "ok":false is still an answer.
    crdt::Result<Json> call(Json request, std::chrono::milliseconds timeout = answer_ms_max);

    /// True once the node has hung up.
    bool gone() const { return gone_; }
    int fd() const { return socket_.get(); }

  private:
    explicit ControlClient(Descriptor socket) : socket_(std::move(socket)), lines_(answer_bytes_max) {}
    void read_some();

    Descriptor socket_;
    LineBuffer lines_;
    bool gone_ = false;
};

}  // namespace starling::cli
