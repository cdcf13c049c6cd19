#include "delta.hpp"

#include <algorithm>

#include "crdt/assert.hpp"

namespace starling::bench::icde {

using crdt::Reader;
using crdt::Writer;

namespace {

enum Message : std::uint64_t { state, deltas, acks };

constexpr std::size_t objects_max = 1 << 20;
constexpr std::size_t name_bytes_max = 64;

}  // namespace

// -- state-based
// ---------------------------------------------------------------------------------------------------------

void StateBased::write(const Event& event) {
    for (const auto& update : event.updates) mutate(update);
}

void StateBased::sync() {
    if (store_.empty()) return;
    Writer body;
    Load load;
    body.array(3 * store_.size());
    for (const auto& [name, object] : store_) {
        body.str(name).uint(std::uint64_t(object.kind));
        load.payload += icde::write(body, object.kind, object.cells);
        load.elements += object.cells.size();
    }
    const auto frame = frame_of(state, body.take());
    for (const auto neighbour : where_.neighbours) send_(neighbour, frame, load);
}

void StateBased::receive(sim::Place, crdt::BytesView frame) {
    Reader in(frame);
    open_frame(in);
    for (auto left = in.array(3 * objects_max) / 3; left > 0; --left) {
        const std::string name(in.str(name_bytes_max));
        const auto kind = Kind(in.uint(2));
        merge(name, kind, icde::read(in, kind));
    }
}

// -- delta-based
// ---------------------------------------------------------------------------------------------------------

void DeltaBased::write(const Event& event) {
    // One event is one delta of each object it touches.
    std::map<std::string, std::pair<Kind, Lattice>> deltas_of;
    for (const auto& update : event.updates) {
        auto& [kind, cells] = deltas_of[update.object];
        kind = update.kind;
        join(cells, mutate(update));
    }
    for (auto& [object, delta] : deltas_of) keep(object, delta.first, std::move(delta.second), where_.self);
}

void DeltaBased::keep(const std::string& object, Kind kind, Lattice cells, sim::Place from) {
    if (cells.empty()) return;
    auto& buffer = buffers_[object];
    buffer.kind = kind;
    buffer_elements_ += cells.size();
    buffer.deltas.push_back({buffer.next++, from, std::move(cells)});
    dirty_.insert(object);
}

Lattice DeltaBased::unacknowledged(const Buffer& buffer, sim::Place by) const {
    const auto acked = buffer.acked.find(by);
    const auto from = acked == buffer.acked.end() ? 0 : acked->second;
    Lattice cells;
    for (const auto& delta : buffer.deltas) {
        if (delta.number >= from && !(bp_ && delta.from == by)) join(cells, delta.cells);
    }
    return cells;
}

void DeltaBased::sync() {
    const auto dirty = std::vector(dirty_.begin(), dirty_.end());
    for (const auto neighbour : where_.neighbours) {
        Writer items;
        Load load;
        std::size_t objects = 0;
        for (const auto& name : dirty) {
            const auto at = buffers_.find(name);
            const auto kind = at->second.kind;
            const auto next = at->second.next;
            const auto cells = unacknowledged(at->second, neighbour);
            if (cells.empty()) {  // nothing it lacks, so nothing that it could acknowledge
                acknowledged(name, neighbour, next);
                continue;
            }
            items.str(name).uint(std::uint64_t(kind)).uint(next);
            load.payload += icde::write(items, kind, cells);
            load.elements += cells.size();
            ++objects;
        }
        if (objects == 0) continue;
        Writer body;
        body.array(4 * objects).raw(items.take());
        send_(neighbour, frame_of(deltas, body.take()), load);
    }
}

void DeltaBased::acknowledged(const std::string& object, sim::Place by, std::uint64_t below) {
    auto& buffer = buffers_.at(object);
    auto& acked = buffer.acked[by];
    acked = std::max(acked, below);
    auto least = UINT64_MAX;
    for (const auto neighbour : where_.neighbours) {
        const auto at = buffer.acked.find(neighbour);
        least = std::min(least, at == buffer.acked.end() ? 0 : at->second);
    }
    while (!buffer.deltas.empty() && buffer.deltas.front().number < least) {
        buffer_elements_ -= buffer.deltas.front().cells.size();
        buffer.deltas.pop_front();
    }
    if (buffer.deltas.empty()) dirty_.erase(object);
}

void DeltaBased::receive(sim::Place from, crdt::BytesView frame) {
    Reader in(frame);
    if (open_frame(in) == deltas) return receive_deltas(from, in);
    for (auto left = in.array(2 * objects_max) / 2; left > 0; --left) {
        const std::string object(in.str(name_bytes_max));
        acknowledged(object, from, in.uint());
    }
}

void DeltaBased::receive_deltas(sim::Place from, Reader& in) {
    const auto objects = in.array(4 * objects_max) / 4;
    Writer answer;
    answer.array(2 * objects);
    for (auto left = objects; left > 0; --left) {
        const std::string object(in.str(name_bytes_max));
        const auto kind = Kind(in.uint(2));
        const auto below = in.uint();
        auto cells = icde::read(in, kind);
        auto raised = merge(object, kind, cells);
        if (!raised.empty()) keep(object, kind, std::move(rr_ ? raised : cells), from);
        answer.str(object).uint(below);
    }
    send_(from, frame_of(acks, answer.take()), {});
}

}  // namespace starling::bench::icde
