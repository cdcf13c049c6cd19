// Nodes of one mesh in one process, over loopback.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>

#include <doctest/doctest.h>

#include <starling/starling.hpp>

namespace starling::test {

using namespace std::chrono_literals;

/// How long a test waits for what must come; far more than it takes.
inline constexpr auto patience = 30s;

inline Options quiet() {
    Options options;
    options.listen_address = "127.0.0.1";
    options.discovery = false;
    return options;
}

inline Options in(const std::filesystem::path& dir) {
    auto options = quiet();
    options.dir = dir;
    return options;
}

/// Alone, in memory.
inline Node lone() {
    return Node::open(quiet());
}

/// Two nodes that are linked, or about to be.
struct Pair {
    Node a = lone();
    Node b = joined_to(a);

    static Node joined_to(const Node& other) {
        auto options = quiet();
        options.mesh = other.join_code();
        return Node::open(options);
    }
    /// Everything written so far is on both.
    void settle() const {
        REQUIRE(a.wait_until(b.version(), patience));
        REQUIRE(b.wait_until(a.version(), patience));
        REQUIRE(a.version() == b.version());
        REQUIRE(a.status().fingerprint == b.status().fingerprint);
    }
};

/// Something that other threads make true.
class Signal {
  public:
    void raise() {
        const std::lock_guard lock(mutex_);
        raised_ = true;
        changed_.notify_all();
    }
    bool wait() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return raised_; });
    }
    bool raised() {
        const std::lock_guard lock(mutex_);
        return raised_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool raised_ = false;
};

inline Errc code_of(const auto& call) {
    try {
        call();
    } catch (const Error& error) {
        return error.errc();
    }
    return Errc{};
}

}  // namespace starling::test
