// What will happen, in the order of (time, id): two things at one time happen in the order they were scheduled, so a
// run never depends on anything but its seed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "crdt/ids.hpp"

namespace starling::sim {

/// A node of the simulated world, by number.
using Place = std::size_t;

struct Event {
    enum class Kind : std::uint8_t { deliver, link_up, link_down, dial, connect_failed, tick, script };
    Kind kind{};
    Place to = 0;                   ///< whom it happens to; scripts: a number of their own
    Place from = 0;                 ///< the other end of the link
    std::uint64_t incarnation = 0;  ///< of the link; ticks: of the node's timer
    std::uint64_t token = 0;        ///< a scheduled timeout that is called off has an older one
    crdt::Bytes bytes;
};

/// Thread rule: one thread at a time. O(log n).
class Queue {
  public:
    std::uint64_t now_us() const { return now_us_; }
    bool empty() const { return events_.empty(); }
    /// When the next event is due; nothing when there is none.
    std::optional<std::uint64_t> next_us() const {
        return events_.empty() ? std::nullopt : std::optional(events_.begin()->first.first);
    }

    /// Times that have passed mean now.
    void at(std::uint64_t time_us, Event event) {
        events_.emplace(std::pair(time_us < now_us_ ? now_us_ : time_us, next_id_++), std::move(event));
    }
    /// Takes out the next event and moves time to it. The queue must not be empty.
    Event pop() {
        auto node = events_.extract(events_.begin());
        now_us_ = node.key().first;
        return std::move(node.mapped());
    }

  private:
    std::map<std::pair<std::uint64_t, std::uint64_t>, Event> events_;
    std::uint64_t next_id_ = 0;
    std::uint64_t now_us_ = 0;
};

}  // namespace starling::sim
