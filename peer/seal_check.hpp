// Is what a store holds of others' words what they signed? For `starling check`: a node that opens the store takes its
// own disk's word, and those whom it serves verify.
#pragma once

#include <vector>

#include "gossip/seal.hpp"
#include "store/store.hpp"

namespace starling::peer {

/// How many seals of the log were verified. Fault: damaged, where a seal is not its origin's, or the changesets that it
/// is of are not what was signed, as far as the log still holds them. A seal may be of any of the meshes. O(log): some
/// 60 µs a seal, and a hash of each changeset.
store::Outcome<std::size_t> check_seals(store::Store& store, const std::shared_ptr<const gossip::Sealer>& verifier,
                                        const std::vector<gossip::MeshId>& meshes, crdt::SpaceId space = 0);

}  // namespace starling::peer
