// Who has what: hellos and digests, and the pulls that follow from them.
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

/// How far `number` is ahead of `last`, on the circle of numbers.
std::int64_t ahead_of(std::uint64_t last, std::uint64_t number) {
    const auto ahead = (number + digest_numbers - last) % digest_numbers;
    return ahead <= digest_numbers / 2 ? std::int64_t(ahead) : std::int64_t(ahead) - std::int64_t(digest_numbers);
}

}  // namespace

// -- saying
// --------------------------------------------------------------------------------------------------------------

void Engine::say_hello(const NodeKey& peer, Link& link) {
    cut_window();
    push_gathered(peer, link);  // or the peer would pull what is about to come
    auto& told = link.told;
    told.number = (told.number + 1) % digest_numbers;
    for (const auto& [id, origin] : replica_.state().origins()) told.seqs.set(origins_.intern(id), origin.seen);
    link.told_place = rises_.last();
    link.digest_due_us = link.summary_due_us = now_.mono_us + limits_.digest_idle_us;
    link.said_neighbourhood = neighbourhood_;
    send(peer, Hello{told.number, replica_.state().version(), replica_.state().fingerprint(), neighbourhood_});
}

/// It does not hurry what gathers for the link: whoever hears of it waits for that (see `learn`), and a push out of its
/// turn would bend the trees.
void Engine::say_digest(const NodeKey& peer, Link& link) {
    cut_window();
    auto& told = link.told;
    told.number = (told.number + 1) % digest_numbers;
    Digest digest;
    digest.number = told.number;
    for (const auto origin : rises_.since(link.told_place)) {
        const auto& id = origins_.name(origin);
        const auto seen = replica_.state().seen(id);
        if (seen > told.seqs.at(origin)) digest.rises.push_back({id, seen - told.seqs.at(origin)});
        told.seqs.set(origin, seen);
    }
    link.told_place = rises_.last();
    for (const auto origin : std::exchange(link.stops, {})) {
        // Meanwhile it may have become whom the tree comes from.
        if (!trees_.comes_from(origins_.tree(origin), link.slot)) digest.stop.push_back(origins_.name(origin));
    }
    // In an order that the message has of itself, whatever this node numbered them.
    std::sort(digest.rises.begin(), digest.rises.end(),
              [](const auto& a, const auto& b) { return a.origin < b.origin; });
    std::sort(digest.stop.begin(), digest.stop.end());
    if (link.summary_due_us <= now_.mono_us || link.said_neighbourhood != neighbourhood_) {
        digest.summary = Summary{replica_.state().version_hash(), replica_.state().fingerprint(), neighbourhood_};
        link.summary_due_us = now_.mono_us + limits_.digest_idle_us;
        link.said_neighbourhood = neighbourhood_;
    }
    link.digest_due_us = link.summary_due_us;
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
    for (const auto& [id, seq] : hello.version) learn(link, id, seq, !first);
    if (first || link.lost_track || ahead_of(link.heard.number, hello.number) > 0) {
        link.heard = {{}, hello.number};
        for (const auto& [id, seq] : hello.version) link.heard.seqs.set(origins_.intern(id), seq);
        link.lost_track = false;
    }
    acknowledge(link);
    if (link.known.hash() == version_hash(hello.version)) compare(peer, link, hello.fingerprint);
    pull_from(peer, link);
}

void Engine::on(const NodeKey& peer, Digest& digest) {
    auto& link = links_.at(peer);
    const auto ahead = link.greeted ? ahead_of(link.heard.number, digest.number) : 1;
    if (ahead <= 0) {  // a second copy, or overtaken by a hello; or so many were lost that the circle is half round
        link.lost_track = link.lost_track || (digest.summary && digest.summary->version_hash != link.known.hash());
        if (link.lost_track) request_hello(peer, link);
        return;
    }
    if (digest.summary) link.neighbourhood = digest.summary->neighbourhood;
    for (const auto& id : digest.stop) {
        if (const auto origin = origins_.find(id)) trees_.stop(origins_.tree(*origin), link.slot);
    }
    link.lost_track = link.lost_track || !link.greeted || (ahead != 1 && !mutant(Mutant::digests_are_not_counted));
    if (link.lost_track) return request_hello(peer, link);
    link.heard.number = digest.number;
    for (const auto& rise : digest.rises) {
        const auto origin = origins_.intern(rise.origin);
        const auto seq = std::min(seq_max, link.heard.seqs.at(origin) + rise.by);
        link.heard.seqs.set(origin, seq);
        learn(link, rise.origin, seq, true);
        trees_.held(origins_.tree(origin), link.slot);
    }
    acknowledge(link);
    if (digest.summary && link.known.hash() != digest.summary->version_hash) {
        request_hello(peer, link);  // a frame was lost or overtaken
    } else if (digest.summary) {
        compare(peer, link, digest.summary->fingerprint);
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

/// The peer holds `id` up to `seq`. What a digest or a push tells of may be under way here: wait before a pull, also
/// for what gathers at others.
void Engine::learn(Link& link, const ReplicaId& id, Seq seq, bool announced) {
    link.known.raise(origins_.intern(id), id, seq);
    if (seq <= replica_.state().seen(id)) return;
    if (id == replica_.self()) {
        // More of the running life than this node wrote: its store was cloned, or brought back. Another life goes on.
        if (!renew_life()) return;
    }
    const auto delay_us = announced ? limits_.pull_delay_us + limits_.push_window_us : 0;
    link.behind.try_emplace(id, Behind{now_.mono_us + delay_us, announced});
}

void Engine::acknowledge(Link& link) {
    while (!link.unacked.empty() && link.known.seen(link.unacked.front().origin) >= link.unacked.front().last) {
        link.unacked_bytes -= link.unacked.front().bytes;
        link.unacked.pop_front();
    }
    if (link.unacked.empty()) link.demoted = false;
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
