// The history: every committed local transaction, as what was meant and what was observed, and the naive rules by which
// a reader at some version must see it. It replays everything from the beginning, each time, and shares no code with
// the state it judges: no join, no index, no changeset, only the names of things.
//
// What an operation observed is recorded when it is made: the dots that were live in its slot at the writer. From then
// on the rule is one sentence: at a version, what a covered operation put is live unless a covered operation had
// observed it and taken it away.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crdt/ids.hpp"
#include "crdt/state.hpp"

namespace starling::sim {

/// One operation of a local transaction, at the level of intent.
struct Operation {
    crdt::Slot slot;
    bool puts = false;                ///< leaves a live value (else it only takes others away)
    crdt::Bytes value;                ///< what it put
    std::int64_t amount = 0;          ///< counters: what it added, whatever total was written
    std::vector<crdt::Dot> observed;  ///< the live dots it took away
};

/// Operations take consecutive seqs from `first` on.
struct LocalTransaction {
    crdt::ReplicaId origin;
    crdt::Seq first = 0;
    crdt::Stamp stamp = 0;
    crdt::Version context;  ///< what the writer had seen, its earlier transactions included
    std::vector<Operation> operations;

    crdt::Seq last() const { return first + operations.size() - 1; }
};

/// A put as a reader must find it.
struct LivePut {
    crdt::Dot dot;
    crdt::Stamp stamp = 0;
    const Operation* operation = nullptr;
    const LocalTransaction* transaction = nullptr;
};

/// What a reader at one version must see.
struct Implied {
    std::map<crdt::Slot, std::vector<LivePut>> live;  ///< in dot order; no slot is empty
    std::map<crdt::Bytes, std::int64_t> counters;     ///< sums of all amounts covered; absent where nothing was added

    /// The last writer among what is live in a slot: highest (stamp, replica, seq); nullptr where nothing is.
    const LivePut* winner(const crdt::Slot& slot) const;
    /// All that is live in a slot, winner first.
    std::vector<LivePut> newest_first(const crdt::Slot& slot) const;
    std::size_t live_count() const;
};

/// Invariants: the transactions of a replica follow each other without a gap; nothing is observed that was not recorded
/// before. Thread rule: one thread at a time.
class History {
  public:
    /// Adds a committed transaction of at least one operation. What is wrong with it, if anything: seqs that do not
    /// follow, or observed dots that nobody wrote.
    std::optional<std::string> record(LocalTransaction transaction);

    /// Why no reader can be at this version: beyond what was written, inside a transaction, or ahead of a cause.
    std::optional<std::string> impossible(const crdt::Version& version) const;

    /// Replays everything. The version must be possible. O(history).
    Implied implied(const crdt::Version& version) const;

    /// The transaction that took a dot; nullptr for none.
    const LocalTransaction* transaction(const crdt::Dot& dot) const;
    /// The transactions of a replica in order; empty for a stranger.
    const std::vector<LocalTransaction>& transactions(const crdt::ReplicaId& replica) const;
    /// Everything written, by anyone.
    crdt::Version written() const;

  private:
    std::map<crdt::ReplicaId, std::vector<LocalTransaction>> lives_;
};

/// "0a1b2c3d.4e5f/7": for stories.
std::string name_of(const crdt::Dot& dot);
std::string name_of(const crdt::Version& version);
std::string name_of(const crdt::Slot& slot);

}  // namespace starling::sim
