// Matchings: two long versions compared by ranges. And the lives that have numbers, which these keep few.
#include "gossip/matching.hpp"

#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "gossip/engine.hpp"
#include "gossip/version_ranges.hpp"

namespace starling::gossip {

using namespace crdt;

// -- numbers
// -------------------------------------------------------------------------------------------------------------

OriginId Engine::number(const ReplicaId& id) {
    return origins_.intern(id, replica_.state().seen(id));
}

/// This node's version now. O(numbers).
Seqs Engine::all_seen() const {
    Seqs seqs(true);
    for (OriginId origin = 0; origin < origins_.size(); ++origin)
        seqs.set(origin, replica_.state().seen(origins_.name(origin)));
    return seqs;
}

/// Nothing is known, told or heard any more on any link, so that all lives can be quiet; a matching finds what differs.
void Engine::give_numbers_back() {
    origins_.give_back([&](const ReplicaId& id) { return replica_.state().seen(id); });
    if (replica_.self()) number(*replica_.self());
    rises_.begin_anew();
    pasts_.forget();
    for (auto& [peer, link] : links_) {
        link.known = {};
        link.heard.seqs = Seqs();
        link.told.seqs = all_seen();
        link.told_place = rises_.last();
        link.greeted = link.lost_track = link.demoted = false;
        link.past.reset();
        link.bookmark = {};
        link.behind.clear();
        link.stops.clear();
        link.unacked.clear();
        link.unacked_bytes = 0;
        link.matching.reset();
    }
    for (auto& [peer, link] : links_) begin_matching(peer, link);
}

/// Lives that were written long ago are equal everywhere, and need no numbers.
void Engine::keep_few_numbers() {
    if (origins_.size() <= limits_.numbered_lives_max) return;
    const bool due = numbers_due_us_ <= now_.mono_us && origins_.size() > 2 * limits_.numbered_lives_max;
    if (!due && !links_.empty() && !synced()) return;
    numbers_due_us_ = now_.mono_us + limits_.numbers_kept_us;
    give_numbers_back();
}

// -- saying
// --------------------------------------------------------------------------------------------------------------

/// This side's version as it is now, of which the matching will speak; digests go on from there.
RangesHead Engine::pin(const NodeKey& peer, Link& link) {
    cut_window();
    push_gathered(peer, link);
    link.told.number = (link.told.number + 1) % digest_numbers;
    tell_all(link);
    link.said_neighbourhood = neighbourhood_;
    const auto& state = replica_.state();
    auto& matching = link.matching.emplace();
    matching.pinned = link.told.seqs;
    matching.pinned_hash = state.version_hash();
    return {link.told.number, state.version_hash(),     state.fingerprint(),
            neighbourhood_,   {engine_, rises_.last()}, state.lives()};
}

void Engine::begin_matching(const NodeKey& peer, Link& link) {
    if (link.matching) return;  // until it ends or is silent for too long
    ++counters_.matchings;
    const auto head = pin(peer, link);
    link.matching->id = random_();
    link.matching->begun_here = true;
    say(peer, link, {link.matching->id, 0, GaveUp::no, {}, {}, head});
}

void Engine::say(const NodeKey& peer, Link& link, Ranges message) {
    link.matching->step = message.step;
    link.matching->deadline_us = now_.mono_us + limits_.matching_timeout_us;
    link.digest_due_us = link.matching->deadline_us;
    send(peer, std::move(message));
}

/// Who has less asks for the state diff: its version is the shorter one to send.
void Engine::give_up(const NodeKey& peer, Link& link) {
    const auto& matching = *link.matching;
    const auto there = matching.head ? matching.head->lines : 0;
    const bool asks = replica_.state().lives() <= there;
    say(peer, link, {matching.id, matching.step + 1, asks ? GaveUp::sender_asks : GaveUp::receiver_asks, {}, {}, {}});
    link.matching.reset();
    digest_within(link, limits_.digest_idle_us);
    if (asks) diffs_.ask(peer, now_.mono_us, there);
}

// -- hearing
// -------------------------------------------------------------------------------------------------------------

void Engine::on(const NodeKey& peer, Ranges& message) {
    auto& link = links_.at(peer);
    if (message.step == 0) {
        // Both began one: the smaller key's stands.
        if (link.matching && link.matching->begun_here && link.matching->step == 0 && node_ < peer) return;
        if (!message.head) return;
        auto head = pin(peer, link);
        link.matching->id = message.matching;
        link.matching->head = message.head;
        if (message.head->version_hash == link.matching->pinned_hash) {
            say(peer, link, {message.matching, 1, GaveUp::no, {}, {}, head});
            return matched(peer, link);
        }
        message.ranges = {{{}, false, ~link.matching->pinned_hash.low}};  // all of it differs
        return answer(peer, link, message);
    }
    if (!goes_on(peer, link, message)) return;
    if (message.ranges.empty() && message.lines.empty()) return matched(peer, link);
    answer(peer, link, message);
}

/// A message that is the next of the matching under way, and says that it goes on.
bool Engine::goes_on(const NodeKey& peer, Link& link, const Ranges& message) {
    if (!link.matching || link.matching->id != message.matching || message.step != link.matching->step + 1)
        return false;
    link.matching->step = message.step;
    if (message.step == 1) link.matching->head = message.head;
    if (message.gave_up == GaveUp::no) return true;
    const auto there = link.matching->head ? link.matching->head->lines : 0;
    link.matching.reset();
    digest_within(link, limits_.digest_idle_us);
    if (message.gave_up == GaveUp::receiver_asks) diffs_.ask(peer, now_.mono_us, there);
    return false;
}

void Engine::answer(const NodeKey& peer, Link& link, const Ranges& message) {
    auto& matching = *link.matching;
    const auto here = replica_.state().lives();
    const auto there = matching.head->lines;
    if (std::max<std::uint64_t>(here, there) - std::min<std::uint64_t>(here, there) > matching_lines_max)
        return give_up(peer, link);
    const PinnedVersion pinned(replica_.state(), origins_, matching.pinned);
    auto next = answer_ranges(pinned, message.ranges, message.lines);
    if (matching.theirs.size() + next.theirs.size() > matching_lines_max || message.step >= matching_steps_max)
        return give_up(peer, link);
    for (const auto& [id, seq] : next.theirs) matching.theirs[id] = seq;
    const bool last = next.ranges.empty();
    if (!message.ranges.empty()) {
        std::optional<RangesHead> head;
        if (message.step == 0)
            head = RangesHead{link.told.number, matching.pinned_hash,     replica_.state().fingerprint(),
                              neighbourhood_,   {engine_, rises_.last()}, pinned.lines()};
        say(peer, link,
            {matching.id, message.step + 1, GaveUp::no, std::move(next.ranges), std::move(next.lines), head});
    }
    if (last) matched(peer, link);
}

/// All of the peer's version is known, if what was found adds up to its hash.
void Engine::matched(const NodeKey& peer, Link& link) {
    auto& matching = *link.matching;
    auto hash = matching.pinned_hash;
    for (const auto& [id, seq] : matching.theirs) {
        const auto origin = origins_.find(id);
        hash -= version_line_hash(id, origin ? matching.pinned.at(origins_, *origin) : replica_.state().seen(id));
        hash += version_line_hash(id, seq);
    }
    if (!matching.head || (hash != matching.head->version_hash && !mutant(Mutant::matches_are_believed)))
        return give_up(peer, link);
    const auto ended = std::move(matching);
    link.matching.reset();
    auto differing = ended.theirs;
    for (OriginId origin = 0; origin < origins_.size(); ++origin)
        differing.try_emplace(origins_.name(origin), ended.pinned.at(origins_, origin));
    take_based(link, differing);
    const auto& head = *ended.head;
    link.greeted = true;
    link.lost_track = false;
    link.past.reset();
    link.neighbourhood = head.neighbourhood;
    link.heard.number = head.number;
    link.bookmark = head.bookmark;
    for (const auto& [id, seq] : ended.theirs) learn(link, id, seq, false);
    acknowledge(link);
    if (link.known.hash() == head.version_hash) compare(peer, link, head.fingerprint);
    link.digest_due_us = link.summary_due_us = now_.mono_us + limits_.digest_idle_us;
    digest_within(link, digest_busy_us());
    pull_from(peer, link);
}

// -- what a state diff begins with
// ---------------------------------------------------------------------------------------------

std::optional<Version> Engine::untold(const NodeKey& peer) {
    const auto at = links_.find(peer);
    if (at == links_.end() || at->second.matching) return {};
    Version lines;
    for (OriginId origin = 0; origin < origins_.size(); ++origin) {
        const auto& id = origins_.name(origin);
        const auto seen = replica_.state().seen(id);
        if (seen != at->second.told.seqs.at(origins_, origin)) lines.emplace(id, seen);
    }
    return lines;
}

/// The hash is made of what is told of few lives, so that it costs little to be wrong.
std::optional<Version> Engine::heard(const NodeKey& peer, const Version& lines, const Fingerprint& hash) {
    const auto at = links_.find(peer);
    if (at == links_.end() || !at->second.greeted || at->second.lost_track) return {};
    const auto& seqs = at->second.heard.seqs;
    const auto heard_of = [&](const ReplicaId& id) {
        const auto origin = origins_.find(id);
        return origin ? seqs.at(origins_, *origin) : seqs.based() ? replica_.state().seen(id) : 0;
    };
    auto sum = KnownVersion(origins_, seqs).hash();
    for (const auto& [id, seq] : lines) {
        sum -= version_line_hash(id, heard_of(id));
        sum += version_line_hash(id, seq);
    }
    if (sum != hash) return {};
    Version version;
    if (seqs.based()) {
        replica_.state().each_life([&](const ReplicaId& id, Seq seen, Stamp) {
            if (seen > 0 && !origins_.find(id)) version.emplace_hint(version.end(), id, seen);
        });
    }
    for (OriginId origin = 0; origin < origins_.size(); ++origin) {
        if (const auto seq = seqs.at(origins_, origin); seq > 0) version[origins_.name(origin)] = seq;
    }
    for (const auto& [id, seq] : lines) version[id] = seq;
    return version;
}

}  // namespace starling::gossip
