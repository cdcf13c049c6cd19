// The five nodes of the demo: real processes in temporary directories, found and driven the way anybody would, through
// the control sockets in their directories.
#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/control_client.hpp"
#include "cli/demo/process.hpp"
#include "cli/demo/screen.hpp"

namespace starling::cli::demo {

constexpr std::size_t fleet_nodes = 5;
constexpr std::chrono::seconds demo_seconds_max{240};  ///< the whole demo; past it every wait fails at once
constexpr std::chrono::milliseconds reply_ms_max{10'000};
using Clock = std::chrono::steady_clock;

/// One node: its process, and a connection to it while it runs.
struct Member {
    std::string name;
    std::filesystem::path directory;
    std::optional<Child> process;
    std::optional<ControlClient> client;
    std::string id;  ///< 64 digits; known once it was ready
    std::uint16_t port = 0;
    std::string note;  ///< shown as its state, where set
};

/// Invariants: every process is a child of this one and ends with it; no call waits longer than reply_ms_max, no wait
/// longer than its own bound and demo_seconds_max. One thread.
class Fleet {
  public:
    Fleet(Screen& screen, std::filesystem::path base, std::uint16_t discovery_port);
    ~Fleet();
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    std::vector<Member>& members() { return members_; }
    Member& operator[](std::size_t node) { return members_[node]; }
    Screen& screen() { return screen_; }
    const std::filesystem::path& base() const { return base_; }

    /// Makes the mesh of the first node and lets the others join. What went wrong, else empty.
    std::string prepare();
    /// Starts a node's process, and does not wait for it. What went wrong, else empty.
    std::string start(Member& member, const std::vector<std::string>& more_arguments = {});
    /// Waits until a started node has said that it is ready, and connects to it.
    bool connect(Member& member, std::chrono::milliseconds patience);

    /// One request; an error answer where the node is gone.
    Json call(Member& member, Json request);
    Json call(std::size_t node, Json request) { return call(members_[node], std::move(request)); }
    /// One request to each of these at once; their answers, in order.
    std::vector<Json> call_all(const std::vector<std::size_t>& nodes, const std::function<Json(std::size_t)>& request);
    Json status(std::size_t node) { return call(node, {{"op", "status"}}); }

    /// Asks again and again until it holds, with the table alive meanwhile. False: time is up, or somebody pressed
    /// Ctrl-C.
    bool wait_for(std::chrono::milliseconds patience, const std::function<bool()>& holds);
    /// Lets a moment pass, with the table alive; only on a terminal.
    void pause(std::chrono::milliseconds time);
    /// True when these nodes have equal versions and equal fingerprints.
    bool converged(const std::vector<std::size_t>& nodes);
    /// Draws the table, a few times a second.
    void refresh();

    double seconds() const { return std::chrono::duration<double>(Clock::now() - began_).count(); }
    static bool interrupted();

  private:
    Row row_of(Member& member);

    Screen& screen_;
    std::filesystem::path base_;
    std::uint16_t discovery_port_;
    std::vector<Member> members_;
    Clock::time_point began_ = Clock::now();
    Clock::time_point next_refresh_{};
};

/// "n1" is 0.
const std::vector<std::size_t>& all_nodes();
/// Ctrl-C, a hang-up or a polite kill: from now on the demo notices and ends its children.
void notice_signals();

}  // namespace starling::cli::demo
