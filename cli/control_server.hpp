// The node's end of the control socket. One thread polls the listening socket, its clients, the signals that end the
// process and a doorbell; another thread (the watcher's) may put lines into a client's outbox and ring.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cli/descriptor.hpp"
#include "cli/protocol.hpp"

namespace starling::cli {

constexpr std::size_t clients_max = 64;
constexpr std::size_t stream_bytes_max = std::size_t{16} << 20;  ///< of changes a slow watcher may be behind

/// What waits to be written to one client. `push` may be called from any thread and never blocks for long; once more
/// than stream_bytes_max wait, the stream ends with an error instead of growing.
class Outbox {
  public:
    explicit Outbox(int doorbell) : doorbell_(doorbell) {}
    void push(const Json& line);

  private:
    friend class ControlServer;
    std::mutex mutex_;
    std::string bytes_;
    bool full_ = false;
    int doorbell_;
};

struct StopAtTheEnd;

/// One connected client, as the handler of its requests sees it.
struct ClientSession {
    std::shared_ptr<Outbox> outbox;
    /// What lives as long as the connection: subscriptions.
    std::vector<std::shared_ptr<void>> held;
    std::weak_ptr<StopAtTheEnd> stop_at_the_end{};  ///< one of these: for all that runs in the background
    bool wished_lock = false;                       ///< it asked for a lock, and is for that one
    /// Of what it last asked a majority to decide: whether the answer was given.
    std::shared_ptr<const std::atomic<bool>> deciding{};
    /// Set by the handler of a request where its answer must wait, for the disk for example: called, and may block,
    /// before the answer leaves, after all requests that came with it were handled. What it returns leaves instead.
    std::function<std::optional<Json>()> before_answer;
};

/// Invariants: at most clients_max clients; answers of a client leave in the order of its requests; a client that does
/// not read is not read from either. Thread rule: run() and the handler on one thread; Outbox::push anywhere.
class ControlServer {
  public:
    /// Answers one request.
    using Handler = std::function<Json(const Json& request, ClientSession& session)>;

    /// Faults: those of listen_in. `stop_fd` ends run() when it becomes readable.
    static crdt::Result<std::unique_ptr<ControlServer>> open(const std::filesystem::path& directory, int stop_fd);
    /// Removes the socket.
    ~ControlServer();

    /// Serves until `stop_fd` becomes readable or stop() was called, and what was answered until then is sent.
    void run(const Handler& handler);
    /// From within the handler: run() ends after this answer.
    void stop() { stopping_ = true; }

  private:
    struct Client;
    ControlServer(std::filesystem::path directory, Descriptor listener, Descriptor doorbell, int stop_fd);
    void accept_clients();
    void close_door();
    static void read_from(Client& client);
    static void answer_some(Client& client, const Handler& handler);
    static void serve(Client& client, const Handler& handler);
    static void refuse_long(Client& client);
    static void answer(Client& client, const std::string& line, const Handler& handler);
    void poll_once(const Handler& handler);

    std::filesystem::path directory_;
    Descriptor listener_;
    Descriptor doorbell_;
    int stop_fd_;
    bool stopping_ = false;
    bool resting_ = false;  ///< from accepting, while descriptors are out
    std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace starling::cli
