#include "store/store.hpp"

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"
#include "store/files.hpp"
#include "store/rows.hpp"
#include "store/schema.hpp"
#include "store/statements.hpp"

namespace starling::store {

using namespace crdt;

namespace {

constexpr std::uint64_t unused_bytes_kept = 1 << 20;  // of the file; past it, and past a quarter, pages go back
constexpr const char* give_back = "PRAGMA incremental_vacuum(64)";

const Bytes space_key = "space";

StoreFault fault_at(const std::string& path, StoreFault fault) {
    fault.what = path + ": " + fault.what;
    return fault;
}

}  // namespace

Outcome<std::unique_ptr<Store>> Store::open(const StoreOptions& options) {
    std::unique_ptr<Store> store(new Store);
    store->path_ = options.directory + "/" + options.file;
    store->space_ = options.space;
    if (options.disk != nullptr) {
        store->vfs_ = std::make_unique<DiskVfs>(*options.disk);
    } else if (options.create) {
        if (auto made = make_private_file(options.directory, store->path_); !made) return made.fault();
    }
    const auto vfs = store->vfs_ ? store->vfs_->name() : std::string();
    auto database = Database::open(store->path_, vfs, options.create && options.disk != nullptr);
    if (!database) return database.fault();
    store->database_ = std::move(*database);
    if (auto prepared = prepare_schema(store->database_, options.checkpoint_pages); !prepared)
        return fault_at(store->path_, prepared.fault());
    if (auto prepared = store->prepare(); !prepared) return fault_at(store->path_, prepared.fault());
    return store;
}

Store::~Store() = default;

Outcome<bool> Store::prepare() {
    statements_ = std::make_unique<Statements>();
    if (auto prepared = statements_->prepare(database_); !prepared) return prepared;
    auto known = items(Room::store);
    if (!known) return known.fault();
    const auto at = known->find(space_key);
    if (at == known->end()) {
        Batch batch;
        batch.items.push_back({Room::store, space_key, pack_int(std::int64_t(space_))});
        return commit(batch);
    }
    if (integer_value(at->second) != std::int64_t(space_))
        return StoreFault{StoreFaultCode::corrupt, "the store is of another space"};
    return true;
}

// -- commits
// -------------------------------------------------------------------------------------------------------------

/// A fault that does not pass ends the store.
StoreFault Store::ended(StoreFault fault) {
    fault = fault_at(path_, std::move(fault));
    fault_ = fault;
    return fault;
}

Outcome<bool> Store::commit(const Batch& batch) {
    if (fault_ && !may_pass(fault_->code) && !mutant(Mutant::failed_store_goes_on))
        return StoreFault{StoreFaultCode::failed, "the store takes no more: " + fault_->what};
    auto written = roll_back();  // of a commit that failed where there was no memory to undo it
    if (written) written = write(batch);
    if (written) {
        fault_.reset();
        return true;
    }
    // Nothing of it is kept, so it may be tried again as a whole.
    if (auto back = roll_back(); !back && !may_pass(back.fault().code)) return ended(back.fault());
    return ended(written.fault());
}

/// Unless SQLite did it by itself.
Outcome<bool> Store::roll_back() {
    return database_.in_transaction() ? database_.execute("ROLLBACK") : Outcome<bool>(true);
}

Outcome<bool> Store::write(const Batch& batch) {
    auto& on = *statements_;
    if (auto begun = on.begin.run(); !begun) return begun;
    for (const auto& [origin, seq] : batch.erased) {
        if (auto run = on.erase_entry.bind(0, std::int64_t(origin)).bind(1, std::int64_t(seq)).run(); !run) return run;
    }
    for (const auto& row : batch.entries) {
        if (auto run = on.put_entry(row); !run) return run;
    }
    for (const auto& row : batch.log) {
        const bool last = &row == &batch.log.back();
        if (auto run = on.put_log(row, last ? batch.mark : std::nullopt); !run) return run;
    }
    for (const auto& row : batch.chunks) {
        const BytesView node(reinterpret_cast<const char*>(row.node.data()), row.node.size());
        const auto lives = with_sum(row.lives);
        if (auto run = on.put_chunk.bind(0, std::int64_t(row.number)).bind(1, node).bind(2, lives).run(); !run)
            return run;
    }
    if (batch.fold) {
        if (auto run = on.put({Room::store, fold_key, with_sum(encode_fold(*batch.fold))}); !run) return run;
    }
    for (const auto& item : batch.items) {
        if (auto run = on.put(item); !run) return run;
    }
    if (batch.trim_through > 0) {
        if (auto run = on.trim_log.bind(0, std::int64_t(batch.trim_through)).run(); !run) return run;
        auto size = this->size();
        if (!size) return size.fault();
        if (size->unused > unused_bytes_kept && size->unused > size->file / 4) {
            if (auto run = database_.execute(give_back); !run) return run;
        }
    }
    return on.commit.run();
}

Outcome<std::map<Bytes, Bytes>> Store::items(Room room) {
    std::map<Bytes, Bytes> found;
    auto& select = statements_->items_of.bind(0, std::int64_t(room));
    while (true) {
        auto row = select.step();
        if (!row) return fault_at(path_, row.fault());
        if (!*row) return found;
        found.emplace(select.bytes(0), select.bytes(1));
    }
}

Outcome<StoreSize> Store::size() {
    const auto page = database_.integer("PRAGMA page_size");
    if (!page) return page.fault();
    const auto pages = database_.integer("PRAGMA page_count");
    if (!pages) return pages.fault();
    const auto unused = database_.integer("PRAGMA freelist_count");
    if (!unused) return unused.fault();
    StoreSize size;
    size.file = std::uint64_t(*pages * *page);
    size.unused = std::uint64_t(*unused * *page);
    size.write_ahead = database_.write_ahead_bytes();
    return size;
}

}  // namespace starling::store
