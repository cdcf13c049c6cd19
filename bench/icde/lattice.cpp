#include "lattice.hpp"

#include "crdt/assert.hpp"

namespace starling::bench::icde {

namespace {

constexpr std::size_t cells_max = 1 << 24;
constexpr std::size_t item_bytes_max = 4096;

std::size_t items_of(Kind kind) {
    return kind == Kind::set ? 1 : kind == Kind::counter ? 2 : 3;
}

}  // namespace

Lattice join(Lattice& into, const Lattice& from) {
    Lattice raised;
    for (const auto& [key, cell] : from) {
        auto [at, is_new] = into.try_emplace(key, cell);
        if (!is_new && at->second >= cell) continue;
        at->second = cell;
        raised.emplace_hint(raised.end(), key, cell);
    }
    return raised;
}

std::size_t write(crdt::Writer& out, Kind kind, const Lattice& cells) {
    out.array(items_of(kind) * cells.size());
    const auto before = out.size();
    for (const auto& [key, cell] : cells) {
        out.raw(key);
        if (kind != Kind::set) out.uint(cell.number);
        if (kind == Kind::map) out.raw(cell.value);
    }
    return out.size() - before;
}

Lattice read(crdt::Reader& in, Kind kind) {
    Lattice cells;
    for (auto left = in.array(items_of(kind) * cells_max) / items_of(kind); left > 0 && in.ok(); --left) {
        crdt::Bytes key(in.item(item_bytes_max, 1));
        Cell cell;
        if (kind != Kind::set) cell.number = in.uint();
        if (kind == Kind::map) cell.value = in.item(item_bytes_max, 1);
        cells.emplace_hint(cells.end(), std::move(key), std::move(cell));
    }
    STARLING_ASSERT(in.ok(), "a message of a reference protocol is well formed");
    return cells;
}

}  // namespace starling::bench::icde
