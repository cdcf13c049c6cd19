// Who has what: hellos and digests, and the pulls that follow from them.
#include <algorithm>

#include "crdt/mutant.hpp"
#include "gossip/choice.hpp"
#include "gossip/engine.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t pull_changesets_max = 4096;  // of one origin in one answer

}  // namespace

// -- saying
// --------------------------------------------------------------------------------------------------------------

void Engine::say_hello(const NodeKey& peer, Link& link) {
    cut_window();
    push_gathered(peer, link);  // or the peer would pull what is about to come
    link.changed.clear();
    link.digest_due_us = now_.mono_us + limits_.digest_idle_us;
    link.said_neighbourhood = neighbourhood();
    send(peer, Hello{replica_.state().version(), replica_.state().fingerprint(), link.said_neighbourhood});
}

void Engine::say_digest(const NodeKey& peer, Link& link) {
    cut_window();
    push_gathered(peer, link);  // or the peer would pull what is about to come
    Digest digest{replica_.state().version_hash(), replica_.state().fingerprint(), neighbourhood(), {}};
    for (const auto& id : link.changed) digest.changed[id] = replica_.state().seen(id);
    link.changed.clear();
    link.digest_due_us = now_.mono_us + limits_.digest_idle_us;
    link.said_neighbourhood = digest.neighbourhood;
    send(peer, digest);
}

void Engine::digest_within(Link& link, std::uint64_t delay_us) {
    link.digest_due_us = std::min(link.digest_due_us, now_.mono_us + delay_us);
}

// -- hearing
// -------------------------------------------------------------------------------------------------------------

void Engine::on(const NodeKey& peer, Hello& hello) {
    auto& link = links_.at(peer);
    const bool first = !link.greeted;
    link.greeted = true;
    link.neighbourhood = hello.neighbourhood;
    for (const auto& [id, seq] : hello.version) learn(link, id, seq, first ? 0 : limits_.pull_delay_us);
    acknowledge(link);
    if (link.known.hash() == version_hash(hello.version)) compare(peer, link, hello.fingerprint);
    pull_from(peer, link);
}

void Engine::on(const NodeKey& peer, Digest& digest) {
    auto& link = links_.at(peer);
    link.neighbourhood = digest.neighbourhood;
    for (const auto& [id, seq] : digest.changed) learn(link, id, seq, limits_.pull_delay_us);
    acknowledge(link);
    if (link.known.hash() != digest.version_hash) {
        request_hello(peer, link);  // a frame was lost or overtaken
    } else {
        compare(peer, link, digest.fingerprint);
    }
    pull_from(peer, link);
}

void Engine::on(const NodeKey& peer, HelloRequest&) {
    auto& link = links_.at(peer);
    link.refs_out.begin_anew();
    say_hello(peer, link);
}

void Engine::request_hello(const NodeKey& peer, Link& link) {
    if (now_.mono_us < link.hello_wanted_again_us) return;
    link.hello_wanted_again_us = now_.mono_us + limits_.hello_interval_us;
    send(peer, HelloRequest{});
}

/// The peer holds `id` up to `seq`.
void Engine::learn(Link& link, const ReplicaId& id, Seq seq, std::uint64_t pull_delay_us) {
    link.known.raise(id, seq);
    if (seq <= replica_.state().seen(id)) return;
    if (id == replica_.self()) {
        // More of the running life than this node wrote: its store was cloned, or brought back. Another life goes on.
        if (!renew_life()) return;
    }
    link.behind.try_emplace(id, now_.mono_us + pull_delay_us);
}

void Engine::acknowledge(Link& link) {
    while (!link.unacked.empty() && link.known.seen(link.unacked.front().origin) >= link.unacked.front().last) {
        link.unacked_bytes -= link.unacked.front().bytes;
        link.unacked.pop_front();
    }
}

/// Equal versions with unequal fingerprints contradict rule 1: say so loudly, and let a state diff mend what it can.
void Engine::compare(const NodeKey& peer, Link& link, const Fingerprint& theirs) {
    const auto& state = replica_.state();
    if (replica_.window_open() || link.known.hash() != state.version_hash() || theirs == state.fingerprint()) return;
    if (mutant(Mutant::unequal_states_pass)) return;
    if (link.fault_at == state.version_hash()) return;
    link.fault_at = state.version_hash();
    ++counters_.faults;
    report("equal versions, unequal states: this node and " + short_name(peer));
    diffs_.ask(peer, now_.mono_us);
}

// -- pulling
// -------------------------------------------------------------------------------------------------------------

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
    OutstandingPull pull{next_pull_, {}, now_.mono_us + limits_.pull_timeout_us, waiting_.evicted()};
    for (auto at = link.behind.begin(); at != link.behind.end();) {
        const auto& [id, due_us] = *at;
        const auto top = link.known.seen(id);
        const auto seen = replica_.state().seen(id);
        if (top <= seen || newer_format_.contains(id)) {
            at = link.behind.erase(at);
            continue;
        }
        if (due_us <= now_.mono_us && !elsewhere.contains(id)) {
            const auto from = waiting_.continues(id, seen) + (mutant(Mutant::pull_skips_one) ? 2 : 1);
            if (from <= top) pull.ranges.push_back({id, from, top});
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
    const bool diff = diff_is_cheaper(replica_.state(), log_, pull.ranges, pull_changesets_max);
    for (const auto& range : pull.ranges) {
        if (replica_.state().seen(range.origin) < range.from) continue;
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
        if (!answer.changesets.empty() && bytes + more > limits_.pull_reply_bytes_max) break;
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
        for (const auto& range : link.pull->ranges) link.behind[range.origin] = now_.mono_us + limits_.pull_timeout_us;
    }
    link.pull.reset();
    if (!message.gone.empty()) diffs_.ask(peer, now_.mono_us);
    pull_from(peer, link);
}

}  // namespace starling::gossip
