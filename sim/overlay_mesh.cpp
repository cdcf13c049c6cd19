#include "sim/overlay_mesh.hpp"

#include <algorithm>
#include <numeric>

#include "crdt/assert.hpp"

namespace starling::sim {

using namespace gossip;

OverlayMesh::OverlayMesh(const OverlayMeshOptions& options)
    : options_(options), random_(options.seed), nodes_(options.nodes) {
    for (Place place = 0; place < nodes_.size(); ++place) {
        auto& key = nodes_[place].key;
        key[0] = std::uint8_t(random_.below(256));  // the order of keys is not that of places
        for (int byte = 0; byte < 4; ++byte) key.at(28 + std::size_t(byte)) = std::uint8_t(place >> (24 - 8 * byte));
    }
}

OverlayMesh::Place OverlayMesh::place_of(const crdt::NodeKey& key) {
    Place place = 0;
    for (std::size_t byte = 28; byte < 32; ++byte) place = place << 8 | key.at(byte);
    return place;
}

crdt::Bytes OverlayMesh::address_of(Place place) {
    return "10.0." + std::to_string(place >> 8) + "." + std::to_string(place & 255) + ":27465";
}

// -- events
// --------------------------------------------------------------------------------------------------------------

void OverlayMesh::at(std::uint64_t time_us, Event event) {
    events_.emplace(std::pair(std::max(time_us, now_us_), next_event_++), std::move(event));
}

void OverlayMesh::run_until(std::uint64_t us) {
    while (!events_.empty() && events_.begin()->first.first <= us) {
        auto next = events_.extract(events_.begin());
        now_us_ = next.key().first;
        happen(next.mapped());
    }
    now_us_ = us;
}

void OverlayMesh::happen(const Event& event) {
    auto& node = nodes_[event.to];
    switch (event.kind) {
        case Event::Kind::start:
            start(event.to);
            if (event.from != event.to) introduce(event.to, event.from);
            return;
        case Event::Kind::tick:
            if (!node.overlay || node.wake_us != now_us_ || event.incarnation != node.run) return;
            node.wake_us = UINT64_MAX;
            node.overlay->tick(now());
            break;
        case Event::Kind::connect:
            return connect_now(event.from, event.to);
        case Event::Kind::connect_failed:
            if (!node.overlay || event.incarnation != node.run) return;
            ++counters.connects_failed;
            node.overlay->connect_failed(nodes_[event.from].key, now());
            break;
        case Event::Kind::link_down:
            return link_down(event.to, event.from, event.incarnation);
        case Event::Kind::message: {
            const auto link = node.links.find(event.from);
            const bool whole =
                link != node.links.end() && !link->second->broken && link->second->incarnation == event.incarnation;
            if (!whole || !node.overlay) return;
            node.overlay->received(nodes_[event.from].key, *event.message, now());
            break;
        }
    }
    follow(event.to);
}

void OverlayMesh::follow(Place place) {
    auto& node = nodes_[place];
    if (!node.overlay) return;
    if (options_.check_each_step) node.overlay->check();
    for (auto& action : node.overlay->take_actions()) {
        const auto peer = place_of(action.peer);
        switch (action.kind) {
            case OverlayAction::Kind::say:
                send(place, peer, std::move(*action.message));
                break;
            case OverlayAction::Kind::connect: {
                ++counters.connects;
                STARLING_ASSERT(action.address == address_of(peer), "addresses are handed on unchanged");
                const auto round_trip = 2 * random_.between(options_.delay_us_min, options_.delay_us_max);
                at(now_us_ + round_trip, {Event::Kind::connect, peer, place, 0});
                break;
            }
            case OverlayAction::Kind::disconnect:
                hang_up(place, peer);
                break;
            case OverlayAction::Kind::activate:
                ++counters.activated;
                break;
            case OverlayAction::Kind::deactivate:
                break;
        }
    }
    const auto due_us = std::max(node.overlay->due_us(), now_us_ + 1);
    if (due_us >= node.wake_us) return;
    node.wake_us = due_us;
    at(due_us, {Event::Kind::tick, place, place, node.run});
}

// -- nodes
// ---------------------------------------------------------------------------------------------------------------

void OverlayMesh::start(Place place) {
    auto& node = nodes_[place];
    STARLING_ASSERT(!node.overlay, "only a node that is down starts");
    ++node.run;
    node.wake_us = UINT64_MAX;
    node.overlay = std::make_unique<Overlay>(
        node.key, options_.limits, [stream = random_.fork()]() mutable { return stream.next(); }, now());
    follow(place);
}

void OverlayMesh::crash(Place place) {
    auto& node = nodes_[place];
    node.overlay.reset();
    for (const auto& [peer, link] : std::map<Place, Link*>(node.links)) break_link(pair(place, peer));
}

void OverlayMesh::introduce(Place place, Place of) {
    nodes_[place].overlay->candidate({nodes_[of].key, address_of(of)}, now());
    follow(place);
}

void OverlayMesh::start_all(std::uint64_t within_us) {
    for (Place place = 0; place < nodes_.size(); ++place) {
        const auto contact = place == 0 ? 0 : Place(random_.below(place));
        at(now_us_ + within_us * place / nodes_.size(), {Event::Kind::start, place, contact, 0});
    }
}

void OverlayMesh::set_groups(const std::vector<std::uint32_t>& groups) {
    for (Place place = 0; place < nodes_.size(); ++place) nodes_[place].group = groups[place];
    for (const auto& [ends, link] : links_) {
        if (nodes_[ends.first].group != nodes_[ends.second].group && !link.broken) break_link(ends);
    }
}

bool OverlayMesh::reachable(Place a, Place b) const {
    return (nodes_[a].overlay || nodes_[a].played) && (nodes_[b].overlay || nodes_[b].played) &&
           nodes_[a].group == nodes_[b].group;
}

// -- links
// ---------------------------------------------------------------------------------------------------------------

void OverlayMesh::connect_now(Place from, Place to) {
    auto& node = nodes_[from];
    if (!node.overlay && !node.played) return;
    const auto ends = pair(from, to);
    const auto at_hand = links_.find(ends);
    // A half-broken link is in the way until both ends have noticed.
    if (at_hand != links_.end() && !at_hand->second.broken) return;  // crossed with the other one's
    if (!reachable(from, to) || at_hand != links_.end()) {
        at(now_us_ + options_.connect_us_max, {Event::Kind::connect_failed, from, to, node.run});
        return;
    }
    auto& link = links_[ends];
    link.incarnation = next_incarnation_++;
    nodes_[from].links[to] = nodes_[to].links[from] = &link;
    for (const auto& [here, there] : {std::pair(from, to), std::pair(to, from)}) {
        if (!nodes_[here].overlay) continue;
        nodes_[here].overlay->link_up(nodes_[there].key, address_of(there), now());
    }
    follow(to);
    follow(from);
}

void OverlayMesh::send(Place from, Place to, OverlayMessage message) {
    ++counters.messages;
    crdt::Writer out;
    write_overlay(out, message);
    counters.bytes += out.size();
    const auto at_hand = nodes_[from].links.find(to);
    if (at_hand == nodes_[from].links.end() || at_hand->second->broken || random_.chance(options_.loss_permille))
        return;
    auto& link = *at_hand->second;
    auto& last_us = link.arrival_us[to < from ? 0 : 1];
    last_us = std::max(last_us, now_us_ + random_.between(options_.delay_us_min, options_.delay_us_max));
    at(last_us,
       {Event::Kind::message, to, from, link.incarnation, std::make_shared<const OverlayMessage>(std::move(message))});
}

void OverlayMesh::deliver(Place to, Place from, const OverlayMessage& message) {
    nodes_[to].overlay->received(nodes_[from].key, message, now());
    follow(to);
}

/// One end closes it: the other hears of that soon.
void OverlayMesh::hang_up(Place here, Place peer) {
    const auto at_hand = links_.find(pair(here, peer));
    if (at_hand == links_.end()) return;
    auto& link = at_hand->second;
    link.broken = true;
    at(now_us_ + random_.between(options_.delay_us_min, options_.delay_us_max),
       {Event::Kind::link_down, peer, here, link.incarnation});
    link_down(here, peer, link.incarnation);
}

void OverlayMesh::break_link(const Pair& ends) {
    auto& link = links_.at(ends);
    link.broken = true;
    for (const auto& [here, peer] : {ends, Pair(ends.second, ends.first)}) {
        const auto after_us = random_.between(options_.heartbeat_us_min, options_.heartbeat_us_max);
        at(now_us_ + (nodes_[here].overlay ? after_us : 0), {Event::Kind::link_down, here, peer, link.incarnation});
    }
}

void OverlayMesh::link_down(Place here, Place peer, std::uint64_t incarnation) {
    const auto at_hand = links_.find(pair(here, peer));
    if (at_hand == links_.end() || at_hand->second.incarnation != incarnation) return;
    auto& up = at_hand->second.up;
    if (!std::exchange(up[here < peer ? 0 : 1], false)) return;
    nodes_[here].links.erase(peer);
    if (!up[0] && !up[1]) links_.erase(at_hand);
    if (!nodes_[here].overlay) return;
    nodes_[here].overlay->link_down(nodes_[peer].key, now());
    follow(here);
}

// -- looking
// -------------------------------------------------------------------------------------------------------------

std::vector<std::size_t> OverlayMesh::components() const {
    std::vector<Place> root(nodes_.size());
    std::iota(root.begin(), root.end(), Place{0});
    const auto find = [&](Place place) {
        while (root[place] != place) place = root[place] = root[root[place]];
        return place;
    };
    for (const auto& [ends, link] : links_) {
        const auto& [a, b] = ends;
        if (link.broken || !alive(a) || !alive(b)) continue;
        if (nodes_[a].overlay->active(nodes_[b].key) && nodes_[b].overlay->active(nodes_[a].key))
            root[find(a)] = find(b);
    }
    std::map<Place, std::size_t> sizes;
    for (Place place = 0; place < nodes_.size(); ++place) {
        if (alive(place)) ++sizes[find(place)];
    }
    std::vector<std::size_t> all;
    for (const auto& [place, size] : sizes) all.push_back(size);
    std::sort(all.rbegin(), all.rend());
    return all;
}

bool OverlayMesh::symmetric() const {
    return std::all_of(links_.begin(), links_.end(), [&](const auto& item) {
        const auto& [a, b] = item.first;
        if (item.second.broken || !alive(a) || !alive(b)) return true;
        return nodes_[a].overlay->active(nodes_[b].key) == nodes_[b].overlay->active(nodes_[a].key);
    });
}

std::size_t OverlayMesh::active_links(Place place) const {
    return nodes_[place].overlay->status().active;
}

void OverlayMesh::check() const {
    for (const auto& node : nodes_) {
        if (node.overlay) node.overlay->check();
    }
}

}  // namespace starling::sim
