// Locks over the whole mesh. A majority of its voters says whose turn it is, with a fencing token that is higher than
// all before; the turn lasts while it is renewed, which the node does in the background.
//
//     auto lock = node.lock("press-1", 10s, [] { stop_the_press(); });
//     press.write(job, lock.token());      // and the press refuses lower tokens than it has seen: TokenGate
//
// Nobody's clock is compared with another's, and the wall clock is not looked at. Two nodes believe that they hold a
// lock at once only where their clocks run apart by a tenth, or where one of them slept between asking and acting:
// against that the token helps, and nothing else. So what a lock guards must check it (docs/coordination.md).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include <starling/export.hpp>
#include <starling/types.hpp>

namespace starling {

namespace detail {
class Core;
struct LockHold;
}  // namespace detail

inline constexpr std::size_t lock_name_bytes_max = 254;
inline constexpr std::size_t lock_note_bytes_max = 1024;
inline constexpr std::chrono::milliseconds lock_ttl_min{100};
inline constexpr std::chrono::hours lock_ttl_max{24};

struct LockOptions {
    /// How long a turn lasts without a renewal: when its holder dies, so long nobody has the lock. `lock_ttl_min` to
    /// `lock_ttl_max`. It is renewed after a third, and the holder stops believing a tenth before the end.
    std::chrono::milliseconds ttl{10'000};
    /// How long to wait for it; for `try_lock`, for an answer.
    std::chrono::milliseconds wait = std::chrono::hours(24 * 365);
    /// To stand in line: whoever came first is next. Who does not waits until nobody does.
    bool fair = true;
    /// What others may read of the holder; at most `lock_note_bytes_max`.
    std::string note{};
    /// Called once on the watcher thread when a turn ends that was not given up: another has the lock, or may have.
    std::function<void()> lost{};
    /// Ends the waiting.
    std::stop_token stop{};
};

/// A turn. Moves only; true while it has one, also when that was lost. Destroying it gives the lock up and returns at
/// once; the callback of a loss does not run any more, and one that runs is waited for, except inside itself and inside
/// `transact`. Thread rule: `held` and `token` from any thread, also while it is released, but not while it is moved,
/// assigned to or destroyed; else one thread at a time.
class STARLING_API Lock {
  public:
    Lock() = default;
    Lock(std::shared_ptr<detail::Core> core, std::shared_ptr<detail::LockHold> hold, std::uint64_t token);
    Lock(Lock&& other) noexcept;
    Lock& operator=(Lock&& other) noexcept;
    ~Lock();

    explicit operator bool() const { return token_ != 0; }
    /// Higher than those of all holders before; 0 where there is no turn.
    std::uint64_t token() const { return token_; }
    /// By this node's own clock, at this instant: to be asked right before each use, and with the token checked at the
    /// other end all the same.
    bool held() const;
    /// Gives it up. Others may have it as soon as a majority knows; where it cannot be told, after the time to live.
    void release() noexcept;

  private:
    std::shared_ptr<detail::Core> core_;
    std::shared_ptr<detail::LockHold> hold_;  // both stay when it is released
    std::atomic<std::uint64_t> token_{0};
};

/// What a majority knows of a lock.
struct LockState {
    std::uint64_t token = 0;         ///< of the present or last holder; 0: there was none
    std::optional<NodeId> holder{};  ///< whose turn it is; it may be dead, for a time to live at most
    std::string note{};
    std::size_t waiting = 0;  ///< in line
};

/// A role that one node has at a time: a lock whose note says what others should know of its holder, and whose token is
/// the number of its term. Everything that is said of locks holds. A handle, cheap to copy; thread-safe.
class STARLING_API Election {
  public:
    Election(std::shared_ptr<detail::Core> core, std::string role, std::chrono::milliseconds ttl);
    /// Waits until this node is elected; its term lasts as long as what is returned: `held` asks, `token` numbers it,
    /// `release` resigns. Throws as `Node::lock`.
    Lock campaign(std::string note = {}, std::function<void()> lost = {}) const;
    /// With the time to wait and the rest of what a lock can be told; `options.ttl` is that of the election.
    Lock campaign(LockOptions options) const;
    /// Who leads, by a linearizable read: `holder` and `note`. Throws as `Agreed::read`.
    LockState leader(std::chrono::milliseconds within = std::chrono::milliseconds(2'000)) const;

  private:
    std::shared_ptr<detail::Core> core_;
    std::string role_;
    std::chrono::milliseconds ttl_;
};

/// What a resource does that checks tokens: it refuses whoever comes with a lower one than it has seen. Keep the
/// highest with the resource, in the same transaction as what is written. Thread-safe.
class TokenGate {
  public:
    explicit TokenGate(std::uint64_t highest = 0) : highest_(highest) {}
    bool admit(std::uint64_t token) {
        const std::lock_guard lock(mutex_);
        if (token < highest_) return false;
        highest_ = token;
        return true;
    }
    std::uint64_t highest() const {
        const std::lock_guard lock(mutex_);
        return highest_;
    }

  private:
    mutable std::mutex mutex_;
    std::uint64_t highest_;
};

}  // namespace starling
