#include <starling/projection.hpp>

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
