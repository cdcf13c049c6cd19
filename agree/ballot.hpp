// Ballots order the attempts to change a register. No two attempts share one: the counter rises with each attempt of a
// proposer, and a proposer is one life of a node, so that what a node forgot in a crash is never used again.
#pragma once

#include <compare>
#include <cstdint>

#include "agree/limits.hpp"
#include "crdt/ids.hpp"

namespace starling::agree {

/// Counter first, then the 40-byte replica. The zero ballot comes before all others and means "none".
struct Ballot {
    std::uint64_t counter = 0;
    crdt::ReplicaId proposer;
    auto operator<=>(const Ballot&) const = default;

    bool none() const { return counter == 0; }
    /// The ballot that an accept can have promised for its proposer's next attempt (one round trip instead of two).
    Ballot next() const { return {counter + 1, proposer}; }
};

/// Names one change, so that it is applied once whatever was retried: a proposer's life and a count within it.
struct OperationId {
    crdt::Life life = 0;
    std::uint64_t number = 0;
    auto operator<=>(const OperationId&) const = default;
};

}  // namespace starling::agree
