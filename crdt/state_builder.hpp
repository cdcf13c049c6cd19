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
    /// What the version says of a replica, before its entries. The origin, for the bookkeeping of the store.
    Result<Origin*> line(const ReplicaId& id, Seq seen, Stamp last_stamp);
    /// The greatest depth applied, before entries and heads.
    Result<bool> depth(Depth depth);
    /// A live entry of an origin that `line` returned, with a seq that it covers.
    Result<bool> entry(Origin& origin, Seq seq, const SlotView& slot, Stamp stamp, Depth depth, BytesView value);
    Result<bool> head(const ReplicaId& id, const Head& head);

  private:
    Replica& replica_;
};

}  // namespace starling::crdt
