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

}  // namespace

std::set<ReplicaId> Engine::pulled() const {
    std::set<ReplicaId> origins;
    for (const auto& [peer, link] : links_) {
        if (!link.pull) continue;
        for (const auto& range : link.pull->ranges) origins.insert(range.origin);
    }
    return origins;
}

void Engine::pull_from(const NodeKey& peer, Link& link) {
    if (link.pull || diffs_.asking(peer)) return;
    if (link.behind.empty()) return;
    const auto elsewhere = pulled();  // nothing of it here: this link pulls nothing
    OutstandingPull pull{next_pull_, {}, now_.mono_us + limits_.pull_timeout_us, waiting_.evicted(), true};
    for (auto at = link.behind.begin(); at != link.behind.end();) {
        const auto& [id, behind] = *at;
        const auto top = link.known.seen(origins_.intern(id));
        const auto seen = replica_.state().seen(id);
        if (top <= seen || newer_format_.contains(id)) {
            at = link.behind.erase(at);
            continue;
        }
        if (behind.due_us <= now_.mono_us && !elsewhere.contains(id)) {
            const auto from = waiting_.continues(id, seen) + (mutant(Mutant::pull_skips_one) ? 2 : 1);
            if (from <= top) {
                pull.ranges.push_back({id, from, top});
                pull.announced = pull.announced && behind.announced;
            }
        }
        ++at;
    }
    if (pull.ranges.empty()) return;
    ++next_pull_;
    ++counters_.pulls;
    send(peer, Pull{pull.id, pull.ranges});
    link.pull = std::move(pull);
}

void Engine::on(const NodeKey& peer, Pull& pull) {
    Changesets answer{pull.id, {}, {}};
    std::vector<Log::Record> records;
    auto& link = links_.at(peer);
    const bool diff = diff_is_cheaper(replica_.state(), log_, pull.ranges, pull_changesets_max);
    for (const auto& range : pull.ranges) {
        if (replica_.state().seen(range.origin) < range.from) continue;
        trees_.graft(origins_.tree(origins_.intern(range.origin)), link.slot);
        if (diff || !log_.serves(range.origin, range.from)) {
            answer.gone.push_back(range.origin);
            continue;
        }
        auto found = log_.range(range.origin, range.from, range.to, pull_changesets_max);
        records.insert(records.end(), found.begin(), found.end());
    }
    // In the order of application, so that causes arrive before their effects.
    std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
    std::size_t bytes = 0;
    for (const auto& record : records) {
        const auto more = wire_bytes(*record.changeset);
        if (!answer.changesets.empty() && bytes + more > limits_.frame_changesets_bytes_max) break;
        bytes += more;
        answer.changesets.push_back(*record.changeset);
    }
    counters_.changesets_sent += answer.changesets.size();
    counters_.changeset_bytes_sent += bytes;
    send(peer, answer);
}

void Engine::pull_answered(const NodeKey& peer, Link& link, const Changesets& message) {
    if (!link.pull || link.pull->id != message.pull) return;
    // An answer is bounded, so a range may come to nothing because another filled it: any progress asks on at once.
    const bool evicted = link.pull->evicted != waiting_.evicted();
    const bool progress = std::any_of(link.pull->ranges.begin(), link.pull->ranges.end(), [&](const auto& range) {
        const auto seen = replica_.state().seen(range.origin);
        return seen >= range.from || (!evicted && waiting_.continues(range.origin, seen) >= range.from);
    });
    if (!progress) {  // do not ask the same again at once, or two nodes could do nothing else
        for (const auto& range : link.pull->ranges)
            link.behind[range.origin] = {now_.mono_us + limits_.pull_timeout_us, link.pull->announced};
    }
    link.pull.reset();
    if (!message.gone.empty()) diffs_.ask(peer, now_.mono_us);
    pull_from(peer, link);
}

}  // namespace starling::gossip
