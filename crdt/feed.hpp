// Journals as a feed: what a reader has not seen, of one journal or of all under a prefix, in the order of journals.
// What was read is a version, so it may be told anywhere and at any time.
#pragma once

#include <vector>

#include "crdt/state.hpp"

namespace starling::crdt {

/// Tells which entries are not to be shown. Entries of one journal with one field other than nil are copies of one
/// batch, each copy by another replica; only the one that is first in the order is shown. A batch is asked about once
/// for all of its entries, where they come one after the other: O(entries of its copies).
class Copies {
  public:
    /// With `read`, no copy is shown where that version covers a part of another one. Copies in the open window count
    /// where `open_window`. What is handed in must outlive this.
    Copies(const State& state, const Version* read, bool open_window)
        : state_(state), read_(read), open_window_(open_window) {}
    bool hidden(const Entry& entry);

  private:
    bool judge(const Entry& entry) const;

    const State& state_;
    const Version* read_;
    bool open_window_;
    const Entry* batch_ = nullptr;
    bool hidden_ = false;
};

struct FeedQuery {
    BytesView key;        ///< of the journal, or the beginning of keys
    bool prefix = false;  ///< the latter
    Version from;         ///< what was read
    std::size_t limit = 0;
    bool unseen_copies = false;  ///< of batches of which `from` covers a part of another copy, none is shown
};

struct FeedPage {
    std::vector<const Entry*> entries;
    Version next;  ///< `from`, and what is on the page or was passed over
    bool more = false;
};

/// Entries of the open window are not shown: their depth is not final. After `limit` entries the page ends with the
/// changeset; none is parted. For each replica, entries come in ascending seqs even where it claims falling depths.
///
/// The dots past `from` are gone through, as far as the page reaches; or the journals, where they hold much less.
/// O(replicas + that · log replicas).
FeedPage read_feed(const State& state, const FeedQuery& query);

}  // namespace starling::crdt
