// A replica of the space: the state, this node's own open window, and the rules by which changesets enter (design rules
// 1–6). It knows no clock, no peer and no random source: stamps and lives are handed in.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "crdt/changeset.hpp"
#include "crdt/mutant.hpp"
#include "crdt/state.hpp"

namespace starling::crdt {

class Transaction;

/// An applied changeset that no other applied changeset depends on.
struct Head {
    Seq last = 0;
    Depth depth = 0;
    bool operator==(const Head&) const = default;
};
using Heads = std::map<ReplicaId, Head>;

/// A slot whose reading may have changed. For journals, one for each entry that came or went.
struct Change {
    Slot slot;
    std::optional<Dot> appended;  ///< journals: the new entry
    auto operator<=>(const Change&) const = default;
};
using Changes = std::vector<Change>;

/// That this entry came.
Change change_of(const Entry& entry);
/// Sorts, and names each once.
void tidy(Changes& changes);

/// Invariants: those of State; own dots past `state().seen(self())` exist only while the window is open; every head is
/// the last dot of an applied changeset; no head is covered by another's dependencies. Thread rule: one thread at a
/// time.
class Replica {
  public:
    /// `table_key` keys the hash tables (crdt/state.hpp): random in a node, anything in a test.
    explicit Replica(SpaceId space, const HashKey& table_key = {}) : space_(space), state_(table_key) {}
    Replica(const Replica&) = delete;
    Replica& operator=(const Replica&) = delete;

    /// Inside a transaction, with all of its writes so far.
    const State& state() const {
        if (transaction_ != nullptr && !mutant(Mutant::readers_miss_the_queue)) settle();
        return state_;
    }
    /// For the bookkeeping of a store. Between transactions.
    State& bookkeeping() { return state_; }
    SpaceId space() const { return space_; }
    const Heads& heads() const { return heads_; }
    /// The greatest depth applied; what is written next is one deeper.
    Depth depth() const { return depth_; }
    /// Nothing before the first write.
    const std::optional<ReplicaId>& self() const { return self_; }

    /// Whether changes are gathered for watchers; they are until told otherwise. Without, they come back empty.
    void gather_changes(bool on) { gathers_ = on; }

    /// Starts a life (rule 12): before the first write, or when the running one turns out to live elsewhere too. The
    /// window must be closed and `self` unseen.
    void begin_life(const ReplicaId& self);

    // -- the open window: own transactions that no changeset holds yet
    bool window_open() const { return window_.has_value(); }
    std::size_t window_bytes() const { return window_ ? window_->bytes : 0; }
    std::uint64_t window_dots() const { return window_ ? window_->next - window_->first : 0; }
    /// Closes the window: one changeset. Superseded puts are left out, removals never are. Nothing where none is open.
    /// O(k log n) in the window's operations.
    std::optional<Changeset> cut();

    /// True when so many heads are open that a changeset could soon not name them all.
    bool heads_full() const;
    /// A changeset that does nothing but depend on the oldest-named half of what a changeset may depend on. The window
    /// must be closed and a life begun.
    Changeset merge_heads();

    // -- others' changesets
    /// A dot that must be covered before `changeset` can be applied (rule 2); nothing when it is deliverable.
    std::optional<Dot> missing(const Changeset& changeset, const Body* body) const;
    /// Applies a deliverable changeset whole (rule 3). A void body is nullptr: only the dots count (rule 4). O(k log
    /// n).
    Changes apply(const Changeset& changeset, const Body* body);
    /// The same, of a body as `decode_body` returns it.
    std::optional<Dot> missing(const Changeset& changeset, const Result<Body>& body) const {
        return missing(changeset, body ? &*body : nullptr);
    }
    Changes apply(const Changeset& changeset, const Result<Body>& body) {
        return apply(changeset, body ? &*body : nullptr);
    }
    /// A hint: these bodies will be applied soon. Most of an apply is waiting for memory; what all of them will touch
    /// is fetched at once. Changes nothing. O(operations), of which the first `prefetched_max` count.
    void prefetch(std::span<const Body* const> bodies) const;
    static constexpr std::size_t prefetched_max = 64;

    /// Recomputes the invariants; O(n log n).
    void check() const;

  private:
    friend class Transaction;
    friend class StateReader;
    friend class StateBuilder;
    friend Changes apply_difference(Replica&, const struct Difference&);

    /// A dot that the window removes and that was born before it.
    struct Removed {
        Origin* origin;
        Seq seq;
        bool trim;
    };
    struct Window {
        Seq first;
        Seq next;
        std::vector<Removed> removed;
        std::vector<Origin*> named;  ///< other replicas among them, each once
        std::size_t bytes;
    };

    void settle() const;
    bool removable(const Entry& entry, bool trim, const Origin& by) const;
    Handle superseded(const Changeset& changeset, const Body& body, const HashedSlot& slot, const Origin& by) const;
    void remove_run(const Origin& origin, const DotRun& run, bool trim, const Origin& by, Changes& changes);
    Stamp write_puts(BodyWriter& writer, Origin& own, const Changeset& header);
    void write_removals(BodyWriter& writer, Changeset& header);
    void took_own(const Changeset& changeset);

    SpaceId space_;
    State state_;
    Heads heads_;
    Depth depth_ = 0;
    std::optional<ReplicaId> self_;
    std::optional<Window> window_;
    Transaction* transaction_ = nullptr;  ///< the one that writes now
    bool gathers_ = true;
};

/// True for keys that ordinary writes do not touch. What is below them only grows: a put adds an entry to a map, and no
/// removal takes one.
bool is_mesh_key(BytesView key);
/// True where a put does nothing: below such a key, but to a map.
bool is_void_slot(const SlotView& slot);

}  // namespace starling::crdt
