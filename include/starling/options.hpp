// How a node is opened. All members have defaults: `Node::open({.dir = "./a"})`.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <starling/types.hpp>

namespace starling {

enum class LogLevel { debug, info, warning, error };

/// How the keys in a directory are sealed at rest, so that a copy of the disk does not give them away. With neither
/// they lie in clear, readable by their owner alone. A directory that was in clear is sealed from the first time on;
/// once sealed, it is opened with the same.
struct Unlock {
    std::string passphrase{};                           ///< takes some 0.1 s and 64 MiB to work with (Argon2id)
    std::optional<std::array<std::uint8_t, 32>> key{};  ///< that the application keeps elsewhere; goes before
};

struct Options {
    /// Holds the node's keys, its data and a lock, made where missing. Empty (memory mode): nothing is kept, and each
    /// open is a new node.
    std::filesystem::path dir{};
    Unlock unlock{};
    /// A join code of the mesh to be in. Empty: the mesh of the directory; where it has none, a new mesh.
    std::string mesh{};

    /// Numeric address to listen on. Empty: all, IPv4 and IPv6.
    std::string listen_address{};
    /// TCP, and UDP of the same number. 0: the system chooses.
    std::uint16_t listen_port = 0;
    /// "host:port" or "[v6]:port", for where beacons do not reach.
    std::vector<std::string> peers{};
    /// Find peers by sealed beacons on the local network.
    bool discovery = true;
    /// UDP port that all nodes of a network share. 0: the default, 27465.
    std::uint16_t discovery_port = 0;
    /// Names of the network cards to send beacons on ("lo", "eth0"). Empty: all that are up.
    std::vector<std::string> interfaces{};

    /// Transactions within this time travel as one changeset. 0: each by itself.
    std::chrono::microseconds flush_window{2'000};

    /// Bounds of the log that serves peers who were away, in memory and in the directory. Whoever was away for longer
    /// is brought up to date by comparing states.
    std::size_t log_bytes_max = 64 * 1024 * 1024;
    std::chrono::hours log_age_max{24};
    /// Memory mode: this node may be named a voter (`Node::set_voters`), though it forgets at its close what it
    /// promised. With it goes its vote: named anew after an open, it is another voter. Where a majority of the voters
    /// is closed before others are named, what was agreed on is lost, and nobody can name voters any more. For tests
    /// and caches.
    bool vote_in_memory = false;
    /// With a directory: writers wait while so much is written and not yet on the disk.
    std::size_t unstored_bytes_max = 16 * 1024 * 1024;
    /// Called by `Node::open` as it reads the directory's data, `done` of `of`, roughly; not where there is little.
    std::function<void(std::uint64_t done, std::uint64_t of)> opening{};

    /// Called from any thread, several at once: must be thread-safe, quick, and must not call the node. What it throws
    /// is swallowed.
    std::function<void(LogLevel, std::string_view)> log{};
    /// A node's clock is more than a minute ahead of this one's: one of the two is wrong. Called on the watcher thread,
    /// at most once a minute for each node. Data still converges; among concurrent writes those of the wild clock win.
    std::function<void(const NodeId&)> wrong_clock{};
};

}  // namespace starling
