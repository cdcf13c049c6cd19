// The heart of an open node: the peer behind one lock, and everything that stands around it. Applications' threads come
// in through handles and `transact`; the network thread comes in through `handle`; watchers and waiters are told of
// both.
//
// Locks, in the order taken: the peer's, then that of the watchers. User code runs under the first only in `transact`,
// under neither in a watcher.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include <starling/error.hpp>
#include <starling/handles.hpp>
#include <starling/options.hpp>
#include <starling/status.hpp>
#include <starling/transaction.hpp>

#include "node/change_log.hpp"
#include "node/directory.hpp"
#include "node/fair_mutex.hpp"
#include "node/log.hpp"
#include "node/network.hpp"
#include "node/watchers.hpp"
#include "peer/peer.hpp"

namespace starling::detail {

/// True on a thread that is inside `transact` of any node.
bool inside_transaction();

/// Thread-safe, except construction and destruction. Invariant: the network thread runs until close() and not after it.
class Core final : private NetworkDriver {
  public:
    static CorePtr open(const Options& options);
    ~Core() override;

    Commit transact(const std::function<void(Tx&)>& write);

    /// Runs `look(const peer::Peer&)` with writers held off; on a thread inside `transact` of this node it sees what is
    /// not committed yet. Throws Errc::nested_transaction inside that of another node.
    template <class Look>
    auto read(Look look) const {
        if (look_inside()) return look(std::as_const(peer_));
        const std::lock_guard lock(mutex_);
        return look(std::as_const(peer_));
    }

    /// The same with the window closed first, so that no entry's depth changes any more. Throws
    /// Errc::nested_transaction inside `transact`, where it cannot be closed.
    template <class Look>
    auto read_settled(Look look) {
        if (inside_transaction()) throw Error(Errc::nested_transaction, "events are read outside transact");
        const std::lock_guard lock(mutex_);
        settle();
        return look(std::as_const(peer_));
    }

    /// The same, with what changed lately: `look(const peer::Peer&, ChangeLog&)`.
    template <class Look>
    auto read_changes(Look look) {
        return read_settled([&](const peer::Peer& peer) { return look(peer, change_log_); });
    }

    bool wait_synced(std::chrono::milliseconds timeout);
    bool wait_until(const crdt::Version& version, std::chrono::milliseconds timeout);

    Watchers& watchers() const { return *watchers_; }
    Network& network() const { return *network_; }
    const crdt::NodeKey& node_key() const { return node_key_; }
    const net::MeshSecret& mesh() const { return mesh_; }
    /// Closes the open window first, except inside `transact`.
    Status status();

    /// Throws Errc::closed once it is.
    void require_open() const;
    /// Throws Errc::would_deadlock where waiting for the node's own threads would never end.
    void require_may_wait() const;
    void close();
    void check() const;

  private:
    struct Parts;
    Core(const Options& options, Parts parts);

    gossip::Effects handle(const gossip::Input& input) override;
    gossip::Status peer_status() override;
    bool look_inside() const;
    void settle();
    bool wait(std::chrono::milliseconds timeout, const std::function<bool()>& met);
    void delivered(const gossip::Delivered& delivered, const gossip::Now& now);
    void warn_of_clock(const crdt::NodeKey& node, const gossip::Now& now);
    void changed();

    std::optional<Directory> dir_;  // its lock
    const crdt::NodeKey node_key_;
    const net::MeshSecret mesh_;
    const Log log_;
    const std::function<void(const NodeId&)> wrong_clock_;

    mutable FairMutex mutex_;  // guards what follows, up to the watchers
    peer::Peer peer_;
    std::map<crdt::NodeKey, std::uint64_t> warned_mono_us_;  // of a wrong clock
    bool closed_ = false;
    std::size_t waiters_ = 0;
    ChangeLog change_log_;
    std::condition_variable_any changed_;

    std::shared_ptr<Watchers> watchers_;
    std::mutex closing_;
    std::unique_ptr<Network> network_;
};

}  // namespace starling::detail

namespace starling {

struct Tx::Inner {
    detail::Core& core;
    crdt::Transaction& transaction;
    std::optional<Error> error;  ///< the first; the transaction is lost

    /// Remembers why the transaction is lost, and throws it.
    [[noreturn]] void fail(const Error& why);
    void fail_if_faulty();
};

}  // namespace starling
