// What a majority decides, on a real node: the voter that this node is, the proposer that any member is, its locks and
// changes of voters. agree/ decides; this carries: messages to links and the disk, results to whoever waits.
//
// The network thread brings what came and what is due, the storage thread says what is durable, applications' threads
// ask and wait. All of it is behind one lock, under which no other lock of the node is taken but those of the storage,
// the watchers and the waker, and under which the functions of `change` run.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <vector>

#include <starling/agreed.hpp>
#include <starling/lock.hpp>

#include "agree/lock.hpp"
#include "agree/proposer.hpp"
#include "agree/transition.hpp"
#include "net/flow.hpp"
#include "node/lock_hold.hpp"
#include "peer/voter.hpp"

namespace starling::detail {

/// Of what is to be sent and the network thread has not taken; more is dropped, and asked again.
inline constexpr std::size_t unsent_bytes_max = std::size_t{16} << 20;
/// Of that, to one node: what a link takes at once, so that no node's questions crowd out the answers to others.
inline constexpr std::size_t unsent_of_one_bytes_max = net::aside_window_bytes;
inline constexpr std::chrono::milliseconds leave_ms_max{300};  ///< for locks to be given up when the node closes

/// True on a thread that is inside the function of a `change`, under the lock of an Agreement.
bool inside_change();
/// Throws Errc::would_deadlock there: the locks of the node are taken before that one, never under it.
void require_not_changing();

/// Microseconds of a clock that only grows, also while the machine sleeps: CLOCK_BOOTTIME.
std::uint64_t boot_us();

/// What it needs of the node around it. They return at once, and may be called under the lock.
struct AgreementHooks {
    std::function<void()> to_disk;     ///< there are writes for the next batch
    std::function<void()> to_network;  ///< there is something to send, or to be done earlier than was said
    std::function<bool(std::function<void()>)> tell;  ///< runs it on the watcher thread; false: too much waits there
    std::function<std::uint64_t()> random;
};

/// Thread rule: thread-safe. Invariants: what `take_sends` gives tells nothing that is not durable; a call that waits
/// ends by its deadline, or when the node is closed.
class Agreement {
  public:
    Agreement(const crdt::NodeKey& self, peer::Voter voter, AgreementHooks hooks);

    // -- the network thread
    struct Send {
        crdt::NodeKey to{};
        crdt::Bytes bytes;
    };
    void linked(const crdt::NodeKey& peer);
    void unlinked(const crdt::NodeKey& peer);
    /// False: the peer breaks the protocol.
    bool received(const crdt::NodeKey& from, crdt::BytesView bytes);
    void tick();
    std::vector<Send> take_sends();
    /// When the next `tick` is due, as `boot_us`.
    std::uint64_t due_us();

    // -- the storage thread
    std::vector<store::Item> take_writes();
    void written();
    void disk_failed();

    // -- applications' threads
    /// Runs one operation. Throws what `Agreed` says.
    AgreedResult run(const crdt::Bytes& key, const AgreedChange& change, std::chrono::milliseconds within,
                     ChangeId* id);
    /// Waits for the lock; nothing where it is somebody else's to the end, or the wish was stopped.
    std::shared_ptr<LockHold> acquire(const crdt::Bytes& key, agree::LockWish wish, std::chrono::milliseconds within,
                                      const LockOptions& options);
    bool holds(const LockHold& hold) const;
    void release(const std::shared_ptr<LockHold>& hold) noexcept;

    Voters voters() const;
    /// `may_found`: this node may make the first record, where nobody that is linked knows of one.
    void set_voters(const std::vector<crdt::NodeKey>& nodes, bool may_found, std::chrono::milliseconds within);

    /// Whoever waits is told that the node closes; locks are given up, for leave_ms_max at most, while the threads run.
    void leave();
    void check() const;

  private:
    struct Member {
        std::uint64_t asked = 0;         ///< the id of the question who it is
        std::optional<crdt::Life> life;  ///< of its voter's role; 0: it does not vote
    };
    struct Call {
        std::condition_variable done;
        std::optional<agree::OperationResult> result;
    };
    using Guard = std::unique_lock<std::mutex>;

    void take(const crdt::NodeKey& from, const agree::Reply& reply);
    void identify(const crdt::NodeKey& peer);
    void send(const crdt::NodeKey& to, const agree::Message& message);
    void settle(bool wake);
    bool hand_out();
    bool carry();
    bool share_records();
    void hear(const std::shared_ptr<LockHold>& hold, const agree::LockEvent& event);
    void end(const std::shared_ptr<LockHold>& hold);
    void tell_losses();
    void advance(std::uint64_t now_us);
    std::uint64_t next_due_us() const;
    void require_open() const;
    void await_record(Guard& lock, std::uint64_t deadline_us, const std::stop_token& stop = {});
    bool all_known(Guard& lock, std::uint64_t deadline_us);
    void found(Guard& lock, const std::vector<crdt::NodeKey>& nodes, std::uint64_t deadline_us);
    std::vector<agree::Voter> named(const std::vector<crdt::NodeKey>& nodes) const;
    void wait_until(Guard& lock, std::condition_variable& changed, std::uint64_t deadline_us,
                    const std::function<bool()>& met);

    const crdt::NodeKey self_;
    const crdt::ReplicaId proposing_;  ///< this life of the proposer
    const AgreementHooks hooks_;

    mutable std::mutex mutex_;  // guards what follows
    peer::Voter voter_;
    std::unique_ptr<agree::Proposer> proposer_;  ///< from the first record that is known
    std::unique_ptr<agree::Transition> transition_;
    std::uint64_t shared_epoch_ = 0;           ///< of the record that was told to all of these, and to the links
    std::map<crdt::NodeKey, Member> members_;  ///< that are linked
    std::uint64_t last_question_;
    std::uint64_t ask_again_us_ = UINT64_MAX;  ///< who the voters are
    std::size_t need_record_ = 0;              ///< threads that wait for one
    std::condition_variable changed_;          ///< records, transitions, members
    std::multimap<agree::OperationId, Call*> calls_;
    std::multimap<crdt::Bytes, std::shared_ptr<LockHold>> holds_;
    std::vector<std::shared_ptr<LockHold>> lost_;  ///< of which nobody was told yet
    std::vector<Send> unsent_;
    std::size_t unsent_bytes_ = 0;
    std::map<crdt::NodeKey, std::size_t> unsent_of_;  ///< bytes, by node
    std::uint64_t told_due_us_ = UINT64_MAX;          ///< what the network thread was told last
    bool closing_ = false;
};

}  // namespace starling::detail
