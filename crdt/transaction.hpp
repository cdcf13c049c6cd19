// A transaction writes into the state, so that it reads its own writes, and keeps what it needs to take all of
// it back. It ends in commit (its operations join the open window) or in rollback (no dot is taken).
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "crdt/replica.hpp"

namespace starling::crdt {

/// Every operation takes a dot and names the observed dots that it removes; one that would change nothing is no
/// operation. The first fault that is noticed is kept, turns later operations into nothing, and makes commit roll back.
///
/// Most of a write is waiting for memory: a cell of the table, then the entry that it names, then the block of that
/// entry's dot. So puts and drops queue, while what they will touch is fetched for several of them at once, and are run
/// in order. Whoever calls `Replica::state()` meanwhile finds all of them done; a reference kept from before does not.
/// Thread rule: that of its replica, which takes no other call but `state()` while the transaction lives.
class Transaction {
  public:
    /// The replica must have a life. Cuts nothing itself: a caller cuts the window first when `must_cut_first`.
    Transaction(Replica& replica, Stamp stamp);
    ~Transaction();
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;

    /// True when the open window leaves no room for a whole transaction (rule 4's limits).
    static bool must_cut_first(const Replica& replica);

    const State& state() const { return replica_.state(); }
    /// Of all that it writes. No other of this life has it.
    Stamp stamp() const { return stamp_; }

    /// Supersedes the observed entries of the slot, whatever their stamps; where others' may not be taken (rule 4) it
    /// is `put_own` for a counter and `append` for a journal.
    void put(const SlotView& slot, BytesView value);
    /// Supersedes the entry of this replica in the slot only (counters).
    void put_own(const SlotView& slot, BytesView value);
    /// Supersedes nothing (journals). `field` is nil, or names what is appended: `State::entries` finds it by that.
    void append(BytesView key, BytesView field, BytesView value);
    /// Adds an entry to a map below `$mesh/`; supersedes nothing, and nothing will remove it.
    void publish(BytesView key, BytesView field, BytesView value);
    /// Removes the observed entries of the slot. Counters and journals refuse it.
    void drop(const SlotView& slot);
    /// Removes the entries of a journal up to and including `last` in causal order.
    void trim(BytesView key, const Dot& last);

    /// A slot to be asked for twice.
    HashedSlot hashed(const SlotView& slot) const { return replica_.state_.hashed(slot); }
    void put_own(const HashedSlot& slot, BytesView value);
    /// This replica's own entry in the slot of a counter; nullptr where it has none. Expected O(1).
    const Entry* own_entry(const HashedSlot& slot);
    /// True once an operation has taken a dot.
    bool wrote() { return settle(), next_ > first_; }
    void fail(Fault fault);
    /// Known at once where the operation itself is at fault; what is too much in sum may show some operations later.
    const std::optional<Fault>& fault() const { return fault_; }

    /// Ends the transaction. What changed, for watchers; or the fault, everything being as before.
    Result<Changes> commit();
    void rollback();

  private:
    friend class Replica;  // settles before it is read

    /// A put or a drop that waits for the memory that it will touch. `entry` holds its slot and value, in no index yet.
    struct Queued {
        Handle entry;
        std::uint32_t hash;
        bool put;
    };
    static constexpr unsigned queue_max = 16;
    // So many operations later what a fetch asked for has come.
    static constexpr unsigned entry_after = 4;
    static constexpr unsigned dot_after = 9;

    /// What rolling back must turn around: an entry that came, or one that went and is kept aside until the end.
    struct Step {
        Handle entry;
        bool came;
        bool named;  ///< its dot was noted as removed by the window
    };

    bool valid(const SlotView& slot, BytesView value, bool mesh = false);
    bool reserve(std::size_t bytes);
    void enqueue(const SlotView& slot, BytesView value, bool put);
    void run_next();
    void run_put(Handle fresh, const HashedSlot& slot);
    void run_drop(const HashedSlot& slot);
    void settle() {
        while (head_ != tail_) run_next();
    }
    void admit(Handle fresh, Handle instead, std::uint32_t slot_hash);
    bool note_removed(Handle handle, bool trim);
    bool remove(Handle handle, bool trim);
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
    std::array<Queued, queue_max> queue_;
    unsigned head_ = 0, tail_ = 0;  ///< of the queue; they only grow
    std::vector<Step> steps_;
    std::optional<Fault> fault_;
};

}  // namespace starling::crdt
