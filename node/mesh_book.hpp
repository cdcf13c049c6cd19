// What this node has read of the mesh's records (net/mesh_record.hpp). Entries are noted as they come, under the lock
// of the data, and looked at later without it, each once and so many at a time: a member may write as much nonsense
// below
// `$mesh/` as it likes, and nobody waits for signatures.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "crdt/replica.hpp"
#include "net/roster.hpp"
#include "net/signing.hpp"

namespace starling::detail {

/// Verified in one go: at most seven signatures each, some 15 ms in all at worst, a third of that as a rule.
constexpr std::size_t records_at_once_max = 32;
/// While more wait, what they say is told after so many times `records_at_once_max`.
constexpr std::size_t batches_untold_max = 32;
/// Verified before an open returns; the rest, if somebody wrote so much, while the node runs.
constexpr std::size_t records_at_open_max = 4096;

/// Thread-safe. Invariant: no entry is verified twice, nor what another entry has shown to hold.
class MeshBook {
  public:
    struct Entry {
        net::NodeKey writer{};
        net::Bytes record;
    };

    explicit MeshBook(const net::Trust& trust) : trust_(trust), roster_(trust) {}

    // -- under the lock of the data
    /// What came since it was noted last. O(records + lives).
    void note(const crdt::State& state);
    /// The same of one life. O(its entries that came).
    void note(const crdt::State& state, const crdt::ReplicaId& life);
    /// What is to be looked at next: what claims to be a revocation first, then of those whose writers wrote the least
    /// nonsense so far, one of each in turn. O(writers log writers).
    std::vector<Entry> next(const crdt::State& state);
    /// Something is to be looked at, or in somebody's hands.
    bool waits() const;

    // -- without it
    struct News {
        bool any = false;         ///< they say anything new
        bool revocation = false;  ///< and that is one
    };
    /// What `next` gave.
    News look_at(const std::vector<Entry>& entries);
    /// What this node publishes itself.
    News look_at_own(const Entry& entry);
    /// `look(const net::Roster&)`. Not for long: whoever looks at records waits.
    template <class Look>
    auto read(Look look) const {
        const std::lock_guard lock(mutex_);
        return look(roster_);
    }

  private:
    struct Waiting {
        std::deque<crdt::Dot> revocations, others;
        bool empty() const { return revocations.empty() && others.empty(); }
    };
    void wait_for(const crdt::ReplicaId& life, crdt::Seq seq, crdt::BytesView value);
    void look_at(const Entry& entry, News& news);

    const net::Trust trust_;
    mutable std::mutex mutex_;  // guards what follows
    net::Roster roster_;
    std::map<crdt::ReplicaId, crdt::Seq> noted_;  ///< how far each life was noted
    std::map<net::NodeKey, Waiting> waiting_;     ///< by writer; none is empty
    std::size_t in_hand_ = 0;                     ///< given out by `next`, and not looked at yet
    std::map<net::NodeKey, unsigned> wrong_;      ///< by writer
    std::set<net::Digest256> held_;               ///< what holds, by content
};

/// Does any of them touch the records?
bool touch_records(const crdt::Changes& changes);
/// The slot's field and the value as which a record is published: what is there twice is in one slot.
net::Bytes field_of_record(net::BytesView record);
net::Bytes value_of_record(net::BytesView record);

}  // namespace starling::detail
