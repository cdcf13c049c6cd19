#include "node/change_log.hpp"

#include <algorithm>

#include <starling/node.hpp>

#include "crdt/assert.hpp"
#include "crdt/views.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling::detail {

void ChangeLog::begin(crdt::Version held) {
    STARLING_ASSERT(!recording_, "a record begins once");
    recording_ = true;
    floor_ = std::move(held);
}

void ChangeLog::record(const crdt::Changes& changes, const crdt::Dot& last) {
    if (recording_) push({last, {}, {}, 0}, changes);
}

void ChangeLog::record(const crdt::Changes& changes, const crdt::Version& held) {
    if (recording_) push({std::nullopt, held, {}, 0}, changes);
}

void ChangeLog::push(Item item, const crdt::Changes& changes) {
    for (const auto& change : changes) {
        if (!item.slots.empty() && item.slots.back() == change.slot) continue;  // entries of one journal
        item.slots.push_back(change.slot);
        item.bytes += change_log_change_bytes + change.slot.key.size() + change.slot.field.size();
    }
    if (item.slots.empty()) return;
    bytes_ += item.bytes;
    items_.push_back(std::move(item));
    const auto raise = [this](const crdt::ReplicaId& replica, crdt::Seq seq) {
        auto& known = floor_[replica];
        known = std::max(known, seq);
    };
    for (; bytes_ > change_log_bytes_max; items_.pop_front()) {
        const auto& oldest = items_.front();
        bytes_ -= oldest.bytes;
        if (oldest.last) raise(oldest.last->replica, oldest.last->seq);
        for (const auto& [replica, seq] : oldest.held) raise(replica, seq);
    }
}

bool ChangeLog::within(const Item& item, const crdt::Version& version) {
    return item.last ? crdt::covers(version, *item.last) : crdt::covers(version, item.held);
}

std::optional<std::set<crdt::Slot>> ChangeLog::since(const crdt::Version& cursor) const {
    if (!recording_ || !crdt::covers(cursor, floor_)) return std::nullopt;
    std::set<crdt::Slot> slots;
    for (const auto& item : items_) {
        if (!within(item, cursor)) slots.insert(item.slots.begin(), item.slots.end());
    }
    return slots;
}

void ChangeLog::check() const {
    std::size_t bytes = 0;
    for (const auto& item : items_) bytes += item.bytes;
    STARLING_ASSERT(bytes == bytes_ && bytes_ <= change_log_bytes_max, "the record's bytes are counted and bounded");
    STARLING_ASSERT(recording_ || items_.empty(), "nothing is recorded for nobody");
}

}  // namespace starling::detail

namespace starling {

namespace {

std::optional<Change> change_at(const crdt::State& state, const crdt::Slot& slot, std::string_view prefix) {
    if (!slot.key.starts_with(prefix) || slot.type == crdt::trim_mark) return std::nullopt;
    if (crdt::is_mesh_key(slot.key) && !crdt::is_mesh_key(prefix)) return std::nullopt;  // the mesh's own
    Change change{detail::to_public(slot.type), slot.key, detail::to_value(slot.field), {}, {}};
    if (slot.type == crdt::Type::journal) {
        change.field = {};  // idempotency keys are no places
    } else if (const auto reading = crdt::reading(state, slot)) {
        change.value = detail::to_value(*reading);
    }
    return change;
}

}  // namespace

ChangesSince Node::changes(const Cursor& cursor, std::string_view prefix) const {
    const auto from = detail::to_inner(cursor.version());
    return core().read_changes([&](const peer::Peer& peer, detail::ChangeLog& log) {
        ChangesSince news;
        news.next = detail::to_public(peer.state().version());
        if (!log.recording()) log.begin(peer.state().version());
        const auto slots = log.since(from);
        news.resync = !slots;
        if (!slots) return news;
        for (const auto& slot : *slots) {
            auto change = change_at(peer.state(), slot, prefix);
            if (!change) continue;
            const bool again = !news.list.empty() && change->type == Type::journal &&
                               news.list.back().type == change->type && news.list.back().key == change->key;
            if (!again) news.list.push_back(std::move(*change));
        }
        return news;
    });
}

}  // namespace starling
