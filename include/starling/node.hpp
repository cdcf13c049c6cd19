// A node: replicated data in this process, kept in step with the other nodes of its mesh by a thread of its own.
//
// Every call is thread-safe, except moving, destroying and assigning the Node. Calls throw starling::Error; those that
// take a std::error_code& report there instead. Reads and writes work on what this node holds and wait for neither
// network nor disk, except that writers wait while `Options::unstored_bytes_max` are on their way to a slow disk. In
// memory mode nothing pushes back on writers; memory is the bound.
//
// When the disk fails, reads go on and so does gossip of what is on it; writes throw Errc::disk_failed until the node
// is opened again. When it is full they throw Errc::disk_full until there is space.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <starling/advisory.hpp>
#include <starling/agreed.hpp>
#include <starling/changes.hpp>
#include <starling/commit.hpp>
#include <starling/error.hpp>
#include <starling/events.hpp>
#include <starling/export.hpp>
#include <starling/fenced.hpp>
#include <starling/handles.hpp>
#include <starling/lock.hpp>
#include <starling/membership.hpp>
#include <starling/options.hpp>
#include <starling/projection.hpp>
#include <starling/queue.hpp>
#include <starling/status.hpp>
#include <starling/transaction.hpp>
#include <starling/watch.hpp>

namespace starling {

/// Moves only. Destroying it closes it. A node that was moved from, or failed to open, throws Errc::closed.
class STARLING_API Node {
  public:
    /// Makes what is missing in the directory, reads its data, listens, and starts to look for peers. Throws
    /// Errc::dir_in_use, dir_unusable, key_malformed, key_exposed, key_sealed, mesh_differs, join_code_malformed,
    /// join_code_expired, network_unavailable, invalid_argument, disk_full, disk_failed, store_damaged, store_newer.
    static Node open(const Options& options = {});
    /// On an error the returned node is false.
    static Node open(const Options& options, std::error_code& error);

    /// Makes a mesh of its own for a directory, whose node is its first admin, and returns a join code, without opening
    /// it. Whoever has the code can join: show it to nobody else. Throws Errc::mesh_exists, key_sealed, dir_in_use,
    /// dir_unusable.
    static std::string create_mesh(const std::filesystem::path& dir, const Unlock& unlock = {});
    static std::string create_mesh(const std::filesystem::path& dir, std::error_code& error, const Unlock& unlock = {});
    /// Makes a directory belong to the mesh of a join code, without opening it, and returns what the node is now.
    /// Joining the same mesh again is no error: of what the node was and what the code grants, the higher role counts,
    /// and of one role the later end. Addresses in the code are kept and tried at every open. Throws
    /// Errc::mesh_differs, join_code_malformed, join_code_expired, key_sealed, dir_in_use, dir_unusable.
    static Standing join(const std::filesystem::path& dir, const std::string& code, const Unlock& unlock = {});
    static Standing join(const std::filesystem::path& dir, const std::string& code, std::error_code& error,
                         const Unlock& unlock = {});

    /// Makes a directory hold the data of a backup. It keeps the keys it has, or gets its own with the next open, so
    /// the same backup may be restored on many nodes. Throws Errc::file_exists where the directory holds data,
    /// store_damaged, store_newer, disk_full, disk_failed, dir_in_use, dir_unusable.
    static void restore(const std::filesystem::path& backup, const std::filesystem::path& dir);
    static void restore(const std::filesystem::path& backup, const std::filesystem::path& dir, std::error_code& error);
    /// Reads all data of a directory that is not open, and throws Errc::store_damaged, with what is wrong, unless it is
    /// exactly what was written; else as `open`. False where there is none.
    static bool check_store(const std::filesystem::path& dir);
    static bool check_store(const std::filesystem::path& dir, std::error_code& error);

    Node() = default;
    Node(Node&& other) noexcept;
    Node& operator=(Node&& other) noexcept;
    ~Node();
    explicit operator bool() const { return core_ != nullptr; }

    /// Sends what is written, says goodbye and ends the node's threads; takes a few hundred milliseconds at most
    /// besides a running watcher, which is waited for. Idempotent. Throws Errc::would_deadlock inside a watcher or
    /// `transact`; the destructor is allowed inside a watcher,
    /// and ends the process inside the node's own `transact`.
    void close();

    // -- data; handles are made without any look at the data. Keys are text of 1 to 1024 bytes; throws
    // Errc::invalid_argument for others. "/" makes prefixes for `watch` and `keys`.
    Counter counter(std::string key) const { return {handle_core(key), std::move(key)}; }
    template <Field T>
    Set<T> set(std::string key) const {
        return {handle_core(key), std::move(key)};
    }
    template <Field K, Storable V>
    Map<K, V> map(std::string key) const {
        return {handle_core(key), std::move(key)};
    }
    template <Storable T>
    Register<T> reg(std::string key) const {
        return {handle_core(key), std::move(key)};
    }
    template <Storable T>
    MultiValue<T> multi_value(std::string key) const {
        return {handle_core(key), std::move(key)};
    }
    Flag flag(std::string key) const { return {handle_core(key), std::move(key)}; }
    template <Storable T>
    Journal<T> journal(std::string key) const {
        return {handle_core(key), std::move(key)};
    }

    /// The events of all journals under a prefix ("" is all) as one feed: events.hpp.
    template <Storable T>
    Events<T> events(std::string prefix = {}) const {
        return {open_core(), std::move(prefix), false};
    }

    /// Runs `write(tx)` at once, on this thread, with readers and writers of this node held off; what it wrote becomes
    /// visible as one when it returns. An exception out of it rolls everything back and passes through. Inside it,
    /// another transaction or a write through a handle throws Errc::nested_transaction. Throws Errc::too_large, and
    /// what Tx throws.
    Commit transact(const std::function<void(Tx&)>& write) const;
    /// Errors of Starling go to `error`, after a rollback; other exceptions out of `write` pass through.
    Commit transact(const std::function<void(Tx&)>& write, std::error_code& error) const;

    /// Calls `changed` on the watcher thread for each transaction, own or other, that touches a key under `prefix` (""
    /// is all but the mesh's own), from now on. See watch.hpp for order, bounds and the end of a subscription.
    [[nodiscard]] Subscription watch(std::string prefix, std::function<void(const Changes&)> changed) const;

    /// What may have changed under a prefix since a cursor, as it reads now (changes.hpp), or that it must be read
    /// anew. A node remembers from the first call on, change_log_bytes_max of it. Ends the flush window of own writes.
    /// Throws Errc::nested_transaction inside `transact`. O(what is remembered).
    ChangesSince changes(const Cursor& cursor, std::string_view prefix = {}) const;

    /// The keys under a prefix that hold anything, by type, then in byte order; the mesh's own, which begin with
    /// "$mesh/", only where the prefix does. O(keys found · log n).
    std::vector<KeyInfo> keys(std::string_view prefix = {}) const;
    /// Why this reads as it does: its live entries, the one that decides first. `field` is a set's element or a map's
    /// field; nil for other types. Empty when there is nothing.
    std::vector<Reason> explain(Type type, std::string_view key, const Value& field = {}) const;

    // -- being in step
    /// What this node holds, own writes included.
    Version version() const;
    /// Waits until there is a linked peer and every linked peer is known to hold exactly what this node holds. Without
    /// any peer it waits for a first one. False at the timeout. Throws Errc::would_deadlock inside a watcher or
    /// `transact`, and Errc::closed when the node is closed meanwhile.
    bool wait_synced(std::chrono::milliseconds timeout) const;
    bool wait_synced(std::chrono::milliseconds timeout, std::error_code& error) const;
    /// Waits until this node has seen `version`: another node's `version()`, or that of a Commit. As above.
    bool wait_until(const Version& version, std::chrono::milliseconds timeout) const;
    bool wait_until(const Version& version, std::chrono::milliseconds timeout, std::error_code& error) const;
    /// Sends what is in the flush window now. Returns at once.
    void flush() const;

    // -- the disk
    /// Writes a copy of the node's data to a file that is not there yet, while all goes on, and returns when it is
    /// durable. It holds all that was durable when this was called, and may hold more; no keys. Throws
    /// Errc::not_durable in memory mode, file_exists, disk_full, disk_failed, dir_unusable, would_deadlock inside
    /// `transact`, closed.
    void backup(const std::filesystem::path& file) const;
    /// Where projections of this node may keep snapshots: in its directory, never ahead of the data that they were made
    /// from, whatever a crash loses; in memory mode in memory. `save` throws Errc::too_large past snapshot_bytes_max or
    /// a name of 1,024 bytes, and closed; both calls throw Errc::nested_transaction inside `transact`.
    std::shared_ptr<SnapshotStore> snapshots() const;
    void backup(const std::filesystem::path& file, std::error_code& error) const;

    // -- the mesh
    NodeId id() const;
    /// An invitation, as a join code with this node's present addresses; each call makes another. Throws
    /// Errc::not_admin, invalid_argument.
    std::string invite(const Invitation& invitation = {}) const;
    std::string invite(const Invitation& invitation, std::error_code& error) const;
    /// The same with the default terms: a keeper, without end, for any number of nodes.
    std::string join_code() const;
    /// Everybody who was ever opened in this mesh, as far as this node has heard, ascending by id. O(members).
    std::vector<Member> members() const;
    /// Puts a node out, or an invitation and all who joined with it; whoever was let in by a node that is put out goes
    /// with it. A record in the data says so to everybody: links are closed at once, and nobody lets them in, also
    /// after a restart and offline. What they wrote stays, and what they write from now on reaches only nodes that do
    /// not know yet, which may pass it on. There is no way back: who was put out by mistake joins with another code, a
    /// node with another key. `itself` allows this node, or what vouches for it. False where that was known already.
    /// Throws Errc::not_admin, no_such_member, invalid_argument (this node, unless `itself`), and as `transact`.
    bool revoke(const NodeId& node_or_invitation, bool itself = false) const;
    bool revoke(const NodeId& node_or_invitation, std::error_code& error, bool itself = false) const;
    /// Makes a new secret of the mesh, for beacons and the first test at the door, and returns its number. It reaches
    /// the members that are not revoked, and new join codes; members that were away still get in by an earlier one and
    /// learn it then. Revoke first, then rotate. Throws Errc::not_admin, invalid_argument (there is no higher number),
    /// and as `transact`.
    std::uint32_t rotate() const;
    std::uint32_t rotate(std::error_code& error) const;
    /// O(peers + replicas). Figures of links may be a tenth of a second old.
    Status status() const;
    std::vector<PeerStatus> peers() const;
    /// Why it may not meet other nodes, the gravest first; it tells more some seconds after the open. As `status`.
    std::vector<Finding> diagnose() const;
    /// One more "host:port" to dial until linked. Throws Errc::invalid_argument for text that is no address.
    void add_peer(const std::string& address) const;
    void add_peer(const std::string& address, std::error_code& error) const;
    /// A fault switch for tests and drills: links to these nodes are cut and refused until a later call leaves them
    /// out. Takes effect within a few milliseconds.
    void block_peers(const std::set<NodeId>& nodes) const;

    // -- what a majority decides: agreed.hpp, lock.hpp, docs/coordination.md
    /// A register that all nodes agree on. Keys have 1 to `agreed_key_bytes_max` bytes.
    template <Storable T>
    Agreed<T> agreed(std::string key) const {
        return {open_core(), std::move(key)};
    }
    /// Waits until this node has the lock. `lost` is that of the options. Throws Errc::no_majority, where nobody said
    /// in time whose turn it is, invalid_argument, too_large, role_forbids (a reader), would_deadlock inside
    /// `transact`, closed.
    Lock lock(const std::string& name, std::chrono::milliseconds ttl, std::function<void()> lost = {}) const;
    /// False where it was somebody else's turn until `wait` was over, or `stop` ended it.
    Lock lock(const std::string& name, const LockOptions& options) const;
    Lock lock(const std::string& name, const LockOptions& options, std::error_code& error) const;
    /// False where it is somebody else's turn.
    Lock try_lock(const std::string& name, std::chrono::milliseconds ttl, std::function<void()> lost = {}) const;
    Lock try_lock(const std::string& name, const LockOptions& options) const;
    Lock try_lock(const std::string& name, const LockOptions& options, std::error_code& error) const;
    /// A map whose writes name a lock's token: fenced.hpp. Converges, and waits for nobody.
    template <Field K, Storable V>
    FencedMap<K, V> fenced_map(std::string key) const {
        return {handle_core(key), std::move(key)};
    }
    /// Who says that they have something: advisory.hpp. Converges, waits for nobody, and excludes nobody.
    AdvisoryLock advisory_lock(std::string key, std::chrono::milliseconds ttl = std::chrono::seconds(10)) const {
        return {open_core(), std::move(key), id(), ttl};
    }
    /// Who leads is who has the role; `ttl` as of locks.
    Election election(std::string role, std::chrono::milliseconds ttl = std::chrono::seconds(10)) const {
        return {open_core(), std::move(role), ttl};
    }
    /// A work queue: queue.hpp. Names have 1 to `queue_name_bytes_max` bytes. Throws Errc::invalid_argument, closed.
    template <Storable T>
    Queue<T> queue(std::string name, const QueueOptions& options = {}) const {
        return {open_core(), std::move(name), options};
    }
    /// Whose turn it is: a linearizable read. Throws as `Agreed::read`.
    LockState lock_state(const std::string& name, std::chrono::milliseconds within = decide_within) const;
    LockState lock_state(const std::string& name, std::chrono::milliseconds within, std::error_code& error) const;
    /// As far as this node knows. Does not wait.
    Voters voters() const;
    /// Changes who decides, to 1, 3, 5 or 7 linked nodes: in steps, under both majorities, one change at a time;
    /// returns when it is complete. On Errc::no_majority it may go on when it is asked for again. A mesh begins with
    /// its founder as the only voter; where it was founded before there were voters, or its directory was restored
    /// before any other was named, this makes the first record, once, on the node that has the admin key. Throws
    /// not_admin, invalid_argument (not linked, or in memory without `Options::vote_in_memory`), no_majority,
    /// would_deadlock, closed.
    void set_voters(const std::vector<NodeId>& nodes,
                    std::chrono::milliseconds within = std::chrono::seconds(10)) const;
    void set_voters(const std::vector<NodeId>& nodes, std::chrono::milliseconds within, std::error_code& error) const;

  private:
    explicit Node(detail::CorePtr core);
    detail::Core& core() const;
    detail::CorePtr handle_core(const std::string& key) const;
    detail::CorePtr open_core() const;

    detail::CorePtr core_;
};

}  // namespace starling
