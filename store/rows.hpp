// The rows that are bytes: what the last fold says, and the mark of a commit.
#pragma once

#include <optional>

#include "store/batch.hpp"

namespace starling::store {

/// The bytes with a hash of them at the end: what no fingerprint covers is found to be damaged by this.
crdt::Bytes with_sum(crdt::Bytes bytes);
/// Without it; nothing where it is not theirs.
std::optional<crdt::BytesView> without_sum(crdt::BytesView bytes);

crdt::Bytes encode_mark(const Mark& mark);
std::optional<Mark> decode_mark(crdt::BytesView bytes);
crdt::Bytes encode_fold(const Fold& fold);
std::optional<Fold> decode_fold(crdt::BytesView bytes);

}  // namespace starling::store
