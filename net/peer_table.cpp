#include "net/peer_table.hpp"

#include <algorithm>

#include <sodium.h>

#include "net/address.hpp"

namespace starling::net {

bool StampWindow::take(std::uint64_t stamp) {
    if (stamp <= newest_.front() || std::binary_search(newest_.begin(), newest_.end(), stamp)) return false;
    newest_.front() = stamp;
    std::sort(newest_.begin(), newest_.end());
    return true;
}

PeerTable::PeerTable(const NodeKey& own, Milliseconds redial_min, Milliseconds redial_max)
    : own_(own), redial_min_(redial_min), redial_max_(redial_max) {}

Milliseconds PeerTable::jittered(Milliseconds delay) const {
    // 75 % to 125 %, so that nodes that failed together do not try together.
    const auto half = std::uint32_t(delay.count() / 2);
    return delay * 3 / 4 + Milliseconds(half == 0 ? 0 : randombytes_uniform(half));
}

bool PeerTable::make_room(Clock::time_point now) {
    std::erase_if(peers_, [&](const auto& entry) {
        const Peer& peer = entry.second;
        bool stale = !peer.engaged && now - peer.heard_at > peer_forget_after;
        if (stale) curves_.erase(peer.curve);
        return stale;
    });
    if (peers_.size() < known_peers_max) return true;
    auto oldest = peers_.end();
    for (auto at = peers_.begin(); at != peers_.end(); ++at) {
        if (at->second.engaged) continue;
        if (oldest == peers_.end() || at->second.heard_at < oldest->second.heard_at) oldest = at;
    }
    if (oldest == peers_.end()) return false;
    curves_.erase(oldest->second.curve);
    peers_.erase(oldest);
    return true;
}

PeerTable::Peer* PeerTable::find_or_add(const NodeKey& node, Clock::time_point now) {
    auto at = peers_.find(node);
    if (at != peers_.end()) return &at->second;
    auto curve = curve_key_of(node);
    // Two node keys can share a CURVE key (they differ in a sign); the first one heard is the one that is used.
    if (!curve || curves_.contains(*curve) || node == own_) return nullptr;
    if (peers_.size() >= known_peers_max && !make_room(now)) return nullptr;
    Peer peer;
    peer.curve = *curve;
    peer.heard_at = now;
    peer.backoff = redial_min_;
    peer.paused = paused_.contains(node);
    curves_.insert(*curve);
    return &peers_.emplace(node, std::move(peer)).first->second;
}

bool PeerTable::add_address(Peer& peer, const std::string& address) {
    if (std::find(peer.addresses.begin(), peer.addresses.end(), address) != peer.addresses.end()) return false;
    if (peer.addresses.size() == addresses_per_peer_max) peer.addresses.pop_back();
    // A link-local address works here only; one that can be written down for others goes first.
    auto local = [](const std::string& text) { return text.starts_with("[fe80:"); };
    auto before =
        local(address) ? peer.addresses.end() : std::find_if(peer.addresses.begin(), peer.addresses.end(), local);
    peer.addresses.insert(before, address);
    return true;
}

void PeerTable::schedule(const NodeKey& node, Peer& peer, Clock::time_point now) {
    peer.next_dial = own_ < node ? now : now + jittered(head_start_ms);
    if (waits(peer)) due_no_later_than(peer.next_dial);
}

PeerTable::Heard PeerTable::hear(const Beacon& beacon, const std::string& address, Clock::time_point now) {
    const bool known = peers_.contains(beacon.node);
    Peer* peer = find_or_add(beacon.node, now);
    if (peer == nullptr) return Heard::refused;
    if (!peer->stamps.take(beacon.stamp_us)) return peer->boot == beacon.boot ? Heard::replayed : Heard::old_run;
    peer->heard_at = now;
    // Only its newest beacon says which run a node is in; an older one may have been overtaken.
    const bool restarted = peer->boot != beacon.boot && peer->boot != 0 && peer->stamps.newest() == beacon.stamp_us;
    if (restarted || peer->boot == 0) peer->boot = beacon.boot;
    if (restarted) peer->addresses.clear();  // the old ones may belong to nobody now
    const bool moved = add_address(*peer, address);
    if (!known || restarted || (moved && peer->addresses.size() == 1)) {
        peer->backoff = redial_min_;
        schedule(beacon.node, *peer, now);
    }
    return Heard::fresh;
}

void PeerTable::learn(const NodeKey& node, const CurveKey& curve, const std::string& address, Clock::time_point now) {
    Peer* peer = find_or_add(node, now);
    if (peer == nullptr || peer->curve != curve) return;
    peer->heard_at = now;
    if (add_address(*peer, address) && peer->addresses.size() == 1) schedule(node, *peer, now);
}

void PeerTable::set_engaged(const NodeKey& node, bool engaged, Clock::time_point now) {
    auto at = peers_.find(node);
    if (at == peers_.end() || at->second.engaged == engaged) return;
    at->second.engaged = engaged;
    at->second.heard_at = now;
    if (waits(at->second)) due_no_later_than(at->second.next_dial);
}

void PeerTable::set_paused(const std::set<NodeKey>& nodes, Clock::time_point now) {
    paused_ = nodes;
    for (auto& [node, peer] : peers_) {
        const bool paused = paused_.contains(node);
        if (peer.paused && !paused) {
            peer.paused = false;
            peer.backoff = redial_min_;
            schedule(node, peer, now);
        }
        peer.paused = paused;
    }
}

bool PeerTable::ask_for(const NodeKey& node, const std::string& address, Clock::time_point now) {
    Peer* peer = find_or_add(node, now);
    if (peer == nullptr || peer->paused || !parse_host_port(address)) return false;
    std::erase(peer->addresses, address);
    if (peer->addresses.size() == addresses_per_peer_max) peer->addresses.pop_back();
    peer->addresses.insert(peer->addresses.begin(), address);
    peer->heard_at = now;
    peer->wanted = true;
    peer->next_dial = now;
    if (waits(*peer)) due_no_later_than(now);
    return true;
}

std::optional<std::string> PeerTable::address_of(const NodeKey& node) const {
    const auto at = peers_.find(node);
    if (at == peers_.end() || at->second.addresses.empty()) return std::nullopt;
    return at->second.addresses.front();
}

void PeerTable::dial_failed(const NodeKey& node, Clock::time_point now) {
    auto at = peers_.find(node);
    if (at == peers_.end()) return;
    Peer& peer = at->second;
    peer.next_dial = now + jittered(peer.backoff);
    peer.backoff = std::min(peer.backoff * 2, redial_max_);
    peer.wanted = false;
    if (peer.addresses.size() > 1)
        std::rotate(peer.addresses.begin(), peer.addresses.begin() + 1, peer.addresses.end());
    if (waits(peer)) due_no_later_than(peer.next_dial);
}

void PeerTable::link_lost(const NodeKey& node, Clock::time_point now) {
    auto at = peers_.find(node);
    if (at == peers_.end()) return;
    // A little later than at once: what ended the link may take a moment to show everywhere.
    schedule(node, at->second, now + jittered(redial_min_));
}

void PeerTable::link_made(const NodeKey& node) {
    auto at = peers_.find(node);
    if (at == peers_.end()) return;
    at->second.backoff = redial_min_;
    at->second.wanted = false;
}

std::optional<DialTarget> PeerTable::next_due(Clock::time_point now) {
    if (now < due_at_) return std::nullopt;
    auto soonest = Clock::time_point::max();
    for (auto at = peers_.begin(); at != peers_.end();) {
        const Peer& peer = at->second;
        if (!peer.engaged && now - peer.heard_at > peer_forget_after) {
            curves_.erase(peer.curve);
            at = peers_.erase(at);
            continue;
        }
        if (waits(peer) && !peer.addresses.empty()) {
            if (peer.next_dial <= now) return DialTarget{at->first, peer.curve, peer.addresses.front()};
            soonest = std::min(soonest, peer.next_dial);
        }
        ++at;
    }
    due_at_ = soonest;
    return std::nullopt;
}

void PeerTable::check() const {
    STARLING_ASSERT(peers_.size() <= known_peers_max, "the table is bounded");
    STARLING_ASSERT(curves_.size() == peers_.size(), "one CURVE key a peer");
    for (const auto& [node, peer] : peers_) {
        STARLING_ASSERT(node != own_, "a node is not its own peer");
        STARLING_ASSERT(curves_.contains(peer.curve), "the CURVE key of every peer is known");
        STARLING_ASSERT(peer.addresses.size() <= addresses_per_peer_max, "addresses are bounded");
        STARLING_ASSERT(peer.paused == paused_.contains(node), "the paused peers are those that were named");
        STARLING_ASSERT(!waits(peer) || peer.addresses.empty() || due_at_ <= peer.next_dial,
                        "nobody is due before due_at");
    }
}

}  // namespace starling::net
