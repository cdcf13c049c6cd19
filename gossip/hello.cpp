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
    replica_.state().each_life(
        [&](const ReplicaId& id, Seq seen, Stamp) { link.told.seqs.set(origins_.intern(id), seen); });
    link.told_place = rises_.last();
}

void Engine::say_hello(const NodeKey& peer, Link& link, const Bookmark& known) {
    cut_window();
    push_gathered(peer, link);  // or the peer would pull what is about to come
    link.told.number = (link.told.number + 1) % digest_numbers;
    tell_all(link);
    link.digest_due_us = link.summary_due_us = now_.mono_us + limits_.digest_idle_us;
    link.said_neighbourhood = neighbourhood_;
    Hello hello{link.told.number, {}, replica_.state().fingerprint(), neighbourhood_, {engine_, rises_.last()}};
    if (known.engine == engine_ && known.place > 0 && known.place <= rises_.last()) {
        hello.since = known.place;
        hello.version_hash = replica_.state().version_hash();
        for (const auto origin : rises_.since(known.place)) {
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
            learn(link, origins_.name(origin), link.known.seen(origin), false);
        link.heard.seqs = link.known.seqs();
    }
    link.past.reset();
    link.greeted = true;
    link.neighbourhood = hello.neighbourhood;
    for (const auto& [id, seq] : hello.version) learn(link, id, seq, !first);
    if (first || link.lost_track || ahead_of(link.heard.number, hello.number) > 0) {
        if (whole) link.heard.seqs.clear();
        link.heard.number = hello.number;
        for (const auto& [id, seq] : hello.version) link.heard.seqs.set(origins_.intern(id), seq);
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

/// A digest that takes the place of the first hello: the peer's version is this node's.
bool Engine::has_the_same(Link& link, const Digest& digest) {
    if (link.greeted || !digest.summary) return false;
    cut_window();
    if (digest.summary->version_hash != replica_.state().version_hash()) return false;
    link.greeted = true;
    link.past.reset();
    replica_.state().each_life([&](const ReplicaId& id, Seq seen, Stamp) {
        const auto number = origins_.intern(id);
        link.known.raise(number, id, seen);
        link.heard.seqs.set(number, seen);
    });
    link.heard.number = digest.number;
    link.bookmark = digest.summary->bookmark;
    link.lost_track = false;
    return true;
}

}  // namespace starling::gossip
