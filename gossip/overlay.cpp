#include "gossip/overlay.hpp"

#include <algorithm>

#include "crdt/assert.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

HashKey drawn(const std::function<std::uint64_t()>& random) {
    const auto first = random();
    return {first, random()};
}

}  // namespace

Overlay::Overlay(const NodeKey& self, const OverlayLimits& limits, std::function<std::uint64_t()> random, Now now)
    : self_(self),
      limits_(limits),
      random_(std::move(random)),
      now_(now),
      book_(self, {limits.book_entries_max, limits.book_sampled, limits.retry_us_min, limits.retry_us_max},
            drawn(random_), [this](const NodeKey& node) { return passive(node) || !idle(node); }),
      component_(self, {limits.pulse_us, limits.silence_us_max, limits.declare_us_max}, now),
      evictions_(limits.eviction_us, limits.evictions_at_once_max),
      joins_(limits.join_us, limits.joins_at_once_max),
      hearsay_(limits.hearsay_us, limits.hearsay_at_once_max),
      next_shuffle_us_(now.mono_us + jittered(limits.shuffle_us)),
      next_probe_us_(now.mono_us + jittered(limits.probe_us_min)) {}

// -- what happened
// -------------------------------------------------------------------------------------------------------

void Overlay::candidate(const PeerAddress& peer, Now now) {
    now_ = now;
    if (book_.hear(peer, now.mono_us)) {
        book_.retry(peer.node);
        if (partial_) add_passive(peer.node);
    }
    settle();
}

void Overlay::connect_failed(const NodeKey& peer, Now now) {
    now_ = now;
    if (dials_.erase(peer) == 0) return;
    ++failed_in_a_row_;
    drop_passive(peer);
    book_.failed(peer, now.mono_us, random_());
    settle();
}

void Overlay::link_up(const NodeKey& peer, const Bytes& address, Now now) {
    now_ = now;
    if (links_.contains(peer)) link_down(peer, now);  // a new connection is a new link
    const auto dial = dials_.find(peer);
    const bool dialled = dial != dials_.end();
    const auto purpose = dialled ? dial->second.purpose : AskPurpose::spare;
    if (dialled) {
        dials_.erase(dial);
        failed_in_a_row_ = 0;
    }
    drop_passive(peer);
    auto& link = links_.emplace(peer, Link{.address = address, .walks = {limits_.walk_us, limits_.walks_at_once_max}})
                     .first->second;
    link.since_us = now.mono_us;
    book_.linked({peer, address}, now.mono_us);
    if (dialled && (purpose == AskPurpose::probe || has_room())) {
        ask(peer, link, purpose);
    } else if (dialled) {
        disconnect(peer, "no room any more");
    } else {
        link.deadline_us = now.mono_us + limits_.ask_wait_us_max;
        const auto idle_links = std::count_if(links_.begin(), links_.end(), [](const auto& l) {
            return l.second.stage == Stage::waiting || l.second.stage == Stage::parting;
        });
        if (std::size_t(idle_links) > limits_.idle_links_max) disconnect(peer, "too many idle links");
    }
    settle();
}

void Overlay::link_down(const NodeKey& peer, Now now) {
    now_ = now;
    const auto at = links_.find(peer);
    if (at == links_.end()) return;
    const auto stage = at->second.stage;
    links_.erase(at);
    if (stage == Stage::active) {
        --active_;
        book_.seen(peer, now.mono_us);
        actions_.push_back({OverlayAction::Kind::deactivate, peer});
    }
    if (stage == Stage::asking) book_.failed(peer, now.mono_us, random_());
    settle();
}

void Overlay::received(const NodeKey& peer, const OverlayMessage& message, Now now) {
    now_ = now;
    if (!links_.contains(peer)) return;
    std::visit([&](const auto& m) { on(peer, m); }, message);
    settle();
}

void Overlay::tick(Now now) {
    now_ = now;
    link_timers();
    if (component_.tick(now)) flood(std::nullopt);
    if (next_shuffle_us_ <= now.mono_us) begin_shuffle();
    if (next_probe_us_ <= now.mono_us) probe();
    settle();
}

std::uint64_t Overlay::due_us() const {
    auto due = std::min({component_.due_us(), next_shuffle_us_, next_probe_us_, fill_due_us_});
    if (partial_ && active_ > limits_.active_max) due = std::min(due, next_prune_us_);
    for (const auto& [peer, link] : links_) due = std::min(due, link.deadline_us);
    for (const auto& [peer, dial] : dials_) due = std::min(due, dial.deadline_us);
    return due;
}

void Overlay::link_timers() {
    const auto late = [&](const auto& item) { return item.second.deadline_us <= now_.mono_us; };
    for (auto at = dials_.begin(); (at = std::find_if(at, dials_.end(), late)) != dials_.end();) {
        const auto peer = (at++)->first;
        dials_.erase(peer);  // the driver owes word of it; it does not come
        book_.failed(peer, now_.mono_us, random_());
    }
    for (auto at = links_.begin(); (at = std::find_if(at, links_.end(), late)) != links_.end();) {
        const auto peer = at->first;
        auto& link = (at++)->second;
        if (link.stage == Stage::asking && !link.asked_again) {
            ask(peer, link, link.purpose);  // the question or the answer was lost
            link.asked_again = true;
        } else {
            if (link.stage == Stage::asking) book_.failed(peer, now_.mono_us, random_());
            disconnect(peer, "nothing was agreed on");
        }
    }
}

// -- asking and answering
// ------------------------------------------------------------------------------------------------

void Overlay::want(const NodeKey& peer, AskPurpose purpose) {
    const auto at = links_.find(peer);
    if (at != links_.end()) {
        if (at->second.stage == Stage::waiting || at->second.stage == Stage::parting) ask(peer, at->second, purpose);
        return;
    }
    const auto* entry = book_.find(peer);
    if (entry == nullptr || dials_.contains(peer) || dials_.size() >= limits_.dials_at_once_max) return;
    dials_[peer] = {purpose, now_.mono_us + limits_.dial_us_max};
    actions_.push_back({OverlayAction::Kind::connect, peer, entry->address()});
    book_.tried(peer, now_.mono_us);
}

void Overlay::ask(const NodeKey& peer, Link& link, AskPurpose purpose) {
    if (purpose != AskPurpose::probe) {
        purpose = active_ == 0                                   ? AskPurpose::join
                  : !partial_ || active_ < limits_.active_target ? AskPurpose::needed
                                                                 : AskPurpose::spare;
    }
    link.stage = Stage::asking;
    link.purpose = purpose;
    link.deadline_us = now_.mono_us + limits_.answer_us_max;
    say(peer, Ask{purpose, component_.label()});
}

/// Room for one more, with those that were asked and may accept.
bool Overlay::has_room() const {
    const auto asking = std::size_t(std::count_if(links_.begin(), links_.end(), [](const auto& l) {
        return l.second.stage == Stage::asking && l.second.purpose != AskPurpose::probe;
    }));
    return active_ + asking < links_max();
}

AskVerdict Overlay::judge(const NodeKey& peer, const Ask& ask) {
    const auto& link = links_.at(peer);
    if (link.stage == Stage::active) return AskVerdict::accepted;  // the answer was lost
    if (ask.purpose == AskPurpose::probe) {
        const auto mine = component_.label();
        // While a root is being found nobody can tell: the next probe will.
        if (!mine.known() || !ask.component.known() || Component::same(mine, ask.component))
            return AskVerdict::same_component;
    }
    const bool mutual = link.stage == Stage::asking && link.purpose != AskPurpose::probe;  // each asked the other
    if (has_room() || (mutual && active_ < limits_.full_links_max)) return AskVerdict::accepted;
    if (!partial_ || ask.purpose == AskPurpose::spare) return AskVerdict::refused;
    // On the way from a full mesh to partial views there are too many links anyway, and each second there is one less.
    if (active_ > limits_.active_max)
        return active_ < limits_.full_links_max ? AskVerdict::accepted : AskVerdict::refused;
    return evictions_.take(now_.mono_us) && make_room_for(peer) ? AskVerdict::accepted : AskVerdict::refused;
}

void Overlay::on(const NodeKey& peer, const Ask& ask) {
    const auto verdict = judge(peer, ask);
    auto& link = links_.at(peer);
    Answer answer{verdict, partial_ && live_members() > limits_.full_mesh_again, {}};
    if (verdict != AskVerdict::same_component) answer.sample = referral(peer);
    say(peer, std::move(answer));
    if (verdict != AskVerdict::accepted) {
        link.stage = Stage::parting;
        link.deadline_us = now_.mono_us + limits_.ask_wait_us_max;
        return;
    }
    if (link.stage == Stage::active) return;
    activate(peer, link);
    if (ask.purpose == AskPurpose::join || ask.purpose == AskPurpose::probe) forward_join(peer);
}

/// A node that was alone, or half a mesh that was: the others are to hear of it.
void Overlay::forward_join(const NodeKey& peer) {
    const auto joiner = known(peer);
    if (!joiner || !joins_.take(now_.mono_us)) return;
    for (const auto& other : active_view()) {
        if (other != peer) say(other, ForwardJoin{*joiner, limits_.join_hops});
    }
}

void Overlay::on(const NodeKey& peer, const Answer& answer) {
    auto& link = links_.at(peer);
    if (link.stage != Stage::asking) return;
    if (answer.crowded) crowded_until_us_ = now_.mono_us + limits_.crowded_us;
    take_sample(answer.sample);
    if (answer.verdict == AskVerdict::accepted) {
        const bool probing = link.purpose == AskPurpose::probe;
        if (active_ >= links_max() && !(probing && make_room_for(peer))) return disconnect(peer, "no room any more");
        activate(peer, link);
        if (probing) forward_join(peer);
        return;
    }
    book_.refused(peer, now_.mono_us, now_.mono_us + jittered(limits_.refused_retry_us));
    disconnect(peer, answer.verdict == AskVerdict::refused ? "it has no room" : "it is in this component");
    add_passive(peer);
}

void Overlay::on(const NodeKey& peer, const Farewell& farewell) {
    auto& link = links_.at(peer);
    if (link.stage == Stage::parting) return disconnect(peer, "given up by both");
    if (link.stage != Stage::active) return;
    disconnect(peer, "the peer has no room any more");
    add_passive(peer);
    for (const auto& other : farewell.instead) {
        hear(other);
        if (has_room() && idle(other.node)) want(other.node, AskPurpose::spare);
    }
}

void Overlay::on(const NodeKey& peer, const Pulse& pulse) {
    if (!active(peer)) return;
    switch (component_.heard(pulse.component, now_)) {
        case Component::Heard::news:
            return flood(peer);
        case Component::Heard::outdated:
            return say(peer, Pulse{component_.label()});
        case Component::Heard::known:
            return;
    }
}

void Overlay::flood(const std::optional<NodeKey>& except) {
    for (const auto& [peer, link] : links_) {
        if (link.stage == Stage::active && peer != except) say(peer, Pulse{component_.label()});
    }
}

// -- links
// ---------------------------------------------------------------------------------------------------------------

void Overlay::say(const NodeKey& peer, OverlayMessage message) {
    actions_.push_back({OverlayAction::Kind::say, peer, {}, std::move(message)});
}

void Overlay::activate(const NodeKey& peer, Link& link) {
    link.stage = Stage::active;
    link.since_us = now_.mono_us;
    link.deadline_us = UINT64_MAX;
    ++active_;
    actions_.push_back({OverlayAction::Kind::activate, peer});
    if (component_.label().known()) say(peer, Pulse{component_.label()});
    if (!partial_) next_shuffle_us_ = std::min(next_shuffle_us_, now_.mono_us + jittered(limits_.shuffle_soon_us));
}

/// Closed from here: nothing more is expected of it.
void Overlay::disconnect(const NodeKey& peer, std::string_view why) {
    const auto at = links_.find(peer);
    if (at->second.stage == Stage::active) {
        --active_;
        book_.seen(peer, now_.mono_us);
        actions_.push_back({OverlayAction::Kind::deactivate, peer});
    }
    links_.erase(at);
    actions_.push_back({OverlayAction::Kind::disconnect, peer, {}, {}, why});
}

void Overlay::give_up(const NodeKey& peer, Sample instead) {
    auto& link = links_.at(peer);
    --active_;
    book_.seen(peer, now_.mono_us);
    link.stage = Stage::parting;
    link.deadline_us = now_.mono_us + limits_.ask_wait_us_max;
    actions_.push_back({OverlayAction::Kind::deactivate, peer});
    say(peer, Farewell{std::move(instead)});
}

/// Gives up one of the younger links and sends its other end to `peer`. The oldest links stay, so that no flood of asks
/// can take all that a node has.
bool Overlay::make_room_for(const NodeKey& peer) {
    const auto view = by_age();
    if (view.size() <= limits_.stable_links) return false;
    const auto victim = view[limits_.stable_links + below(view.size() - limits_.stable_links)];
    Sample instead;
    if (const auto newcomer = known(peer)) instead.push_back(*newcomer);
    give_up(victim, std::move(instead));
    return true;
}

bool Overlay::active(const NodeKey& peer) const {
    const auto at = links_.find(peer);
    return at != links_.end() && at->second.stage == Stage::active;
}

std::vector<NodeKey> Overlay::active_view() const {
    std::vector<NodeKey> view;
    for (const auto& [peer, link] : links_) {
        if (link.stage == Stage::active) view.push_back(peer);
    }
    return view;
}

/// The active view, the oldest link first.
std::vector<NodeKey> Overlay::by_age() const {
    auto view = active_view();
    const auto age = [&](const NodeKey& peer) { return std::pair(links_.at(peer).since_us, peer); };
    std::sort(view.begin(), view.end(), [&](const auto& a, const auto& b) { return age(a) < age(b); });
    return view;
}

OverlayStatus Overlay::status() const {
    return {active_, passive_.size(), book_.entries().size(), dials_.size(), partial_};
}

void Overlay::check() const {
    book_.check();
    component_.check();
    std::size_t active = 0;
    for (const auto& [peer, link] : links_) {
        active += link.stage == Stage::active ? 1 : 0;
        STARLING_ASSERT(peer != self_, "a node is not linked with itself");
        STARLING_ASSERT((link.stage == Stage::active) == (link.deadline_us == UINT64_MAX),
                        "what is not agreed on ends");
        STARLING_ASSERT(!dials_.contains(peer), "nobody linked is dialled");
    }
    STARLING_ASSERT(active == active_, "active links are counted");
    STARLING_ASSERT(active <= limits_.full_links_max, "active links are bounded");
    STARLING_ASSERT(dials_.size() <= limits_.dials_at_once_max, "dials are bounded");
    STARLING_ASSERT(passive_.size() <= limits_.passive_max, "the passive view is bounded");
    for (const auto& node : passive_) {
        STARLING_ASSERT(book_.find(node) != nullptr, "who is in the passive view has an address");
        STARLING_ASSERT(!links_.contains(node), "who is linked is not in the passive view");
    }
}

}  // namespace starling::gossip
