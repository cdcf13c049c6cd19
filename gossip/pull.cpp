// Pulls: what a node is behind in, out of the logs of its peers.
#include <algorithm>

#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "gossip/choice.hpp"
#include "gossip/engine.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t pull_changesets_max = 4096;  // of one origin in one answer
constexpr std::size_t pull_sources_max = 4;        // asked at a time
constexpr std::size_t pull_ranges_max = 8'192;     // in one pull: at most some 64 bytes each
constexpr std::size_t pull_gone_max = 1'024;       // named in one answer: one is enough to ask for a state diff
constexpr std::uint64_t pull_events_min = 64;      // asked for at once
constexpr std::uint64_t pull_events_max = 1 << 20;

}  // namespace

/// What the links have asked for and not got yet: by origin, the last seq of each range by its first.
std::map<ReplicaId, std::map<Seq, Seq>> Engine::asked() const {
    std::map<ReplicaId, std::map<Seq, Seq>> ranges;
    for (const auto& [peer, link] : links_) {
        if (!link.pull) continue;
        for (const auto& range : link.pull->ranges) ranges[range.origin].emplace(range.from, range.to);
    }
    return ranges;
}

/// The first seqs up to `top` that are neither here, nor wait here, nor are asked for; at most `many`.
std::optional<PullRange> Engine::lacked(const ReplicaId& id, const std::map<Seq, Seq>& asked, Seq top,
                                        std::uint64_t many) const {
    const auto skip = mutant(Mutant::pull_skips_one) ? 1 : 0;
    auto here = replica_.state().seen(id);
    for (auto before = here + 1; before != here;) {
        before = here;
        here = waiting_.continues(id, here);
        if (const auto at = asked.find(here + 1); at != asked.end()) here = at->second;
    }
    const auto from = here + 1 + skip;
    auto to = std::min({top, from + many - 1, waiting_.next(id, from) - 1});
    if (const auto next = asked.lower_bound(from); next != asked.end()) to = std::min(to, next->first - 1);
    return from <= to ? std::optional(PullRange{id, from, to}) : std::nullopt;
}

/// Several links pull at a time, each a slice of every origin that its peer has more of, next to the slices of the
/// others: origins advance together, so that little waits for causes that are still to come.
void Engine::pull_from(const NodeKey& peer, Link& link) {
    if (link.pull || link.behind.empty() || diffs_.asking(peer)) return;
    std::vector<std::pair<ReplicaId, bool>> due;  // and whether a digest told of it
    for (auto at = link.behind.begin(); at != link.behind.end();) {
        const auto& [id, behind] = *at;
        if (link.known.seen(origins_, number(id)) <= replica_.state().seen(id) || newer_format_.contains(id) ||
            forks_.contains(id)) {
            at = link.behind.erase(at);
            continue;
        }
        if (behind.due_us <= now_.mono_us) due.emplace_back(id, behind.announced);
        ++at;
    }
    const auto pulling = std::count_if(links_.begin(), links_.end(), [](const auto& l) { return l.second.pull; });
    const bool crowded = waiting_.bytes() > limits_.waiting_bytes_max / pull_sources_max;
    if (due.empty() || std::size_t(pulling) >= (crowded ? 1 : pull_sources_max)) return;
    OutstandingPull pull{next_pull_, {}, now_.mono_us + limits_.pull_timeout_us, waiting_.evicted(), true};
    auto elsewhere = asked();
    const auto slice = std::max<std::uint64_t>(1, pull_events_ / due.size());
    for (const auto& [id, announced] : due) {
        const auto range = lacked(id, elsewhere[id], link.known.seen(origins_, number(id)), slice);
        if (!range) continue;
        if (pull.ranges.size() == pull_ranges_max) break;
        pull.ranges.push_back(*range);
        pull.announced = pull.announced && announced;
    }
    if (pull.ranges.empty()) return;
    ++next_pull_;
    ++counters_.pulls;
    send(peer, Pull{pull.id, pull.ranges});
    link.pull = std::move(pull);
}

/// The choice is about all that the peer lacks of these origins, as far as is known, and not about this slice of it. It
/// is weighed again when that has grown.
bool Engine::better_by_diff(Link& link, const Pull& pull) {
    std::uint64_t of_log = 0;
    std::vector<PullRange> lacks;
    for (const auto& range : pull.ranges) {
        const auto from = link.known.seen(origins_, number(range.origin)) + 1;
        const auto to = replica_.state().seen(range.origin);
        if (from > to) continue;
        of_log += log_.wire_bytes(range.origin, from);
        lacks.push_back({range.origin, from, to});
    }
    const bool grown = of_log > link.weighed_bytes + link.weighed_bytes / 4;
    const bool diff = grown && diff_is_cheaper(replica_.state(), of_log, lacks);
    link.weighed_bytes = diff ? 0 : of_log;
    return diff;
}

void Engine::on(const NodeKey& peer, Pull& pull) {
    Changesets answer{pull.id, {}, {}};
    std::vector<Log::Record> records;
    std::vector<std::vector<Log::Record>> pieces;
    sign_what_leaves();
    auto& link = links_.at(peer);
    const bool diff = better_by_diff(link, pull);
    for (const auto& range : pull.ranges) {
        if (replica_.state().seen(range.origin) < range.from) continue;
        trees_.graft(origins_.intern_node(range.origin.node), link.slot);
        if (diff || !log_.serves(range.origin, range.from)) {
            if (answer.gone.size() < pull_gone_max) answer.gone.push_back(range.origin);
            continue;
        }
        // Own changesets leave when they are durable, however they are asked for.
        const bool own = range.origin.node == node_ && !mutant(Mutant::pulls_get_undurable);
        const auto to = own ? std::min(range.to, durable_seen(range.origin)) : range.to;
        if (sealing_) {
            if (to < range.from) continue;
            auto proven = log_.proven(range.origin, range.from, to, pull_changesets_max);
            const bool later = range.origin == replica_.self() || log_.amid_seal(range.origin);
            if (proven.empty() && !later && answer.gone.size() < pull_gone_max) answer.gone.push_back(range.origin);
            pieces.insert(pieces.end(), std::make_move_iterator(proven.begin()), std::make_move_iterator(proven.end()));
            continue;
        }
        auto found = log_.range(range.origin, range.from, to, pull_changesets_max);
        records.insert(records.end(), found.begin(), found.end());
    }
    if (sealing_) return answer_proven(peer, link, std::move(answer), std::move(pieces));
    // In the order of application, so that causes arrive before their effects.
    std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
    std::size_t bytes = 0;
    NewNames names(link.refs_out);
    for (const auto& record : records) {
        const auto more = wire_bytes(*record.changeset);
        if (!answer.shared.empty() &&
            (!names.room_for(*record.changeset) || bytes + more > limits_.frame_changesets_bytes_max))
            break;
        bytes += more;
        names.add(*record.changeset);
        answer.shared.push_back(record.changeset);
    }
    counters_.changesets_sent += answer.shared.size();
    counters_.changeset_bytes_sent += bytes;
    send(peer, answer);
}

/// What was asked for in vain, where the peer is still known to have more. Numbers may have been given back meanwhile:
/// what was known is nothing then, and nobody gets a number for it.
void Engine::pull_again(Link& link, const OutstandingPull& pull, std::uint64_t due_us) {
    for (const auto& range : pull.ranges) {
        const auto origin = origins_.find(range.origin);
        if (origin && link.known.seen(origins_, *origin) > replica_.state().seen(range.origin))
            link.behind[range.origin] = {due_us, pull.announced};
    }
}

/// An answer is bounded, so a range may come to nothing because another filled it: any progress asks on at once. How
/// much is asked for grows while answers hold all of it, and shrinks to what one held.
void Engine::pull_answered(const NodeKey& peer, Link& link, const Changesets& message) {
    if (!link.pull || link.pull->id != message.pull) return;
    const auto pull = *std::exchange(link.pull, {});
    const bool evicted = pull.evicted != waiting_.evicted();
    const auto elsewhere = asked();
    std::uint64_t wanted = 0, got = 0;
    bool others = false;
    for (const auto& range : pull.ranges) {
        others = others || elsewhere.contains(range.origin);
        wanted += range.to - range.from + 1;
        const auto seen = std::max(range.from - 1, replica_.state().seen(range.origin));
        const auto here = evicted ? seen : waiting_.continues(range.origin, seen);
        got += std::min(range.to, here) - (range.from - 1);
    }
    if (got > 0 || others)  // no changeset begins in a slice that is too small
        pull_events_ =
            got > 0 && got < wanted ? std::max(got, pull_events_min) : std::min(2 * pull_events_, pull_events_max);
    if (got == 0) {  // do not ask the same again at once, or two nodes could do nothing else
        const auto wait_us = others ? limits_.pull_delay_us : limits_.pull_timeout_us;
        pull_again(link, pull, now_.mono_us + wait_us);
    }
    if (!message.gone.empty()) diffs_.ask(peer, now_.mono_us);
    pull_from(peer, link);
}

}  // namespace starling::gossip
