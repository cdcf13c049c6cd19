// Nodes of ours that vote, with a directory each, on loopback: some in this process, some in processes that can be
// killed.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <starling/starling.hpp>

#include "bench/directory.hpp"
#include "crdt/assert.hpp"

namespace starling::bench {

constexpr std::chrono::seconds agree_patience{60};
constexpr std::chrono::milliseconds ask_again{5};
constexpr std::size_t agree_voters = 3;

/// Asks again until it holds.
template <class Holds>
void await(const char* what, Holds holds) {
    const auto until = std::chrono::steady_clock::now() + agree_patience;
    while (!holds()) {
        STARLING_ASSERT(std::chrono::steady_clock::now() < until, what);
        std::this_thread::sleep_for(ask_again);
    }
}

inline Node open_near(const std::filesystem::path& directory, const std::string& code,
                      const std::vector<std::string>& peers) {
    starling::Options options;
    options.dir = directory;
    options.listen_address = "127.0.0.1";
    options.discovery = false;
    if (!code.empty()) options.mesh = code;
    options.peers = peers;
    return Node::open(options);
}

/// A node in a process of its own, which ends with this one. Invariant: made before this process has threads, since it
/// is a fork. Told a line, it answers one.
class Away {
  public:
    explicit Away(std::filesystem::path directory) {
        std::array<int, 2> to{}, from{};
        STARLING_ASSERT(pipe(to.data()) == 0 && pipe(from.data()) == 0, "there are descriptors left");
        child_ = fork();
        STARLING_ASSERT(child_ >= 0, "a process can be made");
        if (child_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            in_ = to[0];
            out_ = from[1];
            try {
                live(directory);
            } catch (...) {
                // What it unwound to would be the parent's.
            }
            _exit(1);
        }
        close(to[0]);
        close(from[1]);
        in_ = from[0];
        out_ = to[1];
    }
    ~Away() {
        kill();
        close(in_);
        close(out_);
    }
    Away(const Away&) = delete;
    Away& operator=(const Away&) = delete;

    /// It joins the mesh; its name.
    NodeId join(const std::string& code, const std::vector<std::string>& peers) {
        say(code);
        say(std::to_string(peers.size()));
        for (const auto& peer : peers) say(peer);
        const auto id = NodeId::parse(hear());
        STARLING_ASSERT(id, "it says who it is");
        return *id;
    }
    /// Returns when it has the lock.
    void lock(const std::string& name, std::chrono::milliseconds ttl) {
        say(name);
        say(std::to_string(ttl.count()));
        STARLING_ASSERT(hear() == "locked", "it gets the lock");
    }
    void kill() {
        if (child_ <= 0) return;
        ::kill(child_, SIGKILL);
        waitpid(child_, nullptr, 0);
        child_ = 0;
    }

  private:
    void live(const std::filesystem::path& directory) {
        const auto code = hear();
        std::vector<std::string> peers(std::stoul(hear()));
        for (auto& peer : peers) peer = hear();
        const auto node = open_near(directory, code, peers);
        say(node.id().to_string());
        const auto name = hear();
        const auto lock = node.lock(name, std::chrono::milliseconds(std::stol(hear())));
        say("locked");
        pause();
    }
    void say(std::string line) const {
        line += '\n';
        STARLING_ASSERT(write(out_, line.data(), line.size()) == ssize_t(line.size()), "a line fits a pipe");
    }
    std::string hear() const {
        std::string line;
        for (char letter = 0; read(in_, &letter, 1) == 1 && letter != '\n';) line += letter;
        return line;
    }

    pid_t child_ = 0;
    int in_ = -1, out_ = -1;
};

/// Nodes that know of each other, of which three vote: those in here, and the last where it is away.
class Ours {
  public:
    explicit Ours(const std::filesystem::path& directory, Away* voter = nullptr, Away* member = nullptr) {
        std::vector<NodeId> ids;
        for (std::size_t i = 0; i + (voter ? 1 : 0) < agree_voters; ++i) {
            nodes_.push_back(open_near(directory / std::to_string(i), i > 0 ? nodes_[0].join_code() : "", addresses()));
            ids.push_back(nodes_.back().id());
        }
        if (voter) ids.push_back(voter->join(nodes_[0].join_code(), addresses()));
        if (member) member->join(nodes_[0].join_code(), addresses());
        const auto others = nodes_.size() + (voter ? 1 : 0) + (member ? 1 : 0) - 1;
        for (const auto& node : nodes_) await("the nodes link", [&] { return node.peers().size() == others; });
        nodes_[0].set_voters(ids, agree_patience);
        for (const auto& node : nodes_)
            await("all know the voters", [&] { return node.voters().epoch == nodes_[0].voters().epoch; });
    }
    const Node& node(std::size_t client) const { return nodes_[client % nodes_.size()]; }

  private:
    std::vector<std::string> addresses() const {
        std::vector<std::string> all;
        for (const auto& node : nodes_) all.push_back("127.0.0.1:" + std::to_string(node.status().port));
        return all;
    }

    std::vector<Node> nodes_;
};

}  // namespace starling::bench
