// The trace: a hash over everything that happened, so that two runs can be compared by one number, and the last events
// in words, for the story of a failure.
#pragma once

#include <array>
#include <iosfwd>
#include <string>
#include <vector>

#include "sim/queue.hpp"

namespace starling::sim {

/// Sixteen digits.
std::string hex(std::uint64_t word);

/// Thread rule: one thread at a time. `add` is O(bytes).
class Trace {
  public:
    static constexpr std::size_t story_events_max = 60;
    static constexpr Place nowhere = SIZE_MAX;

    /// `what` is a word that outlives the trace.
    void add(std::uint64_t time_us, const char* what, Place to, Place from = nowhere, crdt::BytesView bytes = {});
    /// In the story only.
    void remark(std::string text);
    /// Writes every event from now on to a stream too, as it happens.
    void follow(std::ostream& out) { out_ = &out; }

    std::uint64_t hash() const { return hash_; }
    std::uint64_t events() const { return events_; }
    /// The last events, one a line, oldest first.
    std::string story() const;

  private:
    /// Of a message enough is kept to tell its kind.
    static constexpr std::size_t head_bytes = 24;
    struct Line {
        std::uint64_t time_us = 0;
        const char* what = nullptr;
        Place to = 0, from = 0;
        std::size_t bytes = 0;
        std::array<char, head_bytes> head{};
        std::string remark;
    };
    Line& next_line();
    static std::string words_of(const Line& line);

    std::uint64_t hash_ = 0xcbf29ce484222325ULL;
    std::uint64_t events_ = 0;
    std::vector<Line> lines_;  ///< a ring: the newest overwrites the oldest
    std::size_t oldest_ = 0;
    std::ostream* out_ = nullptr;
};

}  // namespace starling::sim
