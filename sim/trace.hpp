// The trace: a hash over everything that happened, so that two runs can be compared by one number, and the last events
// in words, for the story of a failure.
#pragma once

#include <deque>
#include <string>

#include "sim/queue.hpp"

namespace starling::sim {

/// Thread rule: one thread at a time. `add` is O(bytes).
class Trace {
  public:
    static constexpr std::size_t story_events_max = 60;
    static constexpr Place nowhere = SIZE_MAX;

    /// `what` is a word that outlives the trace.
    void add(std::uint64_t time_us, const char* what, Place to, Place from = nowhere, crdt::BytesView bytes = {});
    /// In the story only.
    void remark(std::string text);

    std::uint64_t hash() const { return hash_; }
    std::uint64_t events() const { return events_; }
    /// The last events, one a line, oldest first.
    std::string story() const;

  private:
    struct Line {
        std::uint64_t time_us;
        const char* what;
        Place to, from;
        std::size_t bytes;
        crdt::Bytes head;  ///< the first bytes of a message: its kind is in there
        std::string remark;
    };
    void keep(Line line);

    std::uint64_t hash_ = 0xcbf29ce484222325ULL;
    std::uint64_t events_ = 0;
    std::deque<Line> lines_;
};

}  // namespace starling::sim
