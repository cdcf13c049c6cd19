// The thread that owns the store. It commits what the peer has applied, one batch after another; while it waits for the
// disk, what comes in gathers for the next batch, so a commit is shared by as many as came meanwhile.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <starling/options.hpp>

#include "peer/peer.hpp"
#include "peer/voter.hpp"
#include "store/store.hpp"

namespace starling::detail {

/// What the storage thread drives; called on that thread.
class StorageDriver {
  public:
    virtual ~StorageDriver() = default;
    /// What is to be committed next; nothing where nothing is.
    virtual std::optional<store::Batch> next_batch() = 0;
    /// The same, before the store is closed.
    virtual std::optional<store::Batch> last_batch() = 0;
    virtual void committed(store::Place place) = 0;
    /// The disk took no batch, for that reason. False: it is not to be tried again; what is taken from then on is not
    /// committed.
    virtual bool disk_refused(const store::StoreFault& fault) = 0;
    /// It takes batches again.
    virtual void disk_recovered() = 0;
};

/// What is known of the store; its size as it was a fifth of a second ago at most.
struct StorageFigures {
    store::StoreSize size;
    std::uint64_t commits = 0;
};

/// Thread rule: public calls are thread-safe; start and stop are called once each, by one thread. Invariant: batches
/// are committed in the order they are taken; after a fault that does not pass none is.
class Storage {
  public:
    Storage(StorageDriver& driver, std::unique_ptr<store::Store> store);
    ~Storage();

    void start();
    /// Commits what is left, and ends the thread.
    void stop();

    /// Something may be there to be committed.
    void work();
    /// Waits until all that was there when it was called is committed, or cannot be.
    void drain();
    /// A copy in a file that is not there yet, complete and durable when it returns. Commits go on meanwhile.
    store::Outcome<bool> backup(const std::string& path);
    StorageFigures figures() const;

  private:
    struct Copy {
        std::string path;
        std::optional<store::Outcome<bool>>* outcome;  ///< of who waits for it
        std::optional<store::Backup> backup = {};
    };
    void run();
    bool commit_one();
    bool commit(const store::Batch& batch);
    bool copy_some();
    void end_copy(const store::Outcome<bool>& outcome);
    void refresh(bool now);

    StorageDriver& driver_;
    std::thread thread_;

    mutable std::mutex mutex_;  // guards what follows, up to the figures
    std::condition_variable changed_;
    bool work_ = false, working_ = false, stopping_ = false;
    bool blocked_ = false;  ///< the disk took no batch; a retry is due, or none will be
    std::deque<Copy> copies_;
    StorageFigures figures_;

    // of the storage thread alone
    std::unique_ptr<store::Store> store_;
    std::optional<store::Batch> refused_;  ///< by a disk that had no room for it: comes first
    bool over_ = false;                    ///< the store takes no more
    std::uint64_t sized_commits_ = 0;      ///< of which the figures tell the size
    std::chrono::steady_clock::time_point refreshed_{};
};

/// Throws Errc::dir_in_use, dir_unusable, disk_full, disk_failed, store_damaged, store_newer.
std::unique_ptr<store::Store> open_store(const std::filesystem::path& dir, bool create = true);
/// With what the store holds. Throws the same.
std::unique_ptr<peer::Peer> open_peer(peer::Options made, store::Store& store, const Options& options);
/// With what the store holds of its promises; begins the role where there is none. In memory mode (no store) with this
/// life, 0: it does not vote. `founds`: with the first record of a mesh. Throws the same.
peer::Voter open_voter(const crdt::NodeKey& self, store::Store* store, bool founds, crdt::Life in_memory);
/// Of projections, by name. Throws the same.
std::map<std::string, std::string, std::less<>> stored_snapshots(store::Store& store);
/// A backup becomes the store of a directory that has none, and is read once. Throws as Node::restore.
void restore_store(const std::filesystem::path& backup, const std::filesystem::path& dir);
/// Throws unless all of it is as it was written, and what is sealed as it was signed.
void check_store(const std::filesystem::path& dir);

}  // namespace starling::detail
