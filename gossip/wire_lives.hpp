// Replicas in full, many at a time: lives by node, in order. What is said of many lives once, and perhaps never again,
// is said so, and leaves no numbers on the link.
#pragma once

#include "gossip/wire.hpp"
#include "gossip/wire_diff.hpp"

namespace starling::gossip {

/// Ascending, none twice; at most `replicas_named_max` are read.
void write_replicas(crdt::Writer& out, const std::vector<crdt::ReplicaId>& replicas);
std::vector<crdt::ReplicaId> read_replicas(FrameReader& in);

/// Two items. A reader refuses seqs below `seq_min`.
void write_lines(crdt::Writer& out, const crdt::Version& lines);
crdt::Version read_lines(FrameReader& in, crdt::Seq seq_min);

void write_ranges(crdt::Writer& out, const std::vector<Range>& ranges);
std::vector<Range> read_ranges(FrameReader& in);
/// Lines of ranges that ask say what is there; no line is of a range of which the sum is said.
bool lines_fit(const Ranges& message);

/// All that a piece names, ascending.
std::vector<crdt::ReplicaId> replicas_of(const crdt::Difference& piece);

}  // namespace starling::gossip
