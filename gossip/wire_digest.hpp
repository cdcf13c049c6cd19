// The bytes of lists of origins: those of digests, and dependencies. The origins stand in the order of their numbers
// on the link, each as its distance from the one before, and most rises as part of that distance. So a list of many
// takes 1 to 2 bytes for each.
#pragma once

#include <vector>

#include "gossip/wire.hpp"
#include "gossip/wire_diff.hpp"

namespace starling::gossip {

void write_rises(crdt::Writer& out, const std::vector<Rise>& rises, RefSender& refs);
std::vector<Rise> read_rises(FrameReader& in);

/// Each origin once.
void write_origins(crdt::Writer& out, const std::vector<crdt::ReplicaId>& origins, RefSender& refs);
std::vector<crdt::ReplicaId> read_origins(FrameReader& in);

/// The dependencies of a changeset. On a busy mesh there are many, so they too stand in the order of their numbers; the
/// reader puts them back in that of their replicas.
void write_deps(crdt::Writer& out, const std::vector<crdt::Dot>& deps, RefSender& refs);
std::vector<crdt::Dot> read_deps(FrameReader& in);

}  // namespace starling::gossip
