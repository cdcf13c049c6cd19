// Where something changed lately, for readers of Node::changes. Removed entries leave nothing behind, so what a version
// lacks can be told only as long as somebody remembers it.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <vector>

#include <starling/changes.hpp>

#include "crdt/replica.hpp"

namespace starling::detail {

/// Records nothing until it is asked for the first time. Invariants: `bytes_` is what the items weigh and at most
/// change_log_bytes_max; whatever happened and is not within `floor_` is in an item. Thread rule: under the lock of the
/// data.
class ChangeLog {
  public:
    bool recording() const { return recording_; }
    /// From now on; `held` is what the node holds.
    void begin(crdt::Version held);
    /// What one replica wrote, up to this dot. O(changes).
    void record(const crdt::Changes& changes, const crdt::Dot& last);
    /// What a comparison of states brought; `held` is what the node holds after it.
    void record(const crdt::Changes& changes, const crdt::Version& held);

    /// The slots that may read differently than at a version; nothing where that is too long ago. O(items).
    std::optional<std::set<crdt::Slot>> since(const crdt::Version& cursor) const;

    void check() const;

  private:
    struct Item {
        std::optional<crdt::Dot> last;  ///< nothing: the whole of `held`
        crdt::Version held;
        std::vector<crdt::Slot> slots;
        std::size_t bytes = 0;
    };
    void push(Item item, const crdt::Changes& changes);
    static bool within(const Item& item, const crdt::Version& version);

    bool recording_ = false;
    crdt::Version floor_;  ///< what happened up to here may have been forgotten
    std::deque<Item> items_;
    std::size_t bytes_ = 0;
};

}  // namespace starling::detail
