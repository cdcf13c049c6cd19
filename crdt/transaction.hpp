// A transaction writes straight into the state, so that it reads its own writes, and keeps what it needs to take all of
// it back. It ends in commit (its operations join the open window) or in rollback (no dot is taken).
#pragma once

#include <optional>
#include <vector>

#include "crdt/replica.hpp"

namespace starling::crdt {

/// Every operation takes a dot and names the observed dots that it removes; one that would change nothing is no
/// operation. The first fault is kept, turns later operations into nothing, and makes commit roll back.
/// Thread rule: that of its replica, which takes no other call while the transaction lives.
class Transaction {
  public:
    /// The replica must have a life. Cuts nothing itself: a caller cuts the window first when `must_cut_first`.
    Transaction(Replica& replica, Stamp stamp);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    /// True when the open window leaves no room for a whole transaction (rule 4's limits).
    static bool must_cut_first(const Replica& replica);

    const State& state() const { return replica_.state_; }

    /// Supersedes the observed entries of the slot, whatever their stamps.
    void put(const SlotView& slot, BytesView value);
    /// Supersedes the entry of this replica in the slot only (counters).
    void put_own(const SlotView& slot, BytesView value);
    /// Supersedes nothing (journals).
    void append(BytesView key, BytesView value);
    /// Removes the observed entries of the slot.
    void drop(const SlotView& slot);
    /// Removes the entries of a journal up to and including `last` in causal order.
    void trim(BytesView key, const Dot& last);

    /// This replica's own entry in a slot; nullptr where it has none.
    const Entry* own_entry(const SlotView& slot) const;
    /// True once an operation has taken a dot.
    bool wrote() const { return next_ > first_; }
    void fail(Fault fault);
    const std::optional<Fault>& fault() const { return fault_; }

    /// Ends the transaction. What changed, for watchers; or the fault, everything being as before.
    Result<Changes> commit();
    void rollback();

  private:
    /// What rolling back must turn around: an entry that came, or one that went and is kept aside until the end.
    struct Step {
        Handle entry;
        bool came;
        bool named;  ///< its dot was noted as removed by the window
    };

    bool valid(const SlotView& slot, BytesView value);
    bool reserve(std::size_t bytes);
    void insert(const HashedSlot& slot, BytesView value);
    void remove(Handle handle, bool trim);
    Handle own(const SlotEntries& entries) const;
    Changes finish();

    Replica& replica_;
    Origin& origin_;  ///< this replica's
    Stamp stamp_;
    Seq first_;
    Seq next_;
    std::size_t bytes_ = 0;
    std::size_t named_before_ = 0;  ///< replicas that the window named before this transaction
    bool opened_window_ = false;
    bool live_ = true;
    std::vector<Step> steps_;
    std::optional<Fault> fault_;
};

}  // namespace starling::crdt
