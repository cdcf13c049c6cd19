// A changeset: one or more transactions of one replica, and the delta state itself. The header names replicas in full
// (a link may abbreviate them); the body names them by their place in the header, so that its bytes are the same on
// every link, in the log and, later, under a seal. docs/wire.md has the grammar with worked bytes.
#pragma once

#include <span>
#include <vector>

#include "crdt/codec.hpp"
#include "crdt/dots.hpp"
#include "crdt/ids.hpp"
#include "crdt/result.hpp"
#include "crdt/slot.hpp"

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

/// One put of a body; its texts stand in `Body::texts`.
struct Put {
    Seq seq = 0;
    Stamp stamp_offset = 0;  ///< from the last stamp of the origin's previous changesets
    std::uint32_t text = 0;  ///< where key, field and value begin
    std::uint32_t value_size = 0;
    std::uint16_t key_size = 0;
    std::uint16_t field_size = 0;
    Type type{};
    bool operator==(const Put&) const = default;
};

/// Removed dots of one replica. A trim is the removal that may take journal entries.
struct Removal {
    std::uint32_t place = 0;  ///< 0: the origin; else 1 + the place among the header's refs
    bool trim = false;
    std::uint32_t run = 0;  ///< the first of its runs in `Body::runs`
    std::uint32_t runs = 0;
    bool operator==(const Removal&) const = default;
};

/// What a body says, with all texts in full and in one piece.
struct Body {
    std::vector<Put> puts;          ///< ascending by seq
    std::vector<Removal> removals;  ///< ascending by (trim, place)
    DotRuns runs;                   ///< of the removals, one after another
    Bytes texts;                    ///< key, field and value of each put, without gaps

    SlotView slot(const Put& put) const {
        const auto text = BytesView(texts).substr(put.text);
        return {put.type, text.substr(0, put.key_size), text.substr(put.key_size, put.field_size)};
    }
    BytesView value(const Put& put) const {
        return BytesView(texts).substr(put.text + put.key_size + put.field_size, put.value_size);
    }
    std::span<const DotRun> runs_of(const Removal& removal) const {
        return std::span(runs).subspan(removal.run, removal.runs);
    }
    void clear() { puts.clear(), removals.clear(), runs.clear(), texts.clear(); }
    void add_put(Seq seq, const SlotView& slot, Stamp stamp_offset, BytesView value);
    /// `runs_to_add` is sorted, disjoint, not adjacent and not empty.
    void add_removal(std::uint32_t place, bool trim, std::span<const DotRun> runs_to_add);
    bool operator==(const Body&) const = default;
};

/// Writes a body piece by piece, in the order of Body.
class BodyWriter {
  public:
    explicit BodyWriter(Seq first_of_changeset);
    /// Room for about so many bytes.
    void reserve(std::size_t bytes) { writer_.reserve(bytes); }
    void put(Seq seq, const SlotView& slot, Stamp stamp_offset, BytesView value);
    void removal(std::uint32_t place, bool trim, std::span<const DotRun> runs);
    Bytes take() { return writer_.take(); }

  private:
    Writer writer_;
    Seq first_;
    Seq next_;
    Stamp stamp_ = 0;
    Type type_{};
    Bytes key_;  ///< of the previous put: what the next one is coded from
    Bytes field_;
    bool any_ = false;
};

/// The body's bytes, with front coding of keys and fields.
Bytes encode_body(const Changeset& header, const Body& body);

/// Reads a body. A fault of code `unknown_kind` means that a newer build wrote it and nothing may be concluded; any
/// other fault makes the body void: it does nothing, and its dots count (rule 4). O(bytes).
Result<Body> decode_body(const Changeset& changeset);
/// The same into memory that was used before; after a fault `body` means nothing.
Result<bool> decode_body(const Changeset& changeset, Body& body);

/// Header checks that need nothing but the header: bounds, order, no reference to itself.
Result<bool> valid_header(const Changeset& changeset);

/// The changeset with its replicas in full: what tests, files and (later) seals read. Not what a link sends.
Bytes encode_changeset(const Changeset& changeset);
/// The same, up to the bytes of the body, which are the last.
Bytes encode_changeset_head(const Changeset& changeset);
Result<Changeset> decode_changeset(BytesView bytes);

}  // namespace starling::crdt
