// Changesets: cut, pushed, received, applied or kept waiting.
#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "gossip/engine.hpp"

namespace starling::gossip {

using namespace crdt;

// -- own
// -----------------------------------------------------------------------------------------------------------------

void Engine::cut_window() {
    window_due_us_.reset();
    if (auto changeset = replica_.cut()) publish(std::move(*changeset));
}

void Engine::publish(Changeset changeset) {
    const auto shared = std::make_shared<const Changeset>(std::move(changeset));
    log_.append(shared, now_.mono_us);
    counters_.body_bytes_applied += shared->body.size();
    effects_.persist.push_back(shared);
    raised(shared->origin);
    push(shared, std::nullopt);
}

/// To every link that is not known to hold it. On a full mesh the origin has sent it to all, so nobody else does.
void Engine::push(const ChangesetPtr& changeset, const std::optional<NodeKey>& from) {
    if (from && full_mesh()) return;
    for (auto& [peer, link] : links_) {
        if (peer == from) continue;
        link.gathered.push_back(changeset);
        link.gathered_bytes += wire_bytes(*changeset);
        const bool full = link.gathered_bytes >= limits_.frame_changesets_bytes_max;
        if (limits_.push_window_us == 0 || full) push_gathered(peer, link);
    }
    if (limits_.push_window_us > 0 && !push_due_us_) push_due_us_ = now_.mono_us + limits_.push_window_us;
}

/// Own writes travel along: their changeset depends on what goes before it, and on little else.
void Engine::push_gathered() {
    cut_window();
    push_due_us_.reset();
    for (auto& [peer, link] : links_) push_gathered(peer, link);
}

/// What the peer sent itself meanwhile, or said that it holds, stays here: on a mesh with loops that spares about every
/// second crossing.
void Engine::push_gathered(const NodeKey& peer, Link& link) {
    std::vector<Changeset> frame;
    std::size_t frame_bytes = 0;
    link.gathered_bytes = 0;
    for (const auto& changeset : std::exchange(link.gathered, {})) {
        if (link.known.seen(changeset->origin) >= changeset->last()) continue;
        const auto bytes = wire_bytes(*changeset);
        if (link.unacked_bytes + bytes > limits_.unacked_bytes_max) continue;  // too slow: its digest will make it pull
        if (!frame.empty() && frame_bytes + bytes > limits_.frame_changesets_bytes_max) {
            send(peer, Changesets{0, {}, std::exchange(frame, {})});
            frame_bytes = 0;
        }
        link.unacked.push_back({changeset->origin, changeset->last(), bytes});
        link.unacked_bytes += bytes;
        ++counters_.changesets_sent;
        counters_.changeset_bytes_sent += bytes;
        frame.push_back(*changeset);
        frame_bytes += bytes;
    }
    if (!frame.empty()) send(peer, Changesets{0, {}, std::move(frame)});
}

// -- others'
// -------------------------------------------------------------------------------------------------------------

void Engine::on(const NodeKey& peer, Changesets& message) {
    for (auto& changeset : message.changesets) {
        arrived(peer, std::move(changeset), message.pull == 0);
        drain();
    }
    const auto at = links_.find(peer);
    if (at != links_.end() && message.pull != 0) pull_answered(peer, at->second, message);
}

void Engine::arrived(const NodeKey& peer, Changeset changeset, bool pushed) {
    ++counters_.changesets_received;
    learn(links_.at(peer), changeset.origin, changeset.last(), limits_.pull_delay_us);
    const auto seen = replica_.state().seen(changeset.origin);
    if (changeset.last() <= seen || waiting_.holds(changeset.origin, changeset.first)) {
        ++counters_.changesets_redundant;
        return;
    }
    if (changeset.first <= seen) {
        ++counters_.faults;
        return report("changesets of " + short_name(changeset.origin) + " overlap: one dot with two contents");
    }
    auto body = decode_body(changeset);
    if (!acceptable(changeset, body)) return;
    const auto from = pushed ? std::optional(peer) : std::nullopt;
    apply_or_wait({std::make_shared<const Changeset>(std::move(changeset)), std::move(body), from});
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
    auto changes = replica_.apply(*changeset, waiting.body);
    if (clock_.observe(replica_.state().origin(changeset->origin)->last_stamp, now_.wall_us)) {
        ++counters_.clock_warnings;
        report("the clock of " + short_name(changeset->origin.node) + " is more than a minute ahead of this node's");
    }
    log_.append(changeset, now_.mono_us);
    counters_.body_bytes_applied += changeset->body.size();
    effects_.persist.push_back(changeset);
    effects_.delivered.push_back({std::move(changes), changeset->origin, false});
    raised(changeset->origin);
    if (waiting.pushed_by) push(changeset, waiting.pushed_by);
}

/// An origin's seen seq rose: links are to be told, waiters to be looked at.
void Engine::raised(const ReplicaId& id) {
    raised_.push_back(id);
    for (auto& [peer, link] : links_) {
        link.changed.insert(id);
        digest_within(link, limits_.digest_busy_us);
    }
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

Result<bool> Engine::apply(Difference difference) {
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
    if (replica_.window_open() && replica_.heads().size() + difference.heads.size() > changeset_deps_max) cut_window();
    const auto before = replica_.state().version();
    for (const auto& [id, top] : difference.tops) {
        if (top.seen > seen(before, id)) newer_format_.erase(id);  // what could not be read is behind it
    }
    auto changes = apply_difference(replica_, difference);
    for (const auto& [id, top] : difference.tops) {
        if (top.seen <= seen(before, id)) continue;
        if (!mutant(Mutant::log_survives_diffs)) log_.reset(id);
        clock_.observe(top.last_stamp, now_.wall_us);
        raised(id);
    }
    diffs_.covered(replica_.state());
    effects_.delivered.push_back({std::move(changes), std::nullopt, false});
    drain();
    return true;
}

}  // namespace starling::gossip
