// What will happen, in the order of (time, id): two things at one time happen in the order they were scheduled, so a
// run never depends on anything but its seed.
//
// Events lie still in a pool while small keys move through the heap: with 10,000 nodes a million are under way.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "crdt/ids.hpp"

namespace starling::sim {

/// A node of the simulated world, by number.
using Place = std::size_t;

struct Event {
    enum class Kind : std::uint8_t { deliver, link_up, link_down, dial, connect_failed, tick, resume, script };
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
    bool empty() const { return heap_.empty(); }
    std::size_t size() const { return heap_.size(); }
    /// When the next event is due; nothing when there is none.
    std::optional<std::uint64_t> next_us() const {
        return heap_.empty() ? std::nullopt : std::optional(heap_.front().time_us);
    }

    /// Times that have passed mean now.
    void at(std::uint64_t time_us, Event event) {
        heap_.push_back({std::max(time_us, now_us_), next_id_++, store(std::move(event))});
        std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    }
    /// Takes out the next event and moves time to it. The queue must not be empty.
    Event pop() {
        std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
        const auto [time_us, id, cell] = heap_.back();
        heap_.pop_back();
        now_us_ = time_us;
        free_.push_back(cell);
        return std::move(pool_[cell]);
    }

  private:
    struct Key {
        std::uint64_t time_us;
        std::uint64_t id;
        std::size_t cell;
        auto operator<=>(const Key&) const = default;
    };

    std::size_t store(Event event) {
        if (free_.empty()) {
            pool_.push_back(std::move(event));
            return pool_.size() - 1;
        }
        const auto cell = free_.back();
        free_.pop_back();
        pool_[cell] = std::move(event);
        return cell;
    }

    std::vector<Key> heap_;  ///< the least in front
    std::deque<Event> pool_;
    std::vector<std::size_t> free_;  ///< cells of the pool
    std::uint64_t next_id_ = 0;
    std::uint64_t now_us_ = 0;
};

}  // namespace starling::sim
