// A transaction writes straight into the state, so that it reads its own writes, and keeps what it needs to take all of
// it back. It ends in commit (its operations join the open window) or in rollback (no dot is taken).
#pragma once

#include <optional>
#include <variant>
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
    void put(Slot slot, Bytes value);
    /// Supersedes the entry of this replica in the slot only (counters).
    void put_own(Slot slot, Bytes value);
    /// Supersedes nothing (journals).
    void append(Bytes key, Bytes value);
    /// Removes the observed entries of the slot.
    void drop(const Slot& slot);
    /// Removes the entries of a journal up to and including `last` in causal order.
    void trim(BytesView key, const Dot& last);

    /// This replica's own entry in a slot; nullptr where it has none.
    const Entry* own_entry(const Slot& slot) const;
    /// True once an operation has taken a dot.
    bool wrote() const { return next_ > first_; }
    void fail(Fault fault);
    const std::optional<Fault>& fault() const { return fault_; }

    /// Ends the transaction. What changed, for watchers; or the fault, everything being as before.
    Result<Changes> commit();
    void rollback();

  private:
    struct Inserted {
        Seq seq;
    };
    struct Removed {
        Entry entry;
        bool named;  ///< its dot was noted as removed by the window
        bool trim;
    };

    bool valid(const Slot& slot, const Bytes& value);
    bool reserve(std::size_t bytes);
    void insert(Slot slot, Bytes value);
    void remove(const Entry& entry, bool trim);

    Replica& replica_;
    Stamp stamp_;
    Seq first_;
    Seq next_;
    std::size_t bytes_ = 0;
    std::size_t refs_ = 0;  ///< replicas that the window names since this transaction
    bool opened_window_ = false;
    bool live_ = true;
    std::vector<std::variant<Inserted, Removed>> undo_;
    std::optional<Fault> fault_;
};

}  // namespace starling::crdt
