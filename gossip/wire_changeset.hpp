// A changeset on a link: its header with the link's numbers, and its body whole or as it continues the one before
// (bodies.hpp).
#pragma once

#include "gossip/wire.hpp"
#include "gossip/wire_diff.hpp"

namespace starling::gossip {

void write_changeset(crdt::Writer& out, const crdt::Changeset& changeset, RefSender& refs);
crdt::Changeset read_changeset(FrameReader& in, crdt::SpaceId space);

}  // namespace starling::gossip
