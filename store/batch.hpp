// What one transaction of the store writes. It is made under the peer's lock by a Recorder, is complete in itself, and
// is carried out later and elsewhere by Store::commit.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "crdt/hash.hpp"
#include "crdt/replica.hpp"

namespace starling::store {

/// Counts what a node applied, its own changesets and state diffs included, over all its lives: 1, 2, 3, …
using Place = std::uint64_t;

/// Names an origin within one store: its chunk of lives, and the place within.
using OriginNumber = std::uint32_t;

using ChangesetPtr = std::shared_ptr<const crdt::Changeset>;

struct LogRow {
    Place place = 0;
    std::uint64_t at_us = 0;  ///< wall clock, when it was applied
    ChangesetPtr changeset;
    crdt::Bytes seal{};  ///< that ends with it (gossip/seal.hpp); empty: none
};

struct EntryRow {
    OriginNumber origin = 0;
    crdt::Seq seq = 0;
    crdt::LooseEntry entry;
};

struct RowName {
    OriginNumber origin = 0;
    crdt::Seq seq = 0;
    auto operator<=>(const RowName&) const = default;
};

/// Some lives of one node, as bytes (store/lives.hpp).
struct ChunkRow {
    std::uint32_t number = 0;
    crdt::NodeKey node{};
    crdt::Bytes lives;
};

/// What the state comes to at an instant when no window is open.
struct Mark {
    crdt::Fingerprint version_hash;
    crdt::Fingerprint fingerprint;
    bool operator==(const Mark&) const = default;
};

/// From here on the log is replayed: entries and lives hold all that came up to `place`, and may hold less of what died
/// later.
struct Fold {
    Place place = 0;
    std::uint64_t live = 0;  ///< entries, roughly: for progress
    crdt::Depth depth = 0;
    std::vector<std::pair<OriginNumber, crdt::Head>> heads;
    Mark mark;
};

/// Whose item it is. What a voter promised is of one store and one life of it: no copy has it.
enum class Room : std::uint8_t { store = 0, application = 1, membership = 2, seals = 3, agreement = 4 };

/// A small thing to be kept by name; without a value it is to go.
struct Item {
    Room room{};
    crdt::Bytes key;
    std::optional<crdt::Bytes> value;
};

/// Carried out in this order.
struct Batch {
    Place place = 0;  ///< everything up to here is durable once it is committed
    std::vector<RowName> erased;
    std::vector<EntryRow> entries;
    std::vector<LogRow> log;
    std::optional<Mark> mark;  ///< of the state after the last of the log
    std::vector<ChunkRow> chunks;
    std::optional<Fold> fold;
    Place trim_through = 0;  ///< the log's rows up to here go; 0: none
    std::vector<Item> items;
};

}  // namespace starling::store
