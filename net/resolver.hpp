// Turns names into addresses without keeping the network thread waiting: getaddrinfo may take many seconds where a name
// server does not answer, and it cannot be interrupted.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "net/address.hpp"

namespace starling::net {

constexpr std::size_t addresses_per_name_max = 4;

/// One look-up at a time, each on a thread of its own that shares nothing with this object but a small record;
/// destroying the resolver does not wait for it. One thread owns a Resolver.
class Resolver {
  public:
    Resolver();
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    bool busy() const { return record_ != nullptr; }
    /// Starts a look-up; only when not busy(). False: no thread could be had, try later.
    bool start(const HostPort& what);
    struct Answer {
        HostPort what;
        std::vector<SocketAddress> addresses;  ///< addresses_per_name_max at most; none: no such name, or no answer
    };
    /// The answer, once it is there; then the resolver is free again.
    std::optional<Answer> take();

  private:
    struct Record;
    std::shared_ptr<Record> record_;
};

}  // namespace starling::net
