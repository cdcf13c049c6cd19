// Copies of a store, and what is found out about one.
#include <sqlite3.h>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"
#include "store/batch.hpp"
#include "store/files.hpp"
#include "store/store.hpp"

namespace starling::store {

namespace {
constexpr const char* copy_settings = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL";
static_assert(int(Room::agreement) == 4);
/// Whoever promised something as a voter must not forget it, and a copy is from before what was promised since. All of
/// it is in the file afterwards, and nothing beside it.
constexpr const char* forget_promises = "DELETE FROM item WHERE room = 4; PRAGMA wal_checkpoint(TRUNCATE)";

/// Where a copy grows before it gets its name, so that half of one is never taken for a whole.
std::string partial_of(const std::string& path) {
    return path + ".partial";
}

/// An empty file for a copy, instead of what an interrupted one left.
Outcome<bool> begin_partial(const std::string& path) {
    if (file_exists(path)) return StoreFault{StoreFaultCode::exists, path + ": there is a file already"};
    remove_file(partial_of(path));
    return make_new_file(partial_of(path));
}
}  // namespace

struct Backup::Impl {
    Database into;
    std::string path;  ///< that it gets when it is complete; empty: it has it
    sqlite3_backup* backup = nullptr;
    bool done = false;
    ~Impl() {
        if (backup != nullptr) sqlite3_backup_finish(backup);
        into = {};  // closes it
        if (!done && !path.empty()) remove_file(partial_of(path));
    }
};

Backup::Backup(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Backup::Backup(Backup&&) noexcept = default;
Backup::~Backup() = default;

Outcome<bool> Backup::step(int pages) {
    if (impl_->done) return false;
    const auto code = sqlite3_backup_step(impl_->backup, pages);
    if (code == SQLITE_OK) return true;
    const auto ended = sqlite3_backup_finish(std::exchange(impl_->backup, nullptr));
    if (code != SQLITE_DONE || ended != SQLITE_OK) return impl_->into.fault();
    if (!crdt::mutant(crdt::Mutant::copies_vote)) {
        if (auto forgotten = impl_->into.execute(forget_promises); !forgotten) return forgotten;
    }
    impl_->into = {};
    if (!impl_->path.empty()) {
        if (auto named = rename_new_file(partial_of(impl_->path), impl_->path); !named) return named;
    }
    impl_->done = true;
    return false;
}

Outcome<Backup> Backup::begin(Database& from, const std::string& into_path, const std::string& vfs) {
    auto into = Database::open(into_path, vfs, true);
    if (!into) return into.fault();
    auto impl = std::make_unique<Impl>();
    impl->into = std::move(*into);
    if (auto set = impl->into.execute(copy_settings); !set) return set.fault();
    impl->backup = sqlite3_backup_init(impl->into.handle(), "main", from.handle(), "main");
    if (impl->backup == nullptr) return impl->into.fault();
    return Backup(std::move(impl));
}

Outcome<Backup> Store::backup(const std::string& path) {
    if (vfs_) return Backup::begin(database_, path, vfs_->name());
    if (auto made = begin_partial(path); !made) return made.fault();
    auto begun = Backup::begin(database_, partial_of(path), {});
    if (begun)
        begun->impl_->path = path;
    else
        remove_file(partial_of(path));
    return begun;
}

Outcome<bool> Store::verify() {
    auto pragma = database_.prepare("PRAGMA integrity_check(1)");
    if (!pragma) return pragma.fault();
    auto row = pragma->step();
    if (!row) return row;
    const std::string said(pragma->bytes(0));
    pragma->reset();
    if (said != "ok") return StoreFault{StoreFaultCode::corrupt, path_ + ": the store is damaged: " + said};
    crdt::Replica replica(space_);
    auto loaded = load(replica);
    if (!loaded) return loaded.fault();
    loaded->lives.check(replica.state());
    return true;
}

/// All of a database into another, which is not there yet, or empty.
Outcome<bool> Backup::copy_whole(const std::string& from_path, const std::string& into_path, const std::string& vfs) {
    auto from = Database::open(from_path, vfs, false);
    if (!from) return from.fault();
    if (auto set = from->execute(copy_settings); !set) return set;
    const auto format = from->integer("PRAGMA user_version");
    if (!format) return format.fault();
    if (*format == 0) return StoreFault{StoreFaultCode::corrupt, from_path + ": this is no backup of a store"};
    auto copy = begin(*from, into_path, vfs);
    if (!copy) return copy.fault();
    auto more = copy->step(all_pages);
    STARLING_ASSERT(!more || !*more, "all pages are all there are");
    return more ? Outcome<bool>(true) : more;
}

Outcome<bool> Store::restore(const std::string& backup, const StoreOptions& options) {
    const auto path = options.directory + "/" + options.file;
    const bool there = options.disk != nullptr ? options.disk->exists(path) : file_exists(path);
    if (there)
        return StoreFault{StoreFaultCode::exists, path + ": there is a store already; a backup is restored beside it"};
    auto growing = options;
    std::unique_ptr<DiskVfs> vfs;
    if (options.disk != nullptr) {
        vfs = std::make_unique<DiskVfs>(*options.disk);
    } else {
        growing.file = partial_of(options.file);
        remove_file(partial_of(path));
        if (auto made = make_private_file(options.directory, partial_of(path)); !made) return made;
    }
    const auto copy = options.directory + "/" + growing.file;
    auto restored = Backup::copy_whole(backup, copy, vfs ? vfs->name() : std::string());
    if (restored) {
        auto store = open(growing);
        restored = store ? (*store)->verify() : Outcome<bool>(store.fault());
    }
    if (restored && copy != path) restored = rename_new_file(copy, path);
    if (restored) return restored;
    // What came of it is no store.
    if (options.disk == nullptr)
        remove_file(copy);
    else if (options.disk->exists(copy))
        options.disk->remove(copy);
    return restored;
}

}  // namespace starling::store
