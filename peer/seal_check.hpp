// Whose seals a store holds, and whether they are what was signed. A node that opens its store takes its own disk's
// word, and those whom it serves verify; but seals are of a mesh, and data may be brought into another.
#pragma once

#include <vector>

#include "gossip/seal.hpp"
#include "store/store.hpp"

namespace starling::peer {

/// The meshes that the data was in, as the store says.
store::Outcome<std::vector<gossip::MeshId>> meshes_of(store::Store& store);
/// What has the store say so of one more.
store::Item item_of(const gossip::MeshId& mesh);

/// How many seals of the log were verified. Fault: corrupt, where a seal is not its origin's, or the changesets that it
/// is of are not what was signed, as far as the log still holds them. A seal may be of any mesh that the data was in;
/// where the store names none, nothing was sealed. O(log · log log): some 60 µs a seal, and a hash of each changeset.
store::Outcome<std::size_t> check_seals(store::Store& store, const std::shared_ptr<const gossip::Sealer>& verifier,
                                        crdt::SpaceId space = 0);

}  // namespace starling::peer
