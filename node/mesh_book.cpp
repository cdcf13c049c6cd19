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

void MeshBook::wait_for(const crdt::ReplicaId& life, crdt::Seq seq, crdt::BytesView value) {
    auto& waiting = waiting_[life.node];
    (net::claims_revocation(record_in(value)) ? waiting.revocations : waiting.others).push_back({life, seq});
}

void MeshBook::note(const crdt::State& state) {
    const std::lock_guard lock(mutex_);
    state.each_field(crdt::Type::map, net::mesh_records_key, [&](const auto&, const crdt::SlotEntries& entries) {
        for (const auto* entry : entries) {
            const auto noted = noted_.find(entry->origin->id);
            if (noted == noted_.end() || noted->second < entry->seq)
                wait_for(entry->origin->id, entry->seq, entry->value());
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
        const auto& entry = state.at(handle);
        if (is_record(entry.slot())) wait_for(life, seq, entry.value());
    });
    noted = origin->seen;
}

bool MeshBook::waits() const {
    const std::lock_guard lock(mutex_);
    return !waiting_.empty() || in_hand_ > 0;
}

std::vector<MeshBook::Entry> MeshBook::next(const crdt::State& state) {
    const std::lock_guard lock(mutex_);
    std::vector<std::pair<unsigned, net::NodeKey>> writers;  // by how often they were wrong
    for (const auto& [writer, waiting] : waiting_) {
        const auto at = wrong_.find(writer);
        writers.emplace_back(at == wrong_.end() ? 0 : at->second, writer);
    }
    std::ranges::sort(writers);
    std::vector<Entry> entries;
    const auto take = [&](std::deque<crdt::Dot> Waiting::* queue) {
        for (bool more = true; more && entries.size() < records_at_once_max;) {
            more = false;
            for (const auto& [wrong, writer] : writers) {
                auto& dots = waiting_[writer].*queue;
                if (dots.empty()) continue;
                if (entries.size() == records_at_once_max) break;
                const auto* entry = state.find(dots.front());
                dots.pop_front();
                more = true;
                if (entry != nullptr) entries.push_back({writer, record_in(entry->value())});
            }
        }
    };
    take(&Waiting::revocations);
    take(&Waiting::others);
    std::erase_if(waiting_, [](const auto& item) { return item.second.empty(); });
    in_hand_ += entries.size();
    return entries;
}

void MeshBook::look_at(const Entry& entry, News& news) {
    const auto digest = net::digest256(entry.record);
    {
        const std::lock_guard lock(mutex_);
        if (held_.contains(digest)) return;
    }
    auto record = net::checked_record(trust_, entry.record);
    const std::lock_guard lock(mutex_);
    if (!record) {
        ++wrong_[entry.writer];
        return;
    }
    held_.insert(digest);
    const bool revokes = std::holds_alternative<net::Revocation>(*record);
    if (!roster_.add(std::move(*record))) return;
    news.any = true;
    news.revocation = news.revocation || revokes;
}

MeshBook::News MeshBook::look_at(const std::vector<Entry>& entries) {
    News news;
    for (const auto& entry : entries) look_at(entry, news);
    const std::lock_guard lock(mutex_);
    in_hand_ -= entries.size();
    return news;
}

MeshBook::News MeshBook::look_at_own(const Entry& entry) {
    News news;
    look_at(entry, news);
    return news;
}

}  // namespace starling::detail
