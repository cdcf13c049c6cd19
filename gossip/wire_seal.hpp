// What goes with sealed changesets in their frame.
#pragma once

#include "gossip/seal.hpp"
#include "gossip/wire_diff.hpp"

namespace starling::gossip {

void write_sealed_runs(crdt::Writer& out, const std::vector<SealedRun>& runs, RefSender& refs);
std::vector<SealedRun> read_sealed_runs(FrameReader& in);

}  // namespace starling::gossip
