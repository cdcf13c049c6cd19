// Hellos: a whole version, or what rose of it since a bookmark that the peer remembers.
#include "crdt/limits.hpp"
#include "gossip/engine.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

using namespace crdt;

// -- saying
// --------------------------------------------------------------------------------------------------------------

void Engine::greet(const NodeKey& peer, Link& link) {
    if (replica_.state().lives() <= limits_.hello_lines_unasked_max) return say_hello(peer, link, {});
    cut_window();
    tell_all(link);
    link.summary_due_us = now_.mono_us;
    say_digest(peer, link);
}

/// What is said next on the link tells of everything, in one way or another.
void Engine::tell_all(Link& link) {
    link.told.seqs = all_seen();
    link.told_place = rises_.last();
}

/// A version that is too long for a hello is told by ranges of it.
void Engine::say_hello(const NodeKey& peer, Link& link, const Bookmark& known) {
    cut_window();
    const bool continues = known.engine == engine_ && rises_.serves(known.place);
    const auto risen = continues ? rises_.since(known.place) : std::vector<OriginId>{};
    if ((continues ? risen.size() : replica_.state().lives()) > limits_.hello_lines_max)
        return begin_matching(peer, link);
    push_gathered(peer, link);  // or the peer would pull what is about to come
    link.told.number = (link.told.number + 1) % digest_numbers;
    tell_all(link);
    link.digest_due_us = link.summary_due_us = now_.mono_us + limits_.digest_idle_us;
    link.said_neighbourhood = neighbourhood_;
    Hello hello{link.told.number, {}, replica_.state().fingerprint(), neighbourhood_, {engine_, rises_.last()}};
    if (continues) {
        hello.since = known.place;
        hello.version_hash = replica_.state().version_hash();
        for (const auto origin : risen) {
            const auto& id = origins_.name(origin);
            hello.version.emplace(id, replica_.state().seen(id));
        }
    } else {
        hello.version = replica_.state().version();
    }
    send(peer, hello);
}

void Engine::on(const NodeKey& peer, HelloRequest& request) {
    auto& link = links_.at(peer);
    if (request.anew) link.refs_out.begin_anew();
    say_hello(peer, link, request.known);
}

// -- hearing
// -------------------------------------------------------------------------------------------------------------

void Engine::request_hello(const NodeKey& peer, Link& link, bool anew) {
    if (link.matching && !anew) return;  // it says more than a hello
    auto& again_us = anew ? link.anew_wanted_again_us : link.hello_wanted_again_us;
    if (now_.mono_us < again_us) return;
    again_us = link.hello_wanted_again_us = now_.mono_us + limits_.hello_interval_us;
    send(peer, HelloRequest{link.past ? link.past->bookmark : link.bookmark, anew});
}

/// A hello since a place is good for who knows all that was before.
bool Engine::goes_on_from_here(Link& link, const Hello& hello) {
    const auto& bookmark = link.past ? link.past->bookmark : link.bookmark;
    return bookmark.engine == hello.bookmark.engine && hello.since <= bookmark.place;
}

void Engine::on(const NodeKey& peer, Hello& hello) {
    auto& link = links_.at(peer);
    const bool first = !link.greeted;
    const bool whole = hello.since == 0;
    if (!whole && !goes_on_from_here(link, hello)) {
        link.past.reset();
        link.bookmark = {};
        return request_hello(peer, link);
    }
    if (!whole && link.past) {
        link.known = std::move(link.past->known);
        for (OriginId origin = 0; origin < origins_.size(); ++origin)
            learn(link, origins_.name(origin), link.known.seen(origins_, origin), false);
        link.heard.seqs = link.known.seqs();
    }
    link.past.reset();
    link.greeted = true;
    link.neighbourhood = hello.neighbourhood;
    const bool ahead = first || link.lost_track || ahead_of(link.heard.number, hello.number) > 0;
    if (whole && ahead) take_whole(link, hello.version);
    for (const auto& [id, seq] : hello.version) learn(link, id, seq, !first);
    if (ahead) {
        link.heard.number = hello.number;
        if (!whole) {
            for (const auto& [id, seq] : hello.version) link.heard.seqs.set(number(id), seq);
        }
        link.bookmark = hello.bookmark;
        link.lost_track = false;
    }
    acknowledge(link);
    if (link.known.hash() == (whole ? version_hash(hello.version) : hello.version_hash)) {
        compare(peer, link, hello.fingerprint);
    } else if (!whole) {
        link.bookmark = {};  // the next hello is a whole one
    }
    pull_from(peer, link);
}

/// The peer's version, where it is all in one hello. Based on this node's it needs numbers for the lines that differ
/// only, but for all of those that the peer lacks; so not where they may be many.
void Engine::take_whole(Link& link, const Version& version) {
    if (replica_.state().lives() <= limits_.hello_lines_max) {
        auto differing = version;
        replica_.state().each_life([&](const ReplicaId& id, Seq seen, Stamp) {
            const auto at = differing.try_emplace(id, 0).first;
            if (at->second == seen && !origins_.find(id)) differing.erase(at);
        });
        return take_based(link, differing);
    }
    link.heard.seqs = Seqs();
    for (const auto& [id, seq] : version) link.heard.seqs.set(number(id), seq);
}

/// The peer's version is this node's, but for these lines; and all lines that have numbers are among these, or as they
/// are here. What is known of the peer besides stays.
void Engine::take_based(Link& link, const Version& differing) {
    const auto known = link.known;
    for (const auto& [id, seq] : differing) number(id);
    link.heard.seqs = all_seen();
    for (const auto& [id, seq] : differing) link.heard.seqs.set(number(id), seq);
    link.known = KnownVersion(origins_, link.heard.seqs);
    for (OriginId origin = 0; origin < origins_.size(); ++origin)
        link.known.raise(origins_, origin, known.seen(origins_, origin));
}

/// A digest that takes the place of the first hello: the peer's version is this node's.
bool Engine::has_the_same(Link& link, const Digest& digest) {
    if (link.greeted || !digest.summary) return false;
    cut_window();
    if (digest.summary->version_hash != replica_.state().version_hash()) return false;
    link.greeted = true;
    link.past.reset();
    take_based(link, {});
    link.heard.number = digest.number;
    link.bookmark = digest.summary->bookmark;
    link.lost_track = false;
    return true;
}

}  // namespace starling::gossip
