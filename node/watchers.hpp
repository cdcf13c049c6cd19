// Watchers and the one thread that runs them. Whoever changes the data hands each transaction over, still holding the
// lock on the data, so that the order here is the order in which readers saw it; the callbacks run later, without any
// lock.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <starling/watch.hpp>

#include "crdt/replica.hpp"
#include "crdt/state.hpp"

namespace starling::detail {

class Watchers;

/// One subscription. What is not const is guarded by the mutex of its Watchers.
struct Watcher {
    std::weak_ptr<Watchers> home;
    const std::string prefix;
    const std::optional<Type> only;  ///< this type alone, and the prefix is the whole key
    std::function<void(const Changes&)> changed;
    bool live = true;
    bool overflowed = false;  ///< an overflow mark is queued; what comes meanwhile is dropped
    std::size_t bytes = 0;    ///< queued
    /// Of journals alone, and it reads by itself: it is only told to, by what else says that changes were lost.
    const bool reads_itself = false;

    bool wants(const crdt::Slot& slot) const;
};

/// A transaction as the data's owner knows it.
struct Happened {
    const crdt::State& state;
    const crdt::Changes& changes;
    std::optional<NodeId> origin;
    bool local;
};

/// Thread rule: thread-safe. Invariant: the callback of a dead watcher does not run; a watcher's queued bytes are those
/// of its queued jobs and at most watch_queue_bytes_max.
class Watchers : public std::enable_shared_from_this<Watchers> {
  public:
    using Report = std::function<void(const std::string&)>;
    /// `report` is told of exceptions out of callbacks; it is called on the watcher thread.
    explicit Watchers(Report report) : report_(std::move(report)) {}
    ~Watchers();

    std::shared_ptr<Watcher> add(std::string prefix, std::optional<Type> only,
                                 std::function<void(const Changes&)> changed);
    /// A watcher of journals, of one or of all under a prefix, that is given no changes: each time it is told to read
    /// anew, at once for the first time. What comes while that is queued adds nothing.
    std::shared_ptr<Watcher> add_reader(std::string prefix, bool exact, std::function<void(const Changes&)> changed);
    /// Tells it to, though nothing happened.
    void read_again(const std::shared_ptr<Watcher>& watcher);
    /// Waits for a run of it under way, unless called on the watcher thread or without leave to wait.
    void remove(Watcher& watcher, bool may_wait) noexcept;

    /// To be called under the lock of the data. O(changes · watchers).
    void happened(const Happened& what);
    /// Runs something else on the watcher thread, in turn. False where the queue holds tasks_max of them: it is
    /// dropped.
    bool post(std::function<void()> task);

    bool on_watcher_thread() const;
    /// What is queued and not begun is dropped. Idempotent; on the watcher thread itself it lets the thread go.
    void stop() noexcept;
    void check() const;

  private:
    static constexpr std::size_t tasks_max = 1024;
    struct Job {
        std::shared_ptr<Watcher> watcher;  ///< nullptr: a task
        Changes changes;
        std::size_t bytes = 0;
        std::function<void()> task;
    };

    void push(const std::shared_ptr<Watcher>& watcher, Changes changes, std::size_t bytes);
    void push_overflow(const std::shared_ptr<Watcher>& watcher);
    void start();
    void run();
    bool next(Job& job);
    void perform(Job& job) noexcept;

    Report report_;
    mutable std::mutex mutex_;
    std::condition_variable work_, idle_;
    std::vector<std::shared_ptr<Watcher>> watchers_;
    std::deque<Job> jobs_;
    std::size_t tasks_ = 0;
    const Watcher* running_ = nullptr;
    bool stopping_ = false;
    std::thread thread_;  ///< started with the first watcher or task
};

}  // namespace starling::detail
