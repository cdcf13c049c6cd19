// What a register holds: the application's value, and the ids of the newest changes. A change that was sent and not
// confirmed may be part of the value or not; its id tells. Ids are kept for a bounded number of changes, and the
// revision up to which they were dropped says when the question can no longer be answered.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "agree/ballot.hpp"
#include "crdt/result.hpp"

namespace starling::agree {

/// A change that is part of the value, and the revision that it made.
struct Applied {
    OperationId id;
    std::uint64_t revision = 0;
    bool operator==(const Applied&) const = default;
};

/// Invariants: revisions of `applied` ascend from above `forgotten` to at most `revision`; there are at most
/// `applied_ids_max`. A register nobody ever wrote is the default.
struct Register {
    std::uint64_t revision = 0;        ///< changes so far
    std::uint64_t forgotten = 0;       ///< ids of changes up to this revision were dropped
    std::optional<crdt::Bytes> value;  ///< nothing: never written, or erased; the register itself stays
    std::vector<Applied> applied;      ///< the newest last
    bool operator==(const Register&) const = default;

    void check() const;
};

/// What a change does to the value it finds.
struct Change {
    bool writes = false;  ///< else the value stays as it is
    std::optional<crdt::Bytes> value{};
};
inline Change keep() {
    return {};
}
inline Change write(std::optional<crdt::Bytes> value) {
    return {true, std::move(value)};
}
/// Called once an attempt, so any number of times; must depend on its argument alone, and not throw.
using ChangeFunction = std::function<Change(const std::optional<crdt::Bytes>&)>;

enum class Standing : std::uint8_t {
    applied,      ///< part of the value
    not_applied,  ///< not part of it
    forgotten     ///< older than the ids that are left
};
/// Is the change part of the value? `since`: the revision on which it was first sent; nothing where it never was.
Standing standing(const Register& found, const OperationId& id, std::optional<std::uint64_t> since);

/// The register after one more change. O(applied ids).
void apply(Register& to, const OperationId& id, std::optional<crdt::Bytes> value);

/// At most `register_bytes_max`.
crdt::Bytes encode(const Register& held);
/// Strict: one encoding for each register. Faults: malformed, too_large.
crdt::Result<Register> decode_register(crdt::BytesView bytes);

}  // namespace starling::agree
