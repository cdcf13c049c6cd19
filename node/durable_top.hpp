// How far the disk has come with what this node writes, for those who wait for it. Many threads that wait for one
// commit wake at once, and this keeps them off the node's own lock, where each would hold up the next write.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "crdt/ids.hpp"

namespace starling::detail {

/// Thread-safe. Invariant: what was durable once stays so.
class DurableTop {
  public:
    /// True while somebody waits: an open window is worth cutting for the next batch.
    bool awaited() const { return waiting_ > 0; }

    /// A batch was committed (`top` is the last dot of the running life on the disk), or the disk failed or recovered,
    /// or is closed (`doubtful`: who waits asks the node what became of its write).
    void publish(const crdt::Dot& top, bool doubtful) {
        {
            const std::lock_guard lock(mutex_);
            top_ = top;
            doubtful_ = doubtful;
            ++turn_;
        }
        changed_.notify_all();
    }

    bool covers(const crdt::Dot& dot) const {
        const std::lock_guard lock(mutex_);
        return covered(dot);
    }

    /// Waits until the dot is durable, or `settled()` says that its fate is known; that is asked only where the top
    /// cannot tell. Whatever the caller must wake is woken by `begin()` once this counts as waiting. False at the
    /// timeout.
    template <class Begin, class Settled>
    bool wait(const crdt::Dot& dot, std::chrono::steady_clock::time_point until, Begin begin, Settled settled) {
        const Waiting here(waiting_);
        begin();
        std::unique_lock lock(mutex_);
        while (!covered(dot)) {
            const auto turn = turn_;
            if (doubtful_ || top_.replica != dot.replica) {
                lock.unlock();
                if (settled()) return true;
                lock.lock();
            }
            if (!changed_.wait_until(lock, until, [&] { return turn_ != turn; })) return false;
        }
        return true;
    }

  private:
    struct Waiting {
        explicit Waiting(std::atomic<std::size_t>& its_count) : count(its_count) { ++count; }
        ~Waiting() { --count; }
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;
        std::atomic<std::size_t>& count;
    };

    bool covered(const crdt::Dot& dot) const { return top_.replica == dot.replica && dot.seq <= top_.seq; }

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::atomic<std::size_t> waiting_ = 0;
    crdt::Dot top_{};
    std::uint64_t turn_ = 0;
    bool doubtful_ = false;
};

}  // namespace starling::detail
