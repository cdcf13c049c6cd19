#include "net/discovery.hpp"

#include <algorithm>
#include <system_error>

#include <sodium.h>

namespace starling::net {
namespace {

constexpr Milliseconds resolver_look_ms{50};

Milliseconds jittered(Milliseconds delay) {
    // 80 % to 120 %: nodes that started together drift apart.
    const auto part = std::uint32_t(delay.count() * 2 / 5);
    return delay * 4 / 5 + Milliseconds(part == 0 ? 0 : randombytes_uniform(part));
}

std::uint64_t wall_us() {
    auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

}  // namespace

Result<std::unique_ptr<Discovery>> Discovery::open(const Settings& settings, Clock::time_point now) {
    auto sockets =
        BeaconSockets::open({settings.listen_address, settings.port, settings.beacons, settings.shared_port});
    if (!sockets) return sockets.fault();
    return std::unique_ptr<Discovery>(new Discovery(settings, std::move(*sockets), now));
}

Discovery::Discovery(const Settings& settings, std::unique_ptr<BeaconSockets> sockets, Clock::time_point now)
    : settings_(settings), sockets_(std::move(sockets)), answers_since_(now) {
    next_cards_at_ = now;
    hurry(now);
}

Result<Done> Discovery::add_static(const std::string& address, Clock::time_point now) {
    auto at = parse_host_port(address);
    if (!at) return at.fault();
    for (const auto& peer : statics_) {
        if (peer.at.host == at->host && peer.at.port == at->port) return Done{};
    }
    if (statics_.size() == static_peers_max) return Fault{FaultCode::too_large, "there are too many static peers"};
    StaticPeer peer;
    peer.at = std::move(*at);
    if (auto address = numeric_address(peer.at)) peer.addresses.push_back(*address);
    peer.numeric = !peer.addresses.empty();
    peer.next_probe = now;
    statics_.push_back(std::move(peer));
    return Done{};
}

void Discovery::hurry(Clock::time_point now) {
    hurry_until_ = now + hurry_for_ms;
    next_beacon_at_ = now;
    for (auto& peer : statics_) {
        peer.interval = probe_ms_min;
        peer.next_probe = now;
    }
}

void Discovery::set_links(std::size_t count, Clock::time_point now) {
    if (links_ > 0 && count == 0) hurry(now);
    links_ = count;
}

SealedBeacon Discovery::next_beacon(bool asks, std::size_t secret) {
    stamp_us_ = std::max(stamp_us_ + 1, wall_us());
    return seal(Beacon{settings_.node, settings_.boot, stamp_us_, settings_.port, asks}, settings_.beacon_keys[secret]);
}

void Discovery::look_at_cards(Clock::time_point now) {
    if (now < next_cards_at_) return;
    next_cards_at_ = now + cards_interval_ms;
    auto cards = cards_up(settings_.interfaces, settings_.listen_address);
    if (cards == cards_) return;
    cards_ = std::move(cards);
    sockets_->use_cards(cards_);
    std::map<unsigned, CardDiagnosis> seen;
    for (const auto& card : cards_) {
        auto& figures = seen[card.index];
        if (const auto before = seen_.find(card.index); before != seen_.end()) figures = std::move(before->second);
        figures.name = card.name;
        figures.loopback = card.loopback;
    }
    seen_ = std::move(seen);
    hurry(now);
}

void Discovery::speak(Clock::time_point now) {
    if (now < next_beacon_at_) return;
    const bool hurrying = now < hurry_until_;
    next_beacon_at_ = now + jittered(hurrying      ? hurry_interval_ms
                                     : links_ == 0 ? lonely_interval_ms
                                                   : linked_interval_ms);
    if (!settings_.beacons) return;
    for (const auto& way : sockets_->ways(cards_)) {
        const int why = sockets_->send(next_beacon(links_ == 0), way);
        auto& figures = seen_[way.card];
        ++(why == 0 ? figures.sent : figures.unsent);
        if (why != 0) figures.why_unsent = std::generic_category().message(why);
    }
}

void Discovery::resolve(StaticPeer& peer, Clock::time_point now) {
    if (peer.numeric || resolver_.busy()) return;
    if (!peer.addresses.empty() && now - peer.resolved_at < resolve_again_ms) return;
    if (resolver_.start(peer.at)) peer.resolved_at = now;
}

void Discovery::take_resolved(Clock::time_point now) {
    auto answer = resolver_.take();
    if (!answer || answer->addresses.empty()) return;
    for (auto& peer : statics_) {
        if (peer.at.host != answer->what.host || peer.at.port != answer->what.port) continue;
        if (peer.addresses.empty()) peer.next_probe = now;
        peer.addresses = answer->addresses;
    }
}

void Discovery::probe(Clock::time_point now, const std::function<bool(const NodeKey&)>& linked) {
    take_resolved(now);
    for (auto& peer : statics_) {
        if (now < peer.next_probe) continue;
        const bool done = peer.node && linked(*peer.node);
        peer.interval = done ? probe_ms_min : std::min(peer.interval * 2, probe_ms_max);
        peer.next_probe = now + jittered(done ? probe_ms_max : peer.interval);
        if (done) continue;
        resolve(peer, now);
        const auto earlier = settings_.beacon_keys.size() - 1;
        const bool use_earlier = earlier > 0 && peer.probes % earlier_every == earlier_every - 1;
        const auto secret = use_earlier ? 1 + peer.probes / earlier_every % earlier : 0;
        ++peer.probes;
        for (const auto& address : peer.addresses) sockets_->send(next_beacon(true, secret), address);
    }
}

CardDiagnosis* Discovery::on(unsigned card) {
    const auto at = seen_.find(card);
    return at == seen_.end() ? nullptr : &at->second;
}

void Discovery::remember_stranger(const BeaconSockets::Datagram& datagram) {
    if (auto* card = on(datagram.card)) ++card->unreadable;
    auto text = datagram.from.text();
    std::erase(strangers_, text);
    strangers_.push_back(std::move(text));
    if (strangers_.size() > strangers_remembered_max) strangers_.pop_front();
}

Diagnosis Discovery::diagnose() const {
    Diagnosis diagnosis;
    diagnosis.beacon_port = settings_.beacons ? settings_.shared_port : std::uint16_t(0);
    for (const auto& card : cards_) {
        diagnosis.cards.push_back(seen_.at(card.index));
    }
    for (const auto& peer : statics_) {
        const bool v6 = peer.at.host.find(':') != std::string::npos;
        const auto host = v6 ? "[" + peer.at.host + "]" : peer.at.host;
        diagnosis.statics.push_back(
            {host + ":" + std::to_string(peer.at.port), !peer.addresses.empty(), peer.probes, peer.node.has_value()});
    }
    diagnosis.strangers.assign(strangers_.rbegin(), strangers_.rend());
    return diagnosis;
}

std::vector<HeardBeacon> Discovery::listen() {
    std::vector<HeardBeacon> heard;
    BeaconSockets::Datagram datagram;
    for (std::size_t count = 0; count < datagrams_per_poll_max && sockets_->receive(datagram); ++count) {
        std::optional<Beacon> beacon;
        std::size_t secret = 0;
        for (; !beacon && secret < settings_.beacon_keys.size(); ++secret)
            beacon = unseal(BytesView(datagram.bytes.data(), datagram.size), settings_.beacon_keys[secret]);
        auto* card = on(datagram.card);
        if (!beacon) {
            ++ignored_;
            if (datagram.size == beacon_bytes) remember_stranger(datagram);
            continue;
        }
        if (beacon->node == settings_.node) {  // our own, come back
            if (card != nullptr) ++card->echoes;
            continue;
        }
        if (card != nullptr) ++card->heard;
        SocketAddress listens = datagram.from;
        listens.set_port(beacon->port);
        for (auto& peer : statics_) {
            if (std::find(peer.addresses.begin(), peer.addresses.end(), datagram.from) == peer.addresses.end())
                continue;
            // Whoever wrote the address down knows better than the beacon how to get there (a forwarded port).
            listens = datagram.from;
            peer.node = beacon->node;
        }
        heard.push_back({*beacon, datagram.from, listens.text(), secret - 1});
    }
    return heard;
}

void Discovery::pump(Clock::time_point now, const std::function<bool(const NodeKey&)>& linked) {
    look_at_cards(now);
    speak(now);
    probe(now, linked);
}

void Discovery::answer(const SocketAddress& to, std::size_t secret, Clock::time_point now) {
    if (now - answers_since_ >= std::chrono::seconds(1)) {
        answers_since_ = now;
        answers_ = 0;
    }
    if (answers_ == answers_per_second_max) return;
    ++answers_;
    sockets_->send(next_beacon(false, secret), to);
}

Clock::time_point Discovery::due_at() const {
    auto due = std::min(next_beacon_at_, next_cards_at_);
    for (const auto& peer : statics_) due = std::min(due, peer.next_probe);
    if (resolver_.busy()) due = std::min(due, Clock::now() + resolver_look_ms);
    return due;
}

void Discovery::check() const {
    STARLING_ASSERT(statics_.size() <= static_peers_max, "static peers are bounded");
    STARLING_ASSERT(cards_.size() <= cards_max, "cards are bounded");
    STARLING_ASSERT(answers_ <= answers_per_second_max, "answers are bounded");
    STARLING_ASSERT(seen_.size() == cards_.size(), "every card that is up is watched, and no other");
    STARLING_ASSERT(strangers_.size() <= strangers_remembered_max, "strangers are forgotten");
}

}  // namespace starling::net
