// Digests: what rose since the last one on a link, and what follows from that.
#include <algorithm>

#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "gossip/engine.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t digest_stops_max = 4'096;  // at most some 50 bytes each; others go with the next

}  // namespace

// -- saying
// --------------------------------------------------------------------------------------------------------------

/// It does not hurry what gathers for the link: whoever hears of it waits for that (see `learn`), and a push out of its
/// turn would bend the trees.
void Engine::say_digest(const NodeKey& peer, Link& link) {
    cut_window();
    const auto risen = rises_.since(link.told_place);
    if (risen.size() > limits_.digest_rises_max) return begin_matching(peer, link);
    auto& told = link.told;
    told.number = (told.number + 1) % digest_numbers;
    Digest digest;
    digest.number = told.number;
    for (const auto origin : risen) {
        const auto& id = origins_.name(origin);
        const auto seen = replica_.state().seen(id);
        const auto before = told.seqs.at(origins_, origin);
        if (seen > before) digest.rises.push_back({id, seen - before});
        told.seqs.set(origin, seen);
    }
    link.told_place = rises_.last();
    link.received_bytes = 0;
    for (std::size_t many = 0; many < digest_stops_max && !link.stops.empty(); ++many) {
        const auto origin = link.stops.extract(link.stops.begin()).value();
        // Meanwhile it may have become whom the tree comes from.
        const auto& id = origins_.name(origin);
        if (const auto tree = origins_.tree_of(id.node); !tree || !trees_.comes_from(*tree, link.slot))
            digest.stop.push_back(id);
    }
    // In an order that the message has of itself, whatever this node numbered them.
    std::sort(digest.rises.begin(), digest.rises.end(),
              [](const auto& a, const auto& b) { return a.origin < b.origin; });
    std::sort(digest.stop.begin(), digest.stop.end());
    if (link.summary_due_us <= now_.mono_us || link.said_neighbourhood != neighbourhood_) {
        digest.summary = Summary{
            replica_.state().version_hash(), replica_.state().fingerprint(), neighbourhood_, {engine_, rises_.last()}};
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
        if (const auto tree = origins_.tree_of(id.node)) trees_.stop(*tree, link.slot);
    }
    if (has_the_same(link, digest)) return compare(peer, link, digest.summary->fingerprint);
    link.lost_track = link.lost_track || !link.greeted || (ahead != 1 && !mutant(Mutant::digests_are_not_counted));
    if (link.lost_track) return request_hello(peer, link);
    link.heard.number = digest.number;
    if (digest.summary) link.bookmark = digest.summary->bookmark;
    for (const auto& rise : digest.rises) {
        const auto origin = number(rise.origin);
        const auto seq = std::min(seq_max, link.heard.seqs.at(origins_, origin) + rise.by);
        link.heard.seqs.set(origin, seq);
        learn(link, rise.origin, seq, true);
        if (const auto tree = origins_.tree_of(rise.origin.node)) trees_.held(*tree, link.slot);
    }
    acknowledge(link);
    if (digest.summary && link.known.hash() != digest.summary->version_hash) {
        request_hello(peer, link);  // a frame was lost or overtaken
    } else if (digest.summary) {
        compare(peer, link, digest.summary->fingerprint);
    }
    pull_from(peer, link);
}

/// The peer holds `id` up to `seq`. What a digest or a push tells of may be under way here: wait before a pull, also
/// for what gathers at others.
void Engine::learn(Link& link, const ReplicaId& id, Seq seq, bool announced) {
    const auto seen = replica_.state().seen(id);
    if (seq != seen || !link.known.based() || origins_.find(id)) link.known.raise(origins_, number(id), seq);
    if (seq <= seen) return;
    if (id == replica_.self()) {
        // More of the running life than this node wrote: its store was cloned, or brought back. Another life goes on.
        if (!renew_life()) return;
    }
    const auto delay_us = announced ? limits_.pull_delay_us + limits_.push_window_us : 0;
    link.behind.try_emplace(id, Behind{now_.mono_us + delay_us, announced});
}

void Engine::acknowledge(Link& link) {
    if (!link.known.based() && link.known.hash() == replica_.state().version_hash())
        link.known = KnownVersion(origins_, all_seen());
    while (!link.unacked.empty() &&
           link.known.seen(origins_, link.unacked.front().origin) >= link.unacked.front().last) {
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

}  // namespace starling::gossip
