#include "node/mesh_book.hpp"

#include <algorithm>

#include "crdt/codec.hpp"
#include "net/signing.hpp"

namespace starling::detail {

namespace {

bool is_record(const crdt::SlotView& slot) {
    return slot.type == crdt::Type::map && slot.key == net::mesh_records_key;
}

/// The bytes of a value that is one binary; empty where it is none.
net::Bytes record_in(crdt::BytesView value) {
    crdt::Reader in(value);
    const auto bytes = in.bin(value.size());
    return in.done() ? net::Bytes(bytes) : net::Bytes();
}

}  // namespace

bool touch_records(const crdt::Changes& changes) {
    return std::ranges::any_of(changes, [](const auto& change) { return is_record(change.slot); });
}

net::Bytes field_of_record(net::BytesView record) {
    const auto digest = net::digest256(record);
    return value_of_record({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

net::Bytes value_of_record(net::BytesView record) {
    crdt::Writer out;
    out.bin(record);
    return out.take();
}

void MeshBook::wait_for(const crdt::ReplicaId& life, crdt::Seq seq) {
    const auto at = wrong_.find(life.node);
    waiting_.emplace(at == wrong_.end() ? 0 : at->second, crdt::Dot{life, seq});
}

void MeshBook::note(const crdt::State& state) {
    const std::lock_guard lock(mutex_);
    state.each_field(crdt::Type::map, net::mesh_records_key, [&](const auto&, const crdt::SlotEntries& entries) {
        for (const auto* entry : entries) {
            const auto noted = noted_.find(entry->origin->id);
            if (noted == noted_.end() || noted->second < entry->seq) wait_for(entry->origin->id, entry->seq);
        }
    });
    state.each_origin([&](const crdt::Origin& origin) { noted_[origin.id] = origin.seen; });
}

void MeshBook::note(const crdt::State& state, const crdt::ReplicaId& life) {
    const std::lock_guard lock(mutex_);
    const auto* origin = state.origin(life);
    if (origin == nullptr) return;
    auto& noted = noted_[life];
    if (noted == origin->seen) return;
    origin->live.each(noted + 1, origin->seen, [&](crdt::Seq seq, crdt::Handle handle) {
        if (is_record(state.at(handle).slot())) wait_for(life, seq);
    });
    noted = origin->seen;
}

bool MeshBook::waits() const {
    const std::lock_guard lock(mutex_);
    return !waiting_.empty();
}

std::vector<MeshBook::Entry> MeshBook::next(const crdt::State& state) {
    const std::lock_guard lock(mutex_);
    std::vector<Entry> entries;
    while (!waiting_.empty() && entries.size() < records_at_once_max) {
        const auto dot = waiting_.begin()->second;
        waiting_.erase(waiting_.begin());
        const auto* entry = state.find(dot);
        if (entry != nullptr) entries.push_back({dot.replica.node, record_in(entry->value())});
    }
    return entries;
}

bool MeshBook::look_at(const std::vector<Entry>& entries) {
    bool news = false;
    for (const auto& [writer, bytes] : entries) {
        const auto digest = net::digest256(bytes);
        {
            const std::lock_guard lock(mutex_);
            if (held_.contains(digest)) continue;
        }
        auto record = net::checked_record(trust_, bytes);
        const std::lock_guard lock(mutex_);
        if (!record) {
            ++wrong_[writer];
            continue;
        }
        held_.insert(digest);
        news = roster_.add(std::move(*record)) || news;
    }
    return news;
}

}  // namespace starling::detail
