// One wish for a lock, and the turn that came of it.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "agree/lock.hpp"

namespace starling::detail {

/// Who is told that a turn ended. Thread-safe.
class LossTeller {
  public:
    explicit LossTeller(std::function<void()> lost) : lost_(std::move(lost)) {}
    /// On the watcher thread.
    void tell() {
        std::function<void()> lost;
        {
            const std::lock_guard lock(mutex_);
            lost = std::exchange(lost_, {});
            if (!lost) return;
            runs_on_ = std::this_thread::get_id();
        }
        struct Ended {
            LossTeller& teller;
            ~Ended() {
                const std::lock_guard lock(teller.mutex_);
                teller.runs_on_ = {};
                teller.ended_.notify_all();
            }
        } const ended{*this};
        lost();
    }
    /// It is not called any more, and a call under way has ended, unless this is it or the caller may not wait.
    void forget(bool may_wait) {
        std::unique_lock lock(mutex_);
        lost_ = {};
        if (!may_wait || runs_on_ == std::this_thread::get_id()) return;
        ended_.wait(lock, [&] { return runs_on_ == std::thread::id(); });
    }

  private:
    std::mutex mutex_;
    std::condition_variable ended_;
    std::function<void()> lost_;
    std::thread::id runs_on_;
};

/// What is not const is guarded by the lock of the Agreement.
struct LockHold {
    LockHold(agree::Proposer& proposer, const crdt::Bytes& key, const crdt::ReplicaId& self,
             std::function<std::uint64_t()> random, std::function<void()> lost)
        : lock(proposer, key, self, {}, std::move(random)), teller(std::make_shared<LossTeller>(std::move(lost))) {}

    agree::Lock lock;
    std::condition_variable changed;
    std::optional<agree::LockFailure> failure;
    std::uint64_t token = 0;  ///< 0: it does not hold it yet
    bool over = false;        ///< lost or given up
    const std::shared_ptr<LossTeller> teller;
};

}  // namespace starling::detail
