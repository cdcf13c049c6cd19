#include "gossip/choice.hpp"

#include <algorithm>

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t entry_header_bytes = 24;
constexpr std::uint64_t death_bytes = 4;
constexpr std::uint64_t live_per_byte = 4;

}  // namespace

bool diff_is_cheaper(const State& state, std::uint64_t of_log, const std::vector<PullRange>& ranges) {
    const auto limit = of_log / diff_advantage_min;
    if (limit <= diff_fixed_bytes) return false;
    std::uint64_t entries = 0, live = 0, events = 0;
    for (const auto& range : ranges) {
        const auto* origin = state.origin(range.origin);
        if (origin == nullptr) continue;
        events += range.to - range.from + 1;
        origin->live.each(range.from, range.to, [&](Seq, Handle handle) {
            entries += entry_header_bytes + state.at(handle).text_bytes();
            ++live;
        });
        if (entries >= limit) return false;
    }
    const auto died = std::min(death_bytes * (events - std::min(events, live)), state.live_count() / live_per_byte);
    return entries + died + diff_fixed_bytes < limit;
}

}  // namespace starling::gossip
