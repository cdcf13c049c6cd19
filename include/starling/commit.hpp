// What a write returns.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <system_error>
#include <utility>

#include <starling/export.hpp>
#include <starling/types.hpp>

namespace starling {

namespace detail {
class Core;
}

/// A transaction that readers of this node see and that is on its way to the others. A value; thread-safe to read.
///
/// What survives what, by what the writer waits for:
///
///     nothing         visible here at once. With a directory it is on the disk, and only then on its way to others,
///                     some milliseconds later; what a crash catches before that is lost whole, here and everywhere.
///     durable()       survives a crash of the process and the loss of power, whole.
///     wait_until() on another node, after durable()   survives the loss of this node too.
///
/// In memory mode (no directory) it leaves at once, and survives as long as any node that has it runs.
class STARLING_API Commit {
  public:
    Commit() = default;
    Commit(Version version, bool wrote, Dot last = {}, std::shared_ptr<detail::Core> core = {})
        : version_(std::move(version)), wrote_(wrote), last_(last), core_(std::move(core)) {}

    /// Hand it to another node's `wait_until`: whoever has reached it has the transaction and all that this node had
    /// seen before. One line, the transaction's own, for nobody applies a write before what it depends on.
    const Version& version() const { return version_; }
    /// False when nothing changed (a removal of what was not there, an append that was made before): no event was made.
    /// `durable` then waits for what this node wrote before, so that what was found there stays.
    bool wrote() const { return wrote_; }

    /// Waits until the disk has it; a flush window that is open ends at once, and those who wait together share a sync.
    /// Allowed inside a watcher. After the node was closed it says what became of it. Throws Errc::not_durable (memory
    /// mode), disk_full (it stays, and is stored once there is space: wait again), disk_failed (it may be gone when the
    /// node is opened again), would_deadlock inside `transact`.
    void durable() const;
    void durable(std::error_code& error) const noexcept;
    /// False at the timeout.
    bool durable(std::chrono::milliseconds timeout) const;
    /// The same for whoever does not want to wait now. The future holds what `durable` would throw; not_durable and
    /// would_deadlock are thrown at once.
    std::future<void> when_durable() const;

  private:
    Version version_;
    bool wrote_ = false;
    Dot last_{};  ///< that it took, or that was taken before it
    std::shared_ptr<detail::Core> core_;
};

}  // namespace starling
