// Between the names of the inside (crdt/) and those of the public API. Same bytes, other types: public headers include
// nothing of ours.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include <starling/error.hpp>
#include <starling/status.hpp>
#include <starling/types.hpp>
#include <starling/watch.hpp>

#include "crdt/ids.hpp"
#include "crdt/result.hpp"
#include "crdt/state.hpp"
#include "store/fault.hpp"

namespace starling::detail {

inline NodeId to_public(const crdt::NodeKey& key) {
    return {key};
}
inline ReplicaId to_public(const crdt::ReplicaId& id) {
    return {{id.node}, id.life};
}
inline Dot to_public(const crdt::Dot& dot) {
    return {to_public(dot.replica), dot.seq};
}
inline crdt::Dot to_inner(const Dot& dot) {
    return {{dot.replica.node.bytes, dot.replica.life}, dot.seq};
}
inline Stamp to_public_stamp(crdt::Stamp stamp) {
    // A stranger may claim any stamp; those past the year 294,247 all read as its end.
    return Stamp(std::chrono::microseconds(std::min<crdt::Stamp>(stamp, INT64_MAX)));
}
Version to_public(const crdt::Version& version);
crdt::Version to_inner(const Version& version);

/// What an error of the inside is called outside.
Error error_of(const crdt::Fault& fault);
Error error_of(const store::StoreFault& fault);

/// An item that no Value can hold (an extension type) shows as nil.
Value to_value(crdt::BytesView item);

inline crdt::Type to_inner(Type type) {
    return crdt::Type(type);
}
inline Type to_public(crdt::Type type) {
    return Type(type);
}

}  // namespace starling::detail
