#include "scuttlebutt.hpp"

#include <algorithm>

#include "crdt/assert.hpp"

namespace starling::bench::icde {

using crdt::Reader;
using crdt::Writer;

namespace {

enum Message : std::uint64_t { vector, matrix, deltas };

constexpr std::size_t items_max = 1 << 24;
constexpr std::size_t name_bytes_max = 64;

}  // namespace

Scuttlebutt::Scuttlebutt(Surroundings where, bool gc, Send send)
    : Protocol(std::move(send)),
      where_(std::move(where)),
      gc_(gc),
      known_(where_.ids->size(), Vector(where_.ids->size())),
      deltas_(where_.ids->size()) {
    for (sim::Place node = 0; node < where_.ids->size(); ++node) places_[(*where_.ids)[node]] = node;
}

// -- deltas
// --------------------------------------------------------------------------------------------------------------

void Scuttlebutt::write(const Event& event) {
    std::map<std::string, Delta> deltas_of;
    for (const auto& update : event.updates) {
        auto& delta = deltas_of[update.object];
        delta.object = update.object;
        delta.kind = update.kind;
        join(delta.cells, mutate(update));
    }
    for (auto& [object, delta] : deltas_of) {
        if (!delta.cells.empty()) store(where_.self, mine()[where_.self] + 1, std::move(delta));
    }
}

void Scuttlebutt::store(sim::Place node, std::uint64_t number, Delta delta) {
    if (number <= mine()[node]) return;  // two neighbours answered with the same
    STARLING_ASSERT(number == mine()[node] + 1, "deltas of a node come in order");
    mine()[node] = number;
    buffer_elements_ += delta.cells.size();
    deltas_[node].emplace(number, std::move(delta));
}

void Scuttlebutt::drop_stable() {
    for (sim::Place node = 0; node < deltas_.size(); ++node) {
        auto everywhere = UINT64_MAX;
        for (const auto& row : known_) everywhere = std::min(everywhere, row[node]);
        auto& kept = deltas_[node];
        while (!kept.empty() && kept.begin()->first <= everywhere) {
            buffer_elements_ -= kept.begin()->second.cells.size();
            kept.erase(kept.begin());
        }
    }
}

// -- vectors
// -------------------------------------------------------------------------------------------------------------

void Scuttlebutt::write_vector(Writer& out, const Vector& vector) const {
    out.array(2 * std::size_t(std::count_if(vector.begin(), vector.end(), [](auto seen) { return seen > 0; })));
    for (sim::Place node = 0; node < vector.size(); ++node) {
        if (vector[node] > 0) out.str((*where_.ids)[node]).uint(vector[node]);
    }
}

sim::Place Scuttlebutt::place_of(crdt::BytesView id) const {
    return places_.find(id)->second;
}

Scuttlebutt::Vector Scuttlebutt::read_vector(Reader& in) {
    Vector vector(where_.ids->size());
    for (auto left = in.array(items_max) / 2; left > 0; --left) {
        const auto node = place_of(in.str(name_bytes_max));
        vector[node] = in.uint();
    }
    return vector;
}

void Scuttlebutt::sync() {
    const bool nothing = std::all_of(deltas_.begin(), deltas_.end(), [](const auto& of) { return of.empty(); });
    if (nothing) return;
    Writer body;
    if (gc_) {
        body.array(2 * known_.size());
        for (sim::Place node = 0; node < known_.size(); ++node) {
            body.str((*where_.ids)[node]);
            write_vector(body, known_[node]);
        }
    } else {
        write_vector(body, mine());
    }
    const auto frame = frame_of(gc_ ? matrix : vector, body.take());
    for (const auto neighbour : where_.neighbours) send_(neighbour, frame, {});
}

void Scuttlebutt::answer(sim::Place to, const Vector& theirs) {
    Writer items;
    Load load;
    std::size_t many = 0;
    for (sim::Place node = 0; node < deltas_.size(); ++node) {
        for (auto at = deltas_[node].upper_bound(theirs[node]); at != deltas_[node].end(); ++at) {
            const auto& delta = at->second;
            items.str((*where_.ids)[node]).uint(at->first).str(delta.object).uint(std::uint64_t(delta.kind));
            load.payload += icde::write(items, delta.kind, delta.cells);
            load.elements += delta.cells.size();
            ++many;
        }
    }
    if (many == 0) return;
    Writer body;
    body.array(5 * many).raw(items.take());
    send_(to, frame_of(deltas, body.take()), load);
}

void Scuttlebutt::receive(sim::Place from, crdt::BytesView frame) {
    Reader in(frame);
    const auto message = open_frame(in);
    if (message == vector) return answer(from, read_vector(in));
    if (message == matrix) {
        for (auto left = in.array(items_max) / 2; left > 0; --left) {
            const auto node = place_of(in.str(name_bytes_max));
            const auto theirs = read_vector(in);
            auto& row = known_[node];
            if (node == where_.self) continue;  // nobody knows that better
            for (sim::Place of = 0; of < row.size(); ++of) row[of] = std::max(row[of], theirs[of]);
        }
        drop_stable();
        return answer(from, known_[from]);
    }
    for (auto left = in.array(items_max) / 5; left > 0; --left) {
        const auto node = place_of(in.str(name_bytes_max));
        const auto number = in.uint();
        Delta delta{std::string(in.str(name_bytes_max)), Kind(in.uint(2)), {}};
        delta.cells = icde::read(in, delta.kind);
        merge(delta.object, delta.kind, delta.cells);
        store(node, number, std::move(delta));
    }
}

}  // namespace starling::bench::icde
