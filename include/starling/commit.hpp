// What a write returns.
#pragma once

#include <system_error>
#include <utility>

#include <starling/export.hpp>
#include <starling/types.hpp>

namespace starling {

/// A transaction that readers of this node see and that is on its way to the others. A value; thread-safe to read.
class STARLING_API Commit {
  public:
    Commit() = default;
    Commit(Version version, bool wrote) : version_(std::move(version)), wrote_(wrote) {}

    /// Covers the transaction and all it depends on: hand it to another node's `wait_until`.
    const Version& version() const { return version_; }
    /// False when nothing changed (a removal of what was not there): no event was made.
    bool wrote() const { return wrote_; }

    /// Waits until the disk has it. Throws Errc::not_durable: data is kept in memory.
    void durable() const;
    void durable(std::error_code& error) const noexcept;

  private:
    Version version_;
    bool wrote_ = false;
};

}  // namespace starling
