// The durable store of one node: SQLite in a directory of its own. All state is in memory; the file is what survives.
// docs/decisions/0030-the-store.md has the reasons and the figures.
//
//     recorder.applied(changeset, wall)      under the peer's lock, for all that Effects::persist names
//     batch = recorder.take(wall)            under the lock: what one transaction is to write
//     store.commit(*batch)                   without it: returns when all of that is durable
//     handle(DurableUpTo{batch->place})      and what waited for it leaves
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "store/database.hpp"
#include "store/disk_vfs.hpp"
#include "store/recorder.hpp"

namespace starling::store {

/// Of so many, entries and changesets together, roughly.
using Progress = std::function<void(std::uint64_t done, std::uint64_t of)>;

struct StoreOptions {
    std::string directory;  ///< made if it is not there, for its owner alone
    crdt::SpaceId space = 0;
    Disk* disk = nullptr;  ///< in place of the operating system's; then the directory is a beginning of names
    bool create = true;
    int checkpoint_pages = 1'000;  ///< of the log that SQLite writes ahead: so many, and they go to the file; 4 MiB
    std::string file = "store.db";
};

/// What the store takes, in bytes.
struct StoreSize {
    std::uint64_t file = 0, write_ahead = 0;
    std::uint64_t unused = 0;  ///< of the file: pages that are used again
};

class Store;

/// A copy that is made while the store is in use, some pages at a time; commits between the steps are part of it. Its
/// store outlives it.
class Backup {
  public:
    ~Backup();
    Backup(Backup&&) noexcept;
    Backup& operator=(Backup&&) = delete;
    /// False when it is complete and durable. After a fault a copy on a virtual disk is to be deleted; others leave no
    /// file unless they are complete.
    Outcome<bool> step(int pages = 256);
    static constexpr int all_pages = -1;

  private:
    friend class Store;
    struct Impl;
    static Outcome<Backup> begin(Database& from, const std::string& into_path, const std::string& vfs);
    static Outcome<bool> copy_whole(const std::string& from_path, const std::string& into_path, const std::string& vfs);
    explicit Backup(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Invariants: what a commit that returned true wrote is there at the next open, whatever happens between; what is
/// there is a beginning of what was committed, whole batches only. After a fault that does not pass (`may_pass`) it
/// takes no more commits, so that a failed sync is never taken for one that succeeded. Thread rule: one thread at a
/// time.
class Store {
  public:
    /// Opens or makes it, and brings an older format up to date. Nobody else can have it open meanwhile.
    static Outcome<std::unique_ptr<Store>> open(const StoreOptions& options);
    ~Store();

    /// Fills an empty replica. O(live + log).
    Outcome<Loaded> load(crdt::Replica& replica, const Progress& progress = {});
    /// All or nothing, and durable.
    Outcome<bool> commit(const Batch& batch);
    Outcome<std::map<crdt::Bytes, crdt::Bytes>> items(Room room);
    /// What the last commit met, if it did not succeed.
    const std::optional<StoreFault>& fault() const { return fault_; }

    Outcome<StoreSize> size();
    /// Begins a copy. `path` is a file that is not there yet, and is not there before the copy is complete.
    Outcome<Backup> backup(const std::string& path);
    /// Is every page, row and entry as it was written? Reads all of it.
    Outcome<bool> verify();

    /// A backup becomes the store of a directory that has none: whole and read back, or not at all.
    static Outcome<bool> restore(const std::string& backup, const StoreOptions& options);

  private:
    struct Statements;
    Store() = default;
    Outcome<bool> prepare();
    Outcome<bool> write(const Batch& batch);
    Outcome<bool> roll_back();
    StoreFault ended(StoreFault fault);

    std::unique_ptr<DiskVfs> vfs_;
    std::string path_;
    crdt::SpaceId space_ = 0;
    Database database_;
    std::unique_ptr<Statements> statements_;
    std::optional<StoreFault> fault_;
};

}  // namespace starling::store
