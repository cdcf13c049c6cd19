// Fills an empty replica piece by piece, out of a store: lines of the version, live entries, heads. The pieces come
// from outside, so each is checked against those before it.
#pragma once

#include "crdt/replica.hpp"
#include "crdt/result.hpp"

namespace starling::crdt {

/// Thread rule: one thread at a time. Every call is as cheap as a write. After a fault the replica is to be thrown
/// away.
class StateBuilder {
  public:
    /// `replica` is empty and has no life.
    explicit StateBuilder(Replica& replica);

    void reserve(std::size_t entries) { replica_.state_.reserve(entries); }
    /// What the version says of a replica, before its entries, and its number in the store.
    Result<bool> line(const ReplicaId& id, Seq seen, Stamp last_stamp, std::uint32_t stored);
    /// A replica that `line` told of, to be given an entry next. It stays while it has one.
    Origin& origin(const ReplicaId& id);
    /// The greatest depth applied, before entries and heads.
    Result<bool> depth(Depth depth);
    /// A live entry, with a seq that its origin covers.
    Result<bool> entry(Origin& origin, Seq seq, const SlotView& slot, Stamp stamp, Depth depth, BytesView value);
    Result<bool> head(const ReplicaId& id, const Head& head);

  private:
    Replica& replica_;
};

}  // namespace starling::crdt
