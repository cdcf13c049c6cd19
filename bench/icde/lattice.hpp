// The delta-state lattice of the reference protocols. One is enough: a map of cells, each of which only grows by
// (number, value). A grow-only set has nothing in its cells, a grow-only counter a total for each node, a map of
// last-writer-wins registers a time and a value. The join is pointwise, a cell is what the paper counts as an element,
// and a lattice of one cell is what it calls irreducible.
#pragma once

#include <map>

#include "crdt/codec.hpp"
#include "workload.hpp"

namespace starling::bench::icde {

struct Cell {
    std::uint64_t number = 0;
    crdt::Bytes value;
    auto operator<=>(const Cell&) const = default;
};

using Lattice = std::map<crdt::Bytes, Cell>;

/// Joins `from` into `into`; gives the cells that raised it: the paper's Δ, what is left once redundancy is removed.
Lattice join(Lattice& into, const Lattice& from);

/// The cells, one after another: only what the kind needs. `write` gives the bytes it wrote.
std::size_t write(crdt::Writer& out, Kind kind, const Lattice& cells);
Lattice read(crdt::Reader& in, Kind kind);

/// All replicated data of a node: objects by name. Objects are made by the first write that is heard of.
struct Object {
    Kind kind{};
    Lattice cells;
    bool operator==(const Object&) const = default;
};
using Store = std::map<std::string, Object>;

}  // namespace starling::bench::icde
