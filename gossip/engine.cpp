#include "gossip/engine.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/transaction.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t faults_kept_max = 16;
constexpr std::uint64_t life_renewal_us_min = 60'000'000;

}  // namespace

Engine::Engine(Replica& replica, Clock& clock, EngineOptions options)
    : replica_(replica),
      clock_(clock),
      node_(options.node),
      limits_(options.limits),
      verify_(std::move(options.verify)),
      random_(std::move(options.random)),
      overlay_limits_(options.overlay),
      engine_(1 + random_() % UINT32_MAX),
      trees_(limits_.inheritance),
      diffs_(*this, limits_, counters_, node_) {
    replica_.state().each_life([&](const ReplicaId& id, Seq seen, Stamp) { origins_.rose_quietly(id, 0, seen); });
    rises_ = Rises(replica_.state().lives());
    if (replica_.self()) number(*replica_.self());
    if (options.sealer) sealing_.emplace(std::move(options.sealer), options.mesh, replica_.space());
    recall(std::move(options.log));
    recall_seals(options.tops, options.forks);
    if (options.durable_place) place_ = durable_ = *options.durable_place;
    neighbours_changed();
}

Effects Engine::handle(const Input& input, Now now) {
    now_ = now;
    std::visit([&](const auto& in) { on(in); }, input);
    perform_overlay();
    release_own();
    if (replica_.window_open() && !window_due_us_) window_due_us_ = now.mono_us + limits_.flush_window_us;
    timers();
    release_own();
    keep_few_numbers();
    effects_.wake_us = next_deadline();
    effects_.place = place_;
    return std::exchange(effects_, {});
}

// -- links
// ---------------------------------------------------------------------------------------------------------------

void Engine::on(const LinkUp& up) {
    if (auto* overlay = this->overlay()) return overlay->link_up(up.peer, up.address, now_);
    begin_link(up.peer);
}

void Engine::on(const LinkDown& down) {
    if (auto* overlay = this->overlay()) return overlay->link_down(down.peer, now_);
    end_link(down.peer);
}

void Engine::begin_link(const NodeKey& peer) {
    // A new connection knows nothing of the old one's numbers, and goes on with nothing that was begun on it.
    end_link(peer);
    auto& link = links_[peer];
    link.slot = trees_.up(origins_.trees(), origins_.tree_of(node_));
    link.up_since_us = now_.mono_us;
    neighbours_changed();
    link.digest_due_us = now_.mono_us + limits_.digest_idle_us;
    link.past = pasts_.recall(peer);
    greet(peer, link);
    const auto within_us = digest_busy_us();
    for (auto& [other_peer, other] : links_) {
        if (other_peer != peer) digest_within(other, within_us);  // the neighbourhood changed
    }
}

void Engine::end_link(const NodeKey& gone) {
    const auto lost = links_.find(gone);
    if (lost == links_.end()) return;
    auto& ended = lost->second;
    trees_.down(ended.slot);
    if (ended.greeted && ended.bookmark.engine != 0) pasts_.remember(gone, {ended.bookmark, std::move(ended.known)});
    links_.erase(lost);
    std::erase_if(held_, [&](const Held& held) { return held.peer == gone; });
    diffs_.link_down(gone);
    neighbours_changed();
    const auto within_us = digest_busy_us();
    for (auto& [peer, link] : links_) {
        digest_within(link, within_us);
        pull_from(peer, link);  // what was asked of the lost one
    }
}

void Engine::on(const Received& received) {
    const auto at = links_.find(received.peer);
    if (at == links_.end()) return received_idle(received);
    auto& link = at->second;
    link.bytes_in += received.bytes.size();
    ++link.messages_in;
    auto message = decode(replica_.space(), received.bytes, link.refs_in);
    if (message) {
        std::visit([&](auto& m) { on(received.peer, m); }, *message);
        drain();
        return;
    }
    switch (message.fault().code) {
        case FaultCode::not_available:
            request_hello(received.peer, link, true);
            break;
        case FaultCode::unknown_kind:
            ++counters_.update_needed;
            break;
        case FaultCode::refused:
            ++counters_.refused;
            break;
        default:
            ++counters_.malformed;
            report("malformed message from " + short_name(received.peer) + ": " + message.fault().what);
            effects_.disconnect.push_back({received.peer, true, "it breaks the protocol"});
    }
}

// -- the overlay
// ---------------------------------------------------------------------------------------------------------

/// nullptr without one.
Overlay* Engine::overlay() {
    if (overlay_limits_ && !overlay_) overlay_ = std::make_unique<Overlay>(node_, *overlay_limits_, random_, now_);
    return overlay_.get();
}

void Engine::on(const Candidate& candidate) {
    if (auto* overlay = this->overlay()) overlay->candidate(candidate.peer, now_);
}

void Engine::on(const ConnectFailed& failed) {
    if (auto* overlay = this->overlay()) overlay->connect_failed(failed.peer, now_);
}

void Engine::on(const NodeKey& peer, OverlayMessage& message) {
    if (auto* overlay = this->overlay()) overlay->received(peer, message, now_);
}

/// The link went down meanwhile, or it carries no data (yet): then only the overlay's messages count on it.
void Engine::received_idle(const Received& received) {
    if (!overlay_) return;
    RefReceiver none;
    auto message = decode(replica_.space(), received.bytes, none);
    if (!message) return;
    if (const auto* about_links = std::get_if<OverlayMessage>(&*message))
        overlay_->received(received.peer, *about_links, now_);
}

void Engine::perform_overlay() {
    if (!overlay_) return;
    for (auto& action : overlay_->take_actions()) {
        switch (action.kind) {
            case OverlayAction::Kind::say: {
                RefSender none;
                auto bytes = encode(replica_.space(), *action.message, none);
                counters_.bytes_sent += bytes.size();
                counters_.overlay_bytes_sent += bytes.size();
                effects_.sends.push_back({action.peer, std::move(bytes)});
                break;
            }
            case OverlayAction::Kind::connect:
                effects_.connect.push_back({action.peer, std::move(action.address)});
                break;
            case OverlayAction::Kind::disconnect:
                effects_.disconnect.push_back({action.peer, false, action.why});
                break;
            case OverlayAction::Kind::activate:
                begin_link(action.peer);
                break;
            case OverlayAction::Kind::deactivate:
                end_link(action.peer);
                break;
        }
    }
}

/// A hash of the set of this node and its peers. Equal at all ends of all links, it says that they are a full mesh.
void Engine::neighbours_changed() {
    std::set<NodeKey> nodes{node_};
    for (const auto& [peer, link] : links_) nodes.insert(peer);
    Bytes text;
    for (const auto& node : nodes) text.append(node.begin(), node.end());
    neighbourhood_ = siphash128(text, fingerprint_key).low;
}

bool Engine::full_mesh() const {
    return std::all_of(links_.begin(), links_.end(),
                       [&](const auto& l) { return l.second.neighbourhood == neighbourhood_; });
}

void Engine::report(std::string fault) {
    if (!faults_.empty() && faults_.back() == fault) return;
    if (faults_.size() == faults_kept_max) faults_.erase(faults_.begin());
    faults_.push_back(std::move(fault));
}

// -- lives
// ---------------------------------------------------------------------------------------------------------------

void Engine::begin_life() {
    ReplicaId self{node_, random_()};
    while (replica_.state().knows(self)) self.life = random_();
    number(self);
    replica_.begin_life(self);
}

/// A life that lives elsewhere too is left for a new one; not too often, since a peer's word is enough to get here.
bool Engine::renew_life() {
    if (now_.mono_us < life_renewable_us_) return false;
    life_renewable_us_ = now_.mono_us + life_renewal_us_min;
    report("this node's running life is known elsewhere: another one begins");
    cut_window();
    begin_life();
    return true;
}

void Engine::prepare_write(Now now) {
    now_ = now;
    if (!replica_.self()) begin_life();
    if (Transaction::must_cut_first(replica_)) cut_window();
    while (!replica_.window_open() && replica_.heads_full()) publish(replica_.merge_heads());
}

void Engine::settle(Now now) {
    now_ = now;
    cut_window();
}

void Engine::wrote(Changes changes, Now now) {
    now_ = now;
    effects_.delivered.push_back({std::move(changes), replica_.self(), true});
    if (limits_.flush_window_us == 0) cut_window();
}

// -- time
// ----------------------------------------------------------------------------------------------------------------

void Engine::timers() {
    const auto now = now_.mono_us;
    if (auto* overlay = this->overlay(); overlay != nullptr && overlay->due_us() <= now) {
        overlay->tick(now_);
        perform_overlay();
    }
    if (window_due_us_ && *window_due_us_ <= now) cut_window();
    if (push_due_us_ && *push_due_us_ <= now) push_gathered();
    diffs_.tick(now);
    for (auto& [peer, link] : links_) {
        if (link.pull && link.pull->deadline_us <= now) {
            const auto pull = *std::exchange(link.pull, {});
            pull_again(link, pull, now + limits_.pull_timeout_us);
        }
        if (link.matching && link.matching->deadline_us <= now) link.matching.reset();
        if (link.digest_due_us > now) continue;
        if (link.matching) {  // it begins with what is told
            link.digest_due_us = link.matching->deadline_us;
            continue;
        }
        if (link.held > 0) {  // what waits for the disk says it, or goes before
            link.digest_due_us = now + digest_busy_us();
            continue;
        }
        say_digest(peer, link);
    }
    for (auto& [peer, link] : links_) pull_from(peer, link);
    log_.trim(limits_.log_bytes_max, now, limits_.log_age_us_max);
    drain();
}

std::optional<std::uint64_t> Engine::next_deadline() const {
    std::optional<std::uint64_t> least = window_due_us_;
    const auto at = [&](std::uint64_t us) { least = std::min(least.value_or(UINT64_MAX), us); };
    if (push_due_us_) at(*push_due_us_);
    if (overlay_) at(overlay_->due_us());
    if (const auto deadline = diffs_.deadline_us()) at(*deadline);
    for (const auto& [peer, link] : links_) {
        at(link.digest_due_us);
        if (link.pull) {
            at(link.pull->deadline_us);
            continue;
        }
        for (const auto& [id, behind] : link.behind) {
            if (behind.due_us > now_.mono_us) at(behind.due_us);
        }
    }
    return least;
}

// -- status
// --------------------------------------------------------------------------------------------------------------

bool Engine::synced() const {
    const auto in_step = [&](const auto& l) { return l.second.known.hash() == replica_.state().version_hash(); };
    return !links_.empty() && !replica_.window_open() && std::all_of(links_.begin(), links_.end(), in_step);
}

Status Engine::status() const {
    Status status;
    for (const auto& [peer, link] : links_) {
        const auto& known = link.known;
        // Events that one end has and the other lacks.
        std::uint64_t lag = known.based() ? 0 : origins_.quiet_events(), behind = 0;
        for (OriginId origin = 0; origin < origins_.size(); ++origin) {
            const auto here = replica_.state().seen(origins_.name(origin));
            const auto there = known.seen(origins_, origin);
            lag += here - std::min(here, there);
            behind += there - std::min(here, there);
        }
        status.links.push_back({peer, link.up_since_us, link.bytes_in, link.bytes_out, link.messages_in,
                                link.messages_out, lag, behind,
                                known.hash() == replica_.state().version_hash() && !replica_.window_open()});
    }
    status.counters = counters_;
    status.log_bytes = log_.bytes();
    status.waiting_bytes = waiting_.bytes();
    status.waiting = waiting_.size();
    status.staged_bytes = diffs_.staged_bytes();
    status.numbered_lives = origins_.size();
    status.full_mesh = full_mesh();
    if (overlay_) status.overlay = overlay_->status();
    status.faults = faults_;
    for (const auto& [id, fork] : forks_) status.forks.push_back(fork);
    return status;
}

void Engine::check() const {
    log_.check();
    waiting_.check();
    diffs_.check();
    rises_.check();
    trees_.check();
    pasts_.check();
    if (overlay_) {
        overlay_->check();
        for (const auto& [peer, link] : links_) STARLING_ASSERT(overlay_->active(peer), "active links carry the data");
    }
    STARLING_ASSERT(waiting_.bytes() <= limits_.waiting_bytes_max, "what waits is bounded");
    check_held();
    check_seals();
    auto hash = origins_.quiet_hash();
    for (OriginId origin = 0; origin < origins_.size(); ++origin)
        hash += version_line_hash(origins_.name(origin), replica_.state().seen(origins_.name(origin)));
    STARLING_ASSERT(hash == replica_.state().version_hash(), "no quiet life rises");
    for (const auto& [peer, link] : links_) {
        link.known.check(origins_);
        STARLING_ASSERT(!link.matching || link.matching->theirs.size() <= matching_lines_max,
                        "what a matching finds is bounded");
        std::size_t unacked = 0;
        for (const auto& item : link.unacked) unacked += item.bytes;
        STARLING_ASSERT(unacked == link.unacked_bytes, "what is not acknowledged is counted");
        std::size_t gathered = 0;
        for (const auto& changeset : link.gathered) gathered += wire_bytes(*changeset);
        STARLING_ASSERT(gathered == link.gathered_bytes, "what gathers is counted");
        STARLING_ASSERT(gathered < limits_.frame_changesets_bytes_max || gathered == 0, "what gathers is bounded");
    }
}

}  // namespace starling::gossip
