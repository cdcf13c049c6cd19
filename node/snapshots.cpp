#include <starling/projection.hpp>

#include "crdt/limits.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling {

SnapshotStore::~SnapshotStore() = default;

void MemorySnapshots::save(std::string_view name, std::string bytes) {
    const std::lock_guard lock(mutex_);
    saved_.insert_or_assign(std::string(name), std::move(bytes));
}

std::optional<std::string> MemorySnapshots::load(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto at = saved_.find(name);
    return at == saved_.end() ? std::nullopt : std::optional(at->second);
}

}  // namespace starling

namespace starling::detail {

namespace {

const std::string snapshot_prefix = "snapshot/";  // of the names of items in the store

class NodeSnapshots final : public SnapshotStore {
  public:
    explicit NodeSnapshots(CorePtr core) : core_(std::move(core)) {}
    void save(std::string_view name, std::string bytes) override { core_->keep_snapshot(name, std::move(bytes)); }
    std::optional<std::string> load(std::string_view name) override { return core_->snapshot(name); }

  private:
    CorePtr core_;
};

}  // namespace

std::shared_ptr<SnapshotStore> snapshots_of(CorePtr core) {
    return std::make_shared<NodeSnapshots>(std::move(core));
}

std::map<std::string, std::string, std::less<>> stored_snapshots(store::Store& store) {
    auto items = store.items(store::Room::application);
    if (!items) throw Error(error_of(items.fault()));
    std::map<std::string, std::string, std::less<>> snapshots;
    for (auto& [key, value] : *items) {
        if (key.starts_with(snapshot_prefix)) snapshots.emplace(key.substr(snapshot_prefix.size()), std::move(value));
    }
    return snapshots;
}

/// The reading that it was made from has closed the window, so what it folded goes to the disk with it or before.
void Core::keep_snapshot(std::string_view name, std::string bytes) {
    if (name.size() > crdt::key_bytes_max || bytes.size() > snapshot_bytes_max)
        throw Error(Errc::too_large, "a snapshot has at most 64 MiB, and a name of 1,024 bytes");
    require_not_changing();
    if (inside_transaction()) throw Error(Errc::nested_transaction, "a snapshot is kept outside transact");
    const std::lock_guard lock(mutex_);
    if (closed_) throw Error(Errc::closed);
    if (storage_) {
        peer_->keep({store::Room::application, snapshot_prefix + std::string(name), bytes});
        storage_->work();
    }
    snapshots_.insert_or_assign(std::string(name), std::move(bytes));
}

std::optional<std::string> Core::snapshot(std::string_view name) const {
    require_not_changing();
    if (inside_transaction()) throw Error(Errc::nested_transaction, "a snapshot is read outside transact");
    const std::lock_guard lock(mutex_);
    const auto at = snapshots_.find(name);
    return at == snapshots_.end() ? std::nullopt : std::optional(at->second);
}

}  // namespace starling::detail
