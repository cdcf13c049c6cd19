// Everybody this node has heard of, whether it answers or not. An entry does not grow old and no failure removes it, so
// that two halves of a mesh know of each other after a split of any length; only a full book replaces entries.
//
// What it then keeps: one half is a random sample of everybody ever heard of, drawn by a secret hash, so that saying a
// name again and again helps nobody in; whoever was linked once goes before those that are only hearsay. The other half
// are those that were alive most recently.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "crdt/hash.hpp"
#include "gossip/overlay_messages.hpp"

namespace starling::gossip {

struct BookLimits {
    std::size_t entries_max = 256;            ///< at most 32 KiB of keys, addresses and times, and as much for the tree
    std::size_t sampled = 128;                ///< of them, chosen by the hash
    std::uint64_t retry_us_min = 1'000'000;   ///< after a dial that failed, doubled with each
    std::uint64_t retry_us_max = 30'000'000;  ///< up to this
};

struct BookEntry {
    crdt::Bytes proven;               ///< the address at which it was linked; empty: never
    crdt::Bytes heard;                ///< another one, by hearsay; tried in turn with the proven one
    std::uint64_t alive_us = 0;       ///< known alive then; 0: never
    std::uint64_t tried_us = 0;       ///< dialled last
    std::uint64_t not_before_us = 0;  ///< not to be dialled again before this
    std::uint32_t failures = 0;       ///< since it was last linked
    std::uint64_t rank = 0;           ///< the secret hash: the smallest stay

    const crdt::Bytes& address() const {
        const bool by_hearsay = proven.empty() || (failures % 2 == 1 && !heard.empty());
        return by_hearsay ? heard : proven;
    }
};

/// Invariants: at most `entries_max` entries, none without an address, none for this node itself. Thread rule: one
/// thread at a time.
class AddressBook {
  public:
    /// Entries of nodes that are `pinned` are never replaced; they must be fewer than the recent half.
    using Pinned = std::function<bool(const crdt::NodeKey&)>;
    AddressBook(const crdt::NodeKey& self, const BookLimits& limits, const crdt::HashKey& secret, Pinned pinned);

    /// Somebody says that `peer` could be reached there. True where the book knows it (now). O(log n), O(n) when full.
    bool hear(const PeerAddress& peer, std::uint64_t alive_us);
    /// It is linked: the address works.
    void linked(const PeerAddress& peer, std::uint64_t now_us);
    /// It was linked up to now.
    void seen(const crdt::NodeKey& node, std::uint64_t now_us);
    void tried(const crdt::NodeKey& node, std::uint64_t now_us);
    void failed(const crdt::NodeKey& node, std::uint64_t now_us, std::uint64_t chance);
    /// It gave a sign of life: dials that failed are no reason to wait any longer.
    void retry(const crdt::NodeKey& node);
    /// It answered, but has no room.
    void refused(const crdt::NodeKey& node, std::uint64_t now_us, std::uint64_t not_before_us);

    const BookEntry* find(const crdt::NodeKey& node) const;
    const std::map<crdt::NodeKey, BookEntry>& entries() const { return entries_; }
    void check() const;

  private:
    void make_room();

    crdt::NodeKey self_;
    BookLimits limits_;
    crdt::HashKey secret_;
    Pinned pinned_;
    std::map<crdt::NodeKey, BookEntry> entries_;
};

}  // namespace starling::gossip
