// The bytes of majority registers; docs/wire.md is the normative text. Everything read comes from a stranger until it
// has been read whole: strict, bounded, one encoding for each message.
#pragma once

#include "agree/messages.hpp"
#include "crdt/result.hpp"

namespace starling::agree {

inline constexpr std::uint64_t agree_wire_version = 1;

/// O(bytes).
crdt::Bytes encode(const Message& message);
/// Faults: unknown_kind for another version, malformed for everything else. Registers inside are read, too: what comes
/// out holds no bytes that are not one. O(bytes).
crdt::Result<Message> decode(crdt::BytesView bytes);

}  // namespace starling::agree
