// Changesets: cut, pushed, received, applied or kept waiting.
#include <algorithm>
#include <array>

#include "crdt/assert.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "gossip/engine.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t bodies_ahead = 16;             // are decoded before the first of them is applied
constexpr std::uint64_t stop_delay_us_max = 20'000;  // of a request to stop, where digests are rarer than that

}  // namespace

// -- own
// -----------------------------------------------------------------------------------------------------------------

void Engine::cut_window() {
    window_due_us_.reset();
    if (auto changeset = replica_.cut()) publish(std::move(*changeset));
}

void Engine::publish(Changeset changeset) {
    const auto shared = std::make_shared<const Changeset>(std::move(changeset));
    log_.append(shared, now_.mono_us, sealing_ ? chain_own(*shared) : Proof{});
    counters_.body_bytes_applied += shared->body.size();
    effects_.persist.push_back(shared);
    ++place_;
    raised(shared->origin);
    if (sealing_) return unpushed_.push_back({place_, shared});
    if (place_ <= durable_ || mutant(Mutant::own_leave_undurable)) return push({&shared, 1}, std::nullopt);
    unpushed_.push_back({place_, shared});
}

/// Along the tree of its origin. On a full mesh the origin has sent it to all, so nobody else does.
void Engine::push(std::span<const ChangesetPtr> changesets, const std::optional<NodeKey>& from) {
    if ((from && full_mesh()) || changesets.empty()) return;
    for (auto& [peer, link] : links_) {
        if (peer == from) continue;
        for (const auto& changeset : changesets) {
            link.gathered.push_back(changeset);
            link.gathered_bytes += wire_bytes(*changeset);
        }
        const bool full = link.gathered_bytes >= limits_.frame_changesets_bytes_max;
        if (limits_.push_window_us == 0 || full) push_gathered(peer, link);
    }
    if (limits_.push_window_us > 0 && !push_due_us_) push_due_us_ = now_.mono_us + limits_.push_window_us;
}

/// Own writes travel along: their changeset depends on what goes before it, and on little else.
void Engine::push_gathered() {
    cut_window();
    release_own();
    push_due_us_.reset();
    for (auto& [peer, link] : links_) push_gathered(peer, link);
}

/// Whether the tree of the changeset's origin goes out through the link; own ones go to all of a full mesh.
bool Engine::pushes(const Link& link, OriginId origin) {
    if (full_mesh() && origins_.name(origin).node == node_) return true;
    return trees_.push(origins_.tree(origin), link.slot);
}

/// What the peer sent itself meanwhile, or said that it holds, stays here. A link that does not keep up is demoted: its
/// peer learns from digests what there is and pulls the oldest first, as fast as it can.
void Engine::push_gathered(const NodeKey& peer, Link& link) {
    std::vector<ChangesetPtr> frame;
    std::size_t frame_bytes = 0;
    std::optional<NewNames> names(std::in_place, link.refs_out);
    link.gathered_bytes = 0;
    if (sealing_) {
        sign_what_leaves();
        return push_sealed(peer, link);
    }
    for (const auto& changeset : std::exchange(link.gathered, {})) {
        const auto origin = number(changeset->origin);
        if (link.known.seen(origins_, origin) >= changeset->last() || !pushes(link, origin)) continue;
        const auto bytes = wire_bytes(*changeset);
        link.demoted = link.demoted || link.unacked_bytes + bytes > limits_.unacked_bytes_max;
        if (link.demoted) continue;
        if (!frame.empty() &&
            (!names->room_for(*changeset) || frame_bytes + bytes > limits_.frame_changesets_bytes_max)) {
            send(peer, Changesets{0, {}, {}, {}, std::exchange(frame, {})});
            frame_bytes = 0;
            names.emplace(link.refs_out);
        }
        names->add(*changeset);
        link.unacked.push_back({origin, changeset->last(), bytes});
        link.unacked_bytes += bytes;
        ++counters_.changesets_sent;
        counters_.changeset_bytes_sent += bytes;
        frame.push_back(changeset);
        frame_bytes += bytes;
    }
    if (!frame.empty()) send(peer, Changesets{0, {}, {}, {}, std::move(frame)});
}

// -- others'
// -------------------------------------------------------------------------------------------------------------

void Engine::on(const NodeKey& peer, Changesets& message) {
    auto& link = links_.at(peer);
    const auto& pull = link.pull;
    const bool pushed = message.pull == 0;
    const bool goes_on = pushed || (pull && pull->id == message.pull && pull->announced);
    auto proofs = sealing_ ? keep_proven(peer, link, message) : std::vector<Proof>(message.changesets.size());
    const std::span all(message.changesets);
    for (std::size_t begin = 0; begin < all.size(); begin += bodies_ahead) {
        const auto some = all.subspan(begin, std::min(bodies_ahead, all.size() - begin));
        auto bodies = decode_ahead(some);
        for (std::size_t i = 0; i < some.size(); ++i) {
            if (pushed) link.received_bytes += wire_bytes(some[i]);
            arrived(peer, std::move(some[i]), std::move(bodies[i]), std::move(proofs[begin + i]), pushed, goes_on);
            drain();
        }
    }
    // A peer stops pushing at `unacked_bytes_max`, so who receives much says so before.
    if (link.received_bytes >= limits_.unacked_bytes_max / 4) digest_within(link, 0);
    if (!pushed) pull_answered(peer, link, message);
}

/// The bodies of what is not here yet, and a hint of all that applying them will touch.
std::vector<Result<Body>> Engine::decode_ahead(std::span<const Changeset> changesets) {
    std::vector<Result<Body>> bodies;
    bodies.reserve(changesets.size());
    std::array<const Body*, bodies_ahead> decoded{};
    std::size_t count = 0;
    for (const auto& changeset : changesets) {
        if (changeset.last() <= replica_.state().seen(changeset.origin)) {
            bodies.emplace_back(Fault{FaultCode::refused, "here already"});
            continue;
        }
        bodies.push_back(decode_body(changeset));
        if (bodies.back()) decoded[count++] = &*bodies.back();
    }
    if (count > 1) replica_.prefetch(std::span(decoded).first(count));
    return bodies;
}

/// It came from elsewhere first: the sender is asked to stop, unless it is whom the tree comes from, and sent it twice.
void Engine::duplicate(Link& link, const ReplicaId& id) {
    const auto origin = number(id);
    const auto tree = origins_.tree(origin);
    if (!trees_.has_parent(tree)) trees_.came(tree, link.slot);
    if (full_mesh() || trees_.comes_from(tree, link.slot) || mutant(Mutant::duplicates_stop_nobody)) return;
    link.stops.insert(origin);
    digest_within(link, std::min(digest_busy_us(), stop_delay_us_max));
}

void Engine::arrived(const NodeKey& peer, Changeset changeset, Result<Body> body, Proof proof, bool pushed,
                     bool goes_on) {
    ++counters_.changesets_received;
    auto& link = links_.at(peer);
    learn(link, changeset.origin, changeset.last(), true);
    const auto seen = replica_.state().seen(changeset.origin);
    if (changeset.last() <= seen || waiting_.holds(changeset.origin, changeset.first)) {
        ++counters_.changesets_redundant;
        if (pushed) duplicate(link, changeset.origin);
        return;
    }
    if (changeset.first <= seen) {
        if (sealing_) return forked(changeset.origin, seal_here(changeset.origin), proof.by);
        ++counters_.faults;
        return report("changesets of " + short_name(changeset.origin) + " overlap: one dot with two contents");
    }
    if (!acceptable(changeset, body)) return;
    const auto tree = origins_.intern_node(changeset.origin.node);
    if (goes_on || !trees_.has_parent(tree)) trees_.came(tree, link.slot);
    const auto from = goes_on ? std::optional(peer) : std::nullopt;
    apply_or_wait({std::make_shared<const Changeset>(std::move(changeset)), std::move(body), from, std::move(proof)});
}

bool Engine::acceptable(const Changeset& changeset, const Result<Body>& body) {
    if (changeset.origin == replica_.self()) return false;  // `learn` has taken note of the other life
    if (verify_ && !verify_(changeset)) {
        ++counters_.refused;
        report("a changeset of " + short_name(changeset.origin) + " was not verified");
        return false;
    }
    if (!body && body.fault().code == FaultCode::unknown_kind) {
        ++counters_.update_needed;
        if (newer_format_.insert(changeset.origin).second)
            report("update needed: " + short_name(changeset.origin) + " writes a newer format");
        return false;
    }
    return true;
}

void Engine::apply_or_wait(WaitingChangeset waiting) {
    const auto& changeset = *waiting.changeset;
    if (!continues_here(waiting)) return;
    if (const auto missing = replica_.missing(changeset, waiting.body)) {
        ++counters_.changesets_waited;
        waiting_.add(std::move(waiting), *missing, replica_.state().seen(missing->replica), limits_.waiting_bytes_max);
    } else {
        apply_now(waiting);
    }
}

void Engine::apply_now(const WaitingChangeset& waiting) {
    const auto& changeset = waiting.changeset;
    // A window must be able to name all heads when it is cut.
    if (replica_.window_open() && replica_.heads_full()) cut_window();
    number(changeset->origin);
    auto changes = replica_.apply(*changeset, waiting.body);
    if (clock_.observe(replica_.state().last_stamp(changeset->origin), now_.wall_us)) {
        ++counters_.clock_warnings;
        report("the clock of " + short_name(changeset->origin.node) + " is more than a minute ahead of this node's");
    }
    log_.append(changeset, now_.mono_us, waiting.proof);
    counters_.body_bytes_applied += changeset->body.size();
    effects_.persist.push_back(changeset);
    if (waiting.proof.sealed(*changeset)) effects_.seals.push_back(waiting.proof.by);
    forget_top(changeset->origin);
    ++place_;
    effects_.delivered.push_back({std::move(changes), changeset->origin, false});
    raised(changeset->origin);
    if (!waiting.passed_by) return;
    if (sealing_) return pass_on(waiting);
    push({&changeset, 1}, waiting.passed_by);
}

/// An origin's seen seq rose: links are to be told, waiters to be looked at.
void Engine::raised(const ReplicaId& id) {
    raised_.push_back(id);
    const auto origin = origins_.find(id);
    STARLING_ASSERT(origin, "what rises has a number");
    origins_.tree(*origin);  // who rises has one
    rises_.rose(*origin);
    const auto within_us = digest_busy_us();
    for (auto& [peer, link] : links_) digest_within(link, within_us);
}

void Engine::drain() {
    while (!raised_.empty()) {
        const auto id = raised_.back();
        raised_.pop_back();
        const auto seen = replica_.state().seen(id);
        for (auto& waiting : waiting_.covered(id, seen)) {
            const auto& changeset = *waiting.changeset;
            const auto its_seen = replica_.state().seen(changeset.origin);
            if (changeset.last() <= its_seen) continue;  // a state diff brought it meanwhile
            if (changeset.first <= its_seen && sealing_) {
                forked(changeset.origin, seal_here(changeset.origin), waiting.proof.by);
                continue;
            }
            if (changeset.first <= its_seen) {
                ++counters_.faults;
                report("changesets of " + short_name(changeset.origin) + " overlap: one dot with two contents");
                continue;
            }
            apply_or_wait(std::move(waiting));
        }
    }
}

// -- the state diff
// ------------------------------------------------------------------------------------------------------

const Replica& Engine::pinned() {
    if (!mutant(Mutant::diff_is_not_pinned)) cut_window();
    return replica_;
}

Result<bool> Engine::apply(Difference difference, std::vector<Seal> seals) {
    fill_in_equal(difference, replica_);
    if (replica_.self()) {
        const auto mine = difference.tops.find(*replica_.self());
        if (mine != difference.tops.end() && mine->second.seen > replica_.state().seen(*replica_.self())) {
            if (!renew_life()) return Fault{FaultCode::refused, "this life was renewed just now"};
        }
    }
    if (auto valid = valid_difference(replica_, difference); !valid) {
        report("a state diff was refused: " + valid.fault().what);
        return valid.fault();
    }
    const auto verified = verified_tops(difference, std::move(seals));
    if (!verified) {
        report("a state diff was refused: " + verified.fault().what);
        return verified.fault();
    }
    if (replica_.window_open() && replica_.heads().size() + difference.heads.size() > changeset_deps_max) cut_window();
    std::vector<std::pair<ReplicaId, Seq>> rising;  // and from where
    for (const auto& [id, top] : difference.tops) {
        if (const auto seen = replica_.state().seen(id); top.seen > seen) rising.emplace_back(id, seen);
    }
    const bool quietly = rising.size() > limits_.quiet_rises_max;
    for (const auto& [id, seen] : rising) {
        newer_format_.erase(id);  // what could not be read is behind it
        if (!quietly) number(id);
    }
    auto changes = apply_difference(replica_, difference);
    ++place_;
    ++effects_.replaced;
    for (const auto& [id, seen] : rising) {
        const auto& top = difference.tops.at(id);
        if (!mutant(Mutant::log_survives_diffs)) log_.reset(id);
        forget_top(id);
        clock_.observe(top.last_stamp, now_.wall_us);
        if (origins_.find(id)) {
            raised(id);
        } else {
            origins_.rose_quietly(id, seen, top.seen);
            raised_.push_back(id);
        }
    }
    keep_tops(*verified);
    if (quietly && !mutant(Mutant::quiet_lives_rise)) give_numbers_back();
    diffs_.covered(replica_.state());
    effects_.delivered.push_back({std::move(changes), std::nullopt, false});
    drain();
    return true;
}

}  // namespace starling::gossip
