// A changeset: one or more transactions of one replica, and the delta state itself. The header names replicas in full
// (a link may abbreviate them); the body names them by their place in the header, so that its bytes are the same on
// every link, in the log and, later, under a seal. docs/wire.md has the grammar with worked bytes.
#pragma once

#include <vector>

#include "crdt/ids.hpp"
#include "crdt/result.hpp"
#include "crdt/state.hpp"

namespace starling::crdt {

/// What travels and what the log keeps. Immutable once made.
struct Changeset {
    SpaceId space = 0;
    ReplicaId origin;
    Seq first = 0;
    std::uint64_t count = 0;  ///< dots taken: first … first + count − 1
    Depth depth = 0;
    std::vector<Dot> deps;        ///< the heads when the window was cut, without the origin's own; ascending
    std::vector<ReplicaId> refs;  ///< the other replicas whose dots the body removes; ascending
    Bytes body;

    Seq last() const { return first + count - 1; }
    bool operator==(const Changeset&) const = default;
};

struct Put {
    Seq seq = 0;
    Slot slot;
    Stamp stamp_offset = 0;  ///< from the last stamp of the origin's previous changesets
    Bytes value;
    bool operator==(const Put&) const = default;
};

/// Removed dots of one replica. A trim is the removal that may take journal entries.
struct Removal {
    ReplicaId replica;
    bool trim = false;
    DotRuns runs;
    bool operator==(const Removal&) const = default;
};

struct Body {
    std::vector<Put> puts;          ///< ascending by seq
    std::vector<Removal> removals;  ///< ascending by (trim, place of the replica: the origin first, then the refs)
    bool operator==(const Body&) const = default;
};

/// The body's bytes, with front coding of keys and fields. `body.removals` name only the origin and `refs`.
Bytes encode_body(const Changeset& header, const Body& body);

/// Reads a body. A fault of code `unknown_kind` means that a newer build wrote it and nothing may be concluded; any
/// other fault makes the body void: it does nothing, and its dots count (rule 4). O(bytes).
Result<Body> decode_body(const Changeset& changeset);

/// Header checks that need nothing but the header: bounds, order, no reference to itself.
Result<bool> valid_header(const Changeset& changeset);

/// The changeset with its replicas in full: what tests, files and (later) seals read. Not what a link sends.
Bytes encode_changeset(const Changeset& changeset);
Result<Changeset> decode_changeset(BytesView bytes);

}  // namespace starling::crdt
