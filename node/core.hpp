// The heart of an open node: the peer behind one lock, and everything that stands around it. Applications' threads come
// in through handles and `transact`; the network thread comes in through `handle`, the storage thread for batches;
// watchers and waiters are told of all.
//
// A write's way to the disk: `transact` leaves it in the window; the network thread cuts the window when its time has
// come, the storage thread when somebody waits; the storage thread takes a batch, commits it and tells the peer. What
// then may leave (rule 9) is left to the network thread, as is every effect that another thread brings about.
//
// Locks, in the order taken: the peer's, then that of the watchers. User code runs under the first only in `transact`,
// under neither in a watcher.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include <starling/error.hpp>
#include <starling/handles.hpp>
#include <starling/options.hpp>
#include <starling/projection.hpp>
#include <starling/status.hpp>
#include <starling/transaction.hpp>

#include "node/agreement.hpp"
#include "node/change_log.hpp"
#include "node/durable_top.hpp"
#include "node/fair_mutex.hpp"
#include "node/log.hpp"
#include "node/membership.hpp"
#include "node/mesh_book.hpp"
#include "node/network.hpp"
#include "node/queue_book.hpp"
#include "node/storage.hpp"
#include "node/watchers.hpp"
#include "peer/peer.hpp"

namespace starling::detail {

inline constexpr std::chrono::hours wait_max{24 * 365};  // so that any timeout can be added to the present

std::shared_ptr<SnapshotStore> snapshots_of(CorePtr core);

/// True on a thread that is inside `transact` of any node.
bool inside_transaction();

/// Thread-safe, except construction and destruction. Invariant: the network and the storage thread run until close()
/// and not after it.
class Core final : public std::enable_shared_from_this<Core>, private NetworkDriver, private StorageDriver {
  public:
    static CorePtr open(const Options& options);
    ~Core() override;

    Commit transact(const std::function<void(Tx&)>& write);

    /// Runs `look(const peer::Peer&)` with writers held off; on a thread inside `transact` of this node it sees what is
    /// not committed yet. Throws Errc::nested_transaction inside that of another node, and would_deadlock, as all that
    /// takes the lock, inside the function of a change.
    template <class Look>
    auto read(Look look) const {
        if (look_inside()) return look(std::as_const(*peer_));
        const std::lock_guard lock(mutex_);
        return look(std::as_const(*peer_));
    }

    /// The same with the window closed first, so that no entry's depth changes any more. Throws
    /// Errc::nested_transaction inside `transact`, where it cannot be closed.
    template <class Look>
    auto read_settled(Look look) {
        require_not_changing();
        if (inside_transaction()) throw Error(Errc::nested_transaction, "events are read outside transact");
        const std::lock_guard lock(mutex_);
        settle();
        return look(std::as_const(*peer_));
    }

    /// The same, with what changed lately: `look(const peer::Peer&, ChangeLog&)`.
    template <class Look>
    auto read_changes(Look look) {
        return read_settled([&](const peer::Peer& peer) { return look(peer, change_log_); });
    }

    bool wait_synced(std::chrono::milliseconds timeout);
    bool wait_until(const crdt::Version& version, std::chrono::milliseconds timeout);
    /// False at the timeout. What it throws: `Commit::durable`.
    bool wait_durable(const crdt::Dot& last, std::chrono::milliseconds timeout);
    std::future<void> when_durable(const crdt::Dot& last);
    void backup(const std::filesystem::path& file);
    /// Of a projection. Both throw Errc::nested_transaction inside `transact`; the first too_large, closed.
    void keep_snapshot(std::string_view name, std::string bytes);
    std::optional<std::string> snapshot(std::string_view name) const;

    Watchers& watchers() const { return *watchers_; }
    Network& network() const { return *network_; }
    Agreement& agreement() const { return *agreement_; }
    QueueBooks& queues() { return queues_; }
    Standing standing() const { return membership_.standing; }
    /// It has the key that the mesh was founded with.
    bool founder() const { return membership_.issuer && membership_.issuer->chain.empty(); }
    const crdt::NodeKey& node_key() const { return node_key_; }
    /// A new join code. Throws Errc::not_admin, invalid_argument.
    std::string invite(const Invitation& invitation) const;
    std::vector<Member> members() const;
    bool revoke(const net::NodeKey& key, bool itself);
    std::uint32_t rotate();
    /// Closes the open window first, except inside `transact`.
    Status status();
    std::vector<Finding> diagnose();

    /// Throws Errc::closed once it is.
    void require_open() const;
    /// Throws Errc::would_deadlock where waiting for the node's own threads would never end.
    void require_may_wait() const;
    void close();
    void check() const;

  private:
    struct Parts;
    Core(const Options& options, Parts parts);

    AgreementHooks agreement_hooks();
    std::vector<gossip::Effects> handle(const gossip::Input& input) override;
    Agreement& agreed() override { return *agreement_; }
    std::optional<store::Batch> with_promises(std::optional<store::Batch> batch);
    std::optional<store::Batch> peers_batch();
    std::optional<store::Batch> peers_last_batch();
    gossip::Status peer_status() override;
    void settle_store() override;
    bool look_at_records() override;
    std::optional<store::Batch> next_batch() override;
    std::optional<store::Batch> last_batch() override;
    void committed(store::Place place) override;
    bool disk_refused(const store::StoreFault& fault) override;
    bool writers_refused(const store::StoreFault& fault);
    void disk_recovered() override;
    void store_is_closed();

    // -- members.cpp
    void open_records();
    MeshBook::News look_at_some();
    Commit publish(const net::Bytes& record);
    void tell_network();
    bool take_secrets(std::optional<std::string>& trouble);
    void seal_for_the_rest();
    std::vector<net::NodeKey> to_seal_for(const net::Roster::SecretKey* told_of) const;
    net::MeshSecret secret() const;
    Revoked revoked(const net::DoorCounters& door) const;
    void require_unrevoked() const;
    net::Bytes revocation_of(const net::NodeKey& key, net::Subject what) const;

    bool look_inside() const;
    void feed(const gossip::Input& input);
    void settle();
    bool wait(std::chrono::milliseconds timeout, const std::function<bool()>& met);
    void delivered(const gossip::Delivered& delivered, const gossip::Now& now);
    void warn_of_clock(const crdt::NodeKey& node, const gossip::Now& now);
    void changed();
    std::optional<Error> why_not_durable(const crdt::Dot& last) const;
    bool settled(const crdt::Dot& last) const;
    void keep_promises();
    void publish_durable();
    void wait_for_the_disk(std::unique_lock<FairMutex>& lock);
    StoreStatus store_status(const StorageFigures& figures, const peer::Peer& peer) const;
    std::optional<store::Batch> taken(std::optional<store::Batch> batch);

    std::optional<Directory> dir_;  // its lock
    const net::Identity identity_;
    const crdt::NodeKey node_key_;
    const Settled membership_;                             // as it was at the open
    mutable std::mutex telling_;                           // guards the secret; taken before that of the book
    std::map<net::Roster::SecretKey, std::size_t> taken_;  ///< so many records of a secret that is known
    std::atomic<bool> untold_ = false;                     ///< the records say what the network was not told
    std::atomic<std::size_t> batches_untold_ = 0;          ///< of records that were looked at since
    net::MeshSecret secret_;
    MeshBook book_;
    const Log log_;
    const std::function<void(const NodeId&)> wrong_clock_;

    struct Promised {
        crdt::Dot last;
        std::promise<void> promise;
    };

    mutable FairMutex mutex_;  // guards what follows, up to the watchers
    const std::unique_ptr<peer::Peer> peer_;
    std::map<crdt::NodeKey, std::uint64_t> warned_mono_us_;  // of a wrong clock
    bool closed_ = false;
    std::size_t waiters_ = 0;
    ChangeLog change_log_;
    std::map<std::string, std::string, std::less<>> snapshots_;
    std::condition_variable_any changed_;
    std::vector<gossip::Effects> effects_;  // for the network thread, in order
    // -- with a store
    const std::size_t unstored_bytes_max_;
    std::size_t unstored_bytes_ = 0;     // applied or cut, and not committed
    std::size_t taken_bytes_ = 0;        // of those, in the batch that is being committed
    std::vector<Promised> promised_;     // in the order they were asked for
    std::optional<Error> disk_trouble_;  // why nothing can be written
    bool store_closed_ = false;
    DurableTop durable_top_;  // has a lock of its own

    QueueBooks queues_;  // has locks of its own
    std::shared_ptr<Watchers> watchers_;
    std::unique_ptr<Agreement> agreement_;
    bool peers_batch_ = false;  // of the storage thread: what is being committed is the peer's, too
    std::mutex closing_;
    std::unique_ptr<Storage> storage_;  // nullptr in memory mode
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
