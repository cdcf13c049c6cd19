// Which lives are known, and what of each. A life that has a live entry, or that somebody has business with, is kept in
// full, as an Origin. The others are dormant: one packed line each among those of their node (dormant_lives.hpp). A
// life wakes where it is touched, and goes back to sleep some time after its last entry has gone.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "crdt/dormant_lives.hpp"
#include "crdt/found_last.hpp"
#include "crdt/hash.hpp"
#include "crdt/seq_index.hpp"

namespace starling::crdt {

struct NodeLives;

/// What is known of one replica. It stays where it is while it has a live entry or is pinned.
struct Origin {
    Origin(const ReplicaId& its_id, NodeLives& its_node);

    ReplicaId id;
    NodeLives* node;
    Seq seen = 0;          ///< every dot up to here is covered
    Stamp last_stamp = 0;  ///< of its last put; the next changeset's stamps are coded from here
    SeqIndex live;
    WideHash hash;             ///< has taken in the id
    Seq stored_seen = 0;       ///< bookkeeping of the store: it may hold entries up to here
    std::uint32_t stored = 0;  ///< bookkeeping of the store: its number there; 0: none yet
    std::uint32_t pins = 0;    ///< bookkeeping: who else points here
    bool named = false;        ///< bookkeeping of the open window: it removes dots of this replica
    bool may_be_idle = false;  ///< bookkeeping: is to be looked at when lives go to sleep
};

/// What is known of all lives of one node.
struct NodeLives {
    Fingerprint lines;      ///< the sum of the hashes of its lines of the version
    std::size_t lives = 0;  ///< how many there are, those kept in full included
    DormantLives dormant;
};

/// What the version says of one life.
struct LifeLine {
    ReplicaId id;
    Seq seen = 0;
    Stamp last_stamp = 0;
    std::uint32_t stored = 0;        ///< as in Origin
    const Origin* origin = nullptr;  ///< nullptr where it is dormant
};

/// Invariants: a life is kept once, in full or dormant; whoever has a live entry or a pin is kept in full; the sums are
/// those of the lines. Thread rule: one thread at a time. Single operations are O(log n) in lives kept in full and in
/// nodes, besides what DormantLives says.
class LifeTable {
  public:
    /// So many lives without a live entry may be kept in full: those that come and go again stay awake.
    static constexpr std::size_t idle_max = 64;

    std::size_t size() const { return lives_; }
    /// Nothing where it is not known.
    std::optional<LifeLine> find(const ReplicaId& id) const;
    /// nullptr where it is not kept in full.
    const Origin* origin(const ReplicaId& id) const;
    const Fingerprint& version_hash() const { return version_hash_; }
    const std::map<NodeKey, NodeLives>& nodes() const { return nodes_; }
    /// Calls `visit(life_line)` in the order of ids; the visit changes no line. O(lives).
    template <class Visit>
    void each(Visit visit) const {
        auto at = origins_.begin();
        for (const auto& [key, node] : nodes_) each_of(key, node, at, visit);
    }
    /// The same for the lives of one node. O(log n + its lives).
    template <class Visit>
    void each_of(const NodeKey& key, Visit visit) const {
        const auto node = nodes_.find(key);
        if (node == nodes_.end()) return;
        auto at = origins_.lower_bound(ReplicaId{key, 0});
        each_of(key, node->second, at, visit);
    }
    /// Calls `visit(origin)` for those kept in full, in the order of ids.
    template <class Visit>
    void each_origin(Visit visit) const {
        for (const auto& origin : origins_) visit(origin);
    }

    /// Keeps a life in full, whether it was known or not.
    Origin& touch(const ReplicaId& id);
    static Origin& writable(const Origin& origin) { return const_cast<Origin&>(origin); }
    /// A line for a life that sleeps; false where the life is known already.
    bool add(const NodeKey& node, const DormantLife& line);
    void raise(Origin& origin, Seq seen, Stamp last_stamp);
    /// The same; wakes nobody.
    void raise(const ReplicaId& id, Seq seen, Stamp last_stamp);
    void set_stored(const ReplicaId& id, std::uint32_t number);
    /// While somebody has a pin, the origin stays.
    static void pin(Origin& origin) { ++origin.pins; }
    void unpin(Origin& origin);
    /// It has no live entry any more.
    void idle(Origin& origin);
    /// Where many are idle, they go to sleep; or all that are, be they few or many. Ends what origins without a live
    /// entry or a pin are pointed at. Amortised as `touch`.
    void rest(bool all = false);

    /// Recomputes the invariants; O(n log n).
    void check() const;

  private:
    struct ById {
        using is_transparent = void;
        bool operator()(const Origin& a, const Origin& b) const { return a.id < b.id; }
        bool operator()(const Origin& a, const ReplicaId& b) const { return a.id < b; }
        bool operator()(const ReplicaId& a, const Origin& b) const { return a < b.id; }
    };
    using Origins = std::set<Origin, ById>;  // its elements are changed, all but their ids
    struct IdOf {
        const ReplicaId& operator()(const Origin& origin) const { return origin.id; }
    };

    static LifeLine line_of(const Origin& origin) {
        return {origin.id, origin.seen, origin.last_stamp, origin.stored, &origin};
    }
    static LifeLine line_of(const NodeKey& node, const DormantLife& life) {
        return {{node, life.life}, life.seen, life.last_stamp, life.stored, nullptr};
    }
    template <class Visit>
    static void each_of(const NodeKey& key, const NodeLives& node, Origins::const_iterator& at, Visit& visit) {
        auto awake = node.lives - node.dormant.size();
        node.dormant.each([&](const DormantLife& life) {
            for (; awake > 0 && at->id.life < life.life; --awake) visit(line_of(*at++));
            visit(line_of(key, life));
        });
        for (; awake > 0; --awake) visit(line_of(*at++));
    }
    NodeLives& node_of(const ReplicaId& id);
    void raise_line(NodeLives& node, WideHash hash, Seq from, Seq to);
    void sleep(const Origin& origin);

    Origins origins_;
    FoundLast<Origin, IdOf> found_;
    std::map<NodeKey, NodeLives> nodes_;
    std::size_t lives_ = 0;
    Fingerprint version_hash_;
    std::vector<Origin*> idle_;  ///< those that may be
};

/// The hash of one line of a version. Summed, it makes the version hash; a seq of 0 adds nothing.
Fingerprint version_line_hash(const ReplicaId& id, Seq seen);
Fingerprint version_hash(const Version& version);
/// The bytes of an id as the hashes take them in.
inline constexpr std::size_t replica_bytes = 40;

}  // namespace starling::crdt
