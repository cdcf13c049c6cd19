// Protocol constants. They are part of what makes a changeset valid (rule 4), so they are equal on every node: changing
// one is a new format.
#pragma once

#include <cstddef>
#include <cstdint>

namespace starling::crdt {

inline constexpr std::size_t key_bytes_max = 1024;
inline constexpr std::size_t field_bytes_max = 4096;
inline constexpr std::size_t value_bytes_max = 192 * 1024;
inline constexpr std::size_t value_nesting_max = 32;

/// The body of one changeset. It fits a frame of the transport with its header and the link's definitions.
inline constexpr std::size_t changeset_bytes_max = 512 * 1024;
/// Keys, fields and values of the puts of a changeset, each written in full: no body unfolds into more than this.
inline constexpr std::size_t changeset_texts_bytes_max = changeset_bytes_max;
/// Keys, fields and values of a state that is read, each in full: what an application holds at most. A reader of
/// strangers' bytes passes less.
inline constexpr std::size_t state_texts_bytes_max = std::size_t{16} << 30;
/// One transaction. Half of a changeset, so that a window cut before a transaction always has room for it.
inline constexpr std::size_t transaction_bytes_max = changeset_bytes_max / 2;
inline constexpr std::uint64_t changeset_dots_max = 65'536;
inline constexpr std::size_t changeset_deps_max = 4'096;
inline constexpr std::size_t changeset_refs_max = 4'096;
/// Other replicas whose dots one transaction removes, which the window did not name before. Half of a changeset's.
inline constexpr std::size_t transaction_refs_max = changeset_refs_max / 2;

/// Claimed depths stop here, so that a hostile claim cannot overflow anyone's own.
inline constexpr std::uint64_t depth_max = std::uint64_t{1} << 53;
/// Seqs stop below this: 285 years at a million events a second.
inline constexpr std::uint64_t seq_max = std::uint64_t{1} << 53;

/// How far ahead of its own wall clock a node lets a received stamp drag it (rule 5).
inline constexpr std::uint64_t clock_lead_us_max = 60'000'000;

/// Keys below this prefix belong to the mesh itself. They hold maps' entries, and these only grow: nothing removes one
/// (rule 4).
inline constexpr char mesh_key_prefix[] = "$mesh/";

}  // namespace starling::crdt
