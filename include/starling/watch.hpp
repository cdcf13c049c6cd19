// What happened, in the order in which it became visible.
//
// Watchers run on one thread of the node, in the order in which transactions became visible, each whole. A transaction
// of this node is one Changes. Those of another node come as it sent them: what it wrote within one flush window
// (Options::flush_window) is one Changes with the last values, and so is what a long catch-up brought. What waits for a
// slow watcher is bounded by watch_queue_bytes_max for each subscription; past it, changes are dropped and one Changes
// with `overflow` set stands for them, after which the watcher reads anew what it needs. Writers are never held up. An
// exception out of a watcher is reported to Options::log and goes no further.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <starling/export.hpp>
#include <starling/types.hpp>
#include <starling/value.hpp>

namespace starling {

/// Of the changes that wait for one watcher, counted as their keys, fields and values plus `watch_change_bytes` each.
inline constexpr std::size_t watch_queue_bytes_max = std::size_t{64} << 20;
inline constexpr std::size_t watch_change_bytes = 256;

/// Time as the writer's clock told it: hybrid-logical, microseconds.
using Stamp = std::chrono::sys_time<std::chrono::microseconds>;

/// One entry of a journal.
struct JournalEntry {
    Dot dot{};
    Stamp stamp{};
    Value value{};
};

/// One place whose reading may have changed.
struct Change {
    Type type{};
    std::string key{};
    /// The element of a set, the field of a map; nil for the other types.
    Value field{};
    /// What is read there once the transaction is visible, with those that arrived together with it; nothing when it is
    /// gone. A counter's sum; true for a set's element and an enabled flag; an array of the concurrent values of a
    /// multi-value; nothing for a journal.
    std::optional<Value> value{};
    /// Journals: what was appended, in causal order.
    std::vector<JournalEntry> appended{};
};

/// One transaction of a node, or a batch of them that came together, whole.
struct Changes {
    /// Those under the prefix that is watched.
    std::vector<Change> list{};
    /// Who wrote it; nothing when it was caught up from a comparison of states, which holds the writes of many.
    std::optional<NodeId> origin{};
    /// Written through this node.
    bool local = false;
    /// Changes were lost before this one: read anew. `list` is empty.
    bool overflow = false;

    auto begin() const { return list.begin(); }
    auto end() const { return list.end(); }
};

namespace detail {
struct Watcher;
}

/// Keeps a watcher alive. Once it is destroyed or reset, the callback does not run again, and a run under way has
/// ended; except that inside its own callback, and inside `transact`, it does not wait for that run (both are allowed).
/// Moves only; one thread at a time.
class STARLING_API Subscription {
  public:
    Subscription() = default;
    explicit Subscription(std::shared_ptr<detail::Watcher> watcher);
    Subscription(Subscription&& other) noexcept;
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription();

    void reset() noexcept;
    explicit operator bool() const { return watcher_ != nullptr; }

  private:
    std::shared_ptr<detail::Watcher> watcher_;
};

}  // namespace starling
