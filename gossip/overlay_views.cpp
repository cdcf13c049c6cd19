// Whom to choose: candidates for links, full mesh or partial views, probes.
#include <algorithm>

#include "gossip/overlay.hpp"

namespace starling::gossip {

using namespace crdt;

// -- who is there
// ----------------------------------------------------------------------------------------------------------

/// Nothing connects this node with it, and nothing is under way.
bool Overlay::idle(const NodeKey& node) const {
    return !links_.contains(node) && !dials_.contains(node);
}

/// Linked, or said to be alive lately, and not found dead since.
bool Overlay::live(const NodeKey& node, const BookEntry& entry) const {
    const bool fresh = entry.alive_us != 0 && entry.alive_us + limits_.member_fresh_us > now_.mono_us;
    return (fresh && (entry.failures == 0 || entry.alive_us > entry.tried_us)) || active(node);
}

/// With this node; no more than the book holds.
std::size_t Overlay::live_members() const {
    const auto& entries = book_.entries();
    return 1 + std::size_t(std::count_if(entries.begin(), entries.end(),
                                         [this](const auto& e) { return live(e.first, e.second); }));
}

bool Overlay::passive(const NodeKey& node) const {
    return std::binary_search(passive_.begin(), passive_.end(), node);
}

void Overlay::add_passive(const NodeKey& node) {
    if (passive(node) || links_.contains(node) || book_.find(node) == nullptr) return;
    if (passive_.size() >= limits_.passive_max)
        passive_.erase(passive_.begin() + std::ptrdiff_t(below(passive_.size())));
    passive_.insert(std::lower_bound(passive_.begin(), passive_.end(), node), node);
}

void Overlay::drop_passive(const NodeKey& node) {
    const auto at = std::lower_bound(passive_.begin(), passive_.end(), node);
    if (at != passive_.end() && *at == node) passive_.erase(at);
}

// -- full mesh or partial views
// -------------------------------------------------------------------------------------------

/// Leaves the full mesh when more are known than fit, and comes back when there are clearly fewer. A newcomer believes
/// peers that say that they know of more.
void Overlay::choose_mode() {
    if (partial_ && now_.mono_us < next_mode_us_) return;
    next_mode_us_ = now_.mono_us + limits_.mode_us;
    const auto most = partial_ ? limits_.full_mesh_again : limits_.full_mesh_max;
    partial_ = now_.mono_us < crowded_until_us_ || live_members() > most;
}

/// One link a second goes, at both ends of the mesh's way from a full one to partial views, until few are left. The
/// youngest stay: they may be all that a newcomer has.
void Overlay::prune() {
    if (!partial_ || active_ <= limits_.active_max || now_.mono_us < next_prune_us_) return;
    next_prune_us_ = now_.mono_us + jittered(limits_.prune_us);
    const auto view = by_age();
    give_up(view[below(view.size() - limits_.stable_links)], {});
}

/// After everything that happened.
void Overlay::settle() {
    choose_mode();
    prune();
    fill();
}

// -- candidates
// -----------------------------------------------------------------------------------------------------------

/// The passive view first, then whoever failed least; by lot among equals. Where nobody may be dialled yet, notes when
/// somebody may.
std::optional<NodeKey> Overlay::best_candidate(bool only_live) {
    std::optional<NodeKey> best;
    std::pair<bool, std::uint32_t> least;
    std::uint64_t equals = 0;
    for (const auto& [node, entry] : book_.entries()) {
        const auto key = std::pair(!passive(node), entry.failures);
        if (best && least < key) continue;
        if (!idle(node) || (only_live && !live(node, entry))) continue;
        if (entry.not_before_us > now_.mono_us) {
            fill_due_us_ = std::min(fill_due_us_, entry.not_before_us);
            continue;
        }
        equals = best && key == least ? equals + 1 : 1;
        if (equals > 1 && below(equals) != 0) continue;
        best = node;
        least = key;
    }
    return best;
}

/// Dials as many as links are lacking, and one more for each dial that failed since one succeeded: after a mass crash
/// most of what is known is dead.
void Overlay::fill() {
    fill_due_us_ = UINT64_MAX;
    if (partial_ && active_ >= limits_.active_target) return;
    while (dials_.size() < limits_.dials_at_once_max && has_room()) {
        if (partial_) {
            const auto asking = std::size_t(std::count_if(links_.begin(), links_.end(), [](const auto& l) {
                return l.second.stage == Stage::asking && l.second.purpose != AskPurpose::probe;
            }));
            if (active_ + asking >= limits_.active_target) return;
            if (dials_.size() >= limits_.active_target - active_ - asking + failed_in_a_row_) return;
        }
        const auto node = best_candidate(!partial_ && active_ > 0);
        if (!node) return;
        want(*node, active_ == 0 ? AskPurpose::join : AskPurpose::needed);
    }
}

/// Dials one of the book who is not linked, to see whether it is in another component: by lot anyone, or of those that
/// were alive most recently the one that was not tried for the longest time. The fewer members a component seems to
/// have, the more often each of them probes, so that small ones are not alone for long.
void Overlay::probe() {
    next_probe_us_ = now_.mono_us + jittered(std::clamp(live_members() * limits_.probe_us_min, limits_.probe_us_min,
                                                        limits_.probe_us_max));
    if (!component_.label().known() || dials_.size() >= limits_.dials_at_once_max) return;
    std::vector<std::pair<std::uint64_t, NodeKey>> strangers;
    for (const auto& [node, entry] : book_.entries()) {
        if (idle(node)) strangers.emplace_back(UINT64_MAX - entry.alive_us, node);
    }
    if (strangers.empty()) return;
    if (below(2) == 0) return want(strangers[below(strangers.size())].second, AskPurpose::probe);
    const auto recent = std::min(strangers.size(), limits_.probe_recent);
    std::partial_sort(strangers.begin(), strangers.begin() + std::ptrdiff_t(recent), strangers.end());
    strangers.resize(recent);
    const auto tried = [&](const auto& stranger) { return book_.find(stranger.second)->tried_us; };
    const auto least = std::min_element(strangers.begin(), strangers.end(),
                                        [&](const auto& a, const auto& b) { return tried(a) < tried(b); });
    want(least->second, AskPurpose::probe);
}

}  // namespace starling::gossip
