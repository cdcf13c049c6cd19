#include "gossip/choice.hpp"

#include <algorithm>

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t entry_header_bytes = 40;
constexpr std::uint64_t death_bytes = 4;
constexpr std::uint64_t live_per_byte = 4;

}  // namespace

bool diff_is_cheaper(const State& state, const Log& log, const std::vector<PullRange>& ranges,
                     std::size_t changesets_max) {
    std::uint64_t of_log = 0;
    std::uint64_t events = 0;
    for (const auto& range : ranges) {
        const auto records = log.range(range.origin, range.from, range.to, changesets_max);
        for (const auto& record : records) of_log += wire_bytes(*record.changeset);
        if (!records.empty()) events += records.back().changeset->last() - range.from + 1;
    }
    const auto limit = of_log / diff_advantage_min;
    if (limit <= diff_fixed_bytes) return false;
    std::uint64_t entries = 0, live = 0;
    for (const auto& range : ranges) {
        const auto* origin = state.origin(range.origin);
        if (origin == nullptr) continue;
        // As far as the log was counted: its rest and the rest of the entries are left out alike.
        const auto records = log.range(range.origin, range.from, range.to, changesets_max);
        if (records.empty()) continue;
        origin->live.each(range.from, records.back().changeset->last(), [&](Seq, Handle handle) {
            entries += entry_header_bytes + state.at(handle).text_bytes();
            ++live;
        });
    }
    const auto died = std::min(death_bytes * (events - std::min(events, live)), state.live_count() / live_per_byte);
    return entries + died + diff_fixed_bytes < limit;
}

}  // namespace starling::gossip
