// A whole state as bytes: what a file holds and a new node starts from. It is the live entries in dot order, coded each
// from the one before, and one line a replica. What was removed leaves nothing.
#pragma once

#include "crdt/limits.hpp"
#include "crdt/replica.hpp"

namespace starling::crdt {

/// The state of a replica whose window is closed. Equal states of equal versions have equal bytes, whichever replica
/// holds them. O(live + replicas).
Bytes encode_state(const Replica& replica);

/// Reads a state into `replica`, which must be empty and without a life. Bytes from outside: a fault says what is
/// wrong, and `replica` is then to be thrown away. Texts share beginnings, so bytes unfold; to more than
/// `texts_bytes_max` is a fault too. O(bytes + texts).
Result<bool> decode_state(BytesView bytes, Replica& replica, std::size_t texts_bytes_max = state_texts_bytes_max);

}  // namespace starling::crdt
