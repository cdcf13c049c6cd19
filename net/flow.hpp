// How much may be under way to one peer. Both sides count the weight of the data frames of a link; the receiver tells,
// in its ALIVE frames, how much it has consumed; the sender keeps what is not yet consumed within a window and the rest
// in a queue of its own. So the memory that a slow reader needs is bounded, on both sides, whatever ZeroMQ and TCP
// would buffer.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "crdt/assert.hpp"
#include "net/door.hpp"

namespace starling::net {

constexpr std::uint64_t frame_weight_bytes = 64;                // of a frame, besides its payload
constexpr std::uint64_t window_bytes = std::uint64_t{8} << 20;  // sent and not reported consumed
constexpr std::uint64_t report_after_bytes = window_bytes / 4;
// What goes aside does not wait behind data: it has so much room of its own, and is dropped beyond.
constexpr std::uint64_t aside_window_bytes = std::uint64_t{1} << 20;
inline std::uint64_t weight_of(BytesView payload) {
    return payload.size() + frame_weight_bytes;
}

/// The counters of one link, both directions. Invariant: reported consumption never exceeds what was sent.
class Flow {
  public:
    // Sending.
    bool may_send(BytesView payload) const {
        return queue_.empty() && in_flight() + weight_of(payload) <= window_bytes;
    }
    bool may_send_aside(BytesView payload) const {
        return in_flight() + weight_of(payload) <= window_bytes + aside_window_bytes;
    }
    void sent(BytesView payload) { sent_ += weight_of(payload); }
    void queue(BytesView payload) {
        queue_.emplace_back(payload);
        queued_ += weight_of(payload);
    }
    /// The first of the queue, once there is room for it.
    std::optional<Bytes> next() {
        if (queue_.empty() || in_flight() + weight_of(queue_.front()) > window_bytes) return std::nullopt;
        Bytes payload = std::move(queue_.front());
        queue_.pop_front();
        queued_ -= weight_of(payload);
        return payload;
    }
    std::uint64_t in_flight() const { return sent_ - consumed_there_; }
    std::uint64_t waiting() const { return queued_ + in_flight(); }
    /// The peer says how much it has consumed; false if that cannot be.
    bool take_report(std::uint64_t consumed) {
        if (consumed < consumed_there_ || consumed > sent_) return false;
        consumed_there_ = consumed;
        return true;
    }

    // Receiving.
    void received(BytesView payload) { consumed_ += weight_of(payload); }
    bool report_due() const { return consumed_ - reported_ >= report_after_bytes; }
    std::uint64_t report() { return reported_ = consumed_; }

    void check() const {
        STARLING_ASSERT(consumed_there_ <= sent_, "nobody consumes what was not sent");
        STARLING_ASSERT(in_flight() <= window_bytes + aside_window_bytes, "the window holds");
        STARLING_ASSERT(reported_ <= consumed_, "reports are of what was consumed");
        STARLING_ASSERT(queue_.empty() == (queued_ == 0), "the weight of the queue is that of its frames");
    }

  private:
    std::deque<Bytes> queue_;
    std::uint64_t queued_ = 0, sent_ = 0, consumed_there_ = 0, consumed_ = 0, reported_ = 0;
};

}  // namespace starling::net
