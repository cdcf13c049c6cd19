// What has changed since a cursor, over all types: for caches, search indexes and bridges that keep a copy of what is
// here and have been away for a while.
//
//     auto cursor = Cursor(node.version());       // then read everything once
//     …
//     auto news = node.changes(cursor);
//     if (news.resync) …                          // read everything anew; news.next is from before that
//     for (const auto& change : news.list) …      // what is read there now
//     cursor = news.next;
#pragma once

#include <vector>

#include <starling/events.hpp>
#include <starling/watch.hpp>

namespace starling {

/// Of what a node remembers for `Node::changes`, counted as keys and fields plus `change_log_change_bytes` each; the
/// oldest is forgotten.
inline constexpr std::size_t change_log_bytes_max = std::size_t{16} << 20;
inline constexpr std::size_t change_log_change_bytes = 64;

struct ChangesSince {
    /// The node does not remember as far back as the cursor: `list` is empty, and what is needed has to be read anew.
    bool resync = false;
    /// Every place whose reading may differ from that at the cursor, once, with what is read there now; some may be
    /// the same. By type, key and field. `appended` is empty: journals have feeds.
    std::vector<Change> list;
    Cursor next;  ///< where to go on
};

}  // namespace starling
