#include "sim/network.hpp"

#include <algorithm>

namespace starling::sim {

namespace {

Edge edge(Place a, Place b) {
    return {std::min(a, b), std::max(a, b)};
}

}  // namespace

std::string name_of(Topology topology) {
    static constexpr const char* names[] = {"full", "path", "ring", "star", "random"};
    return names[std::size_t(topology)];
}

Edges edges_of(Topology topology, std::size_t nodes, Random& random) {
    Edges edges;
    for (Place b = 1; b < nodes; ++b) {
        switch (topology) {
            case Topology::full:
                for (Place a = 0; a < b; ++a) edges.insert({a, b});
                break;
            case Topology::path:
            case Topology::ring:
                edges.insert({b - 1, b});
                break;
            case Topology::star:
                edges.insert({0, b});
                break;
            case Topology::random:  // a tree, and now and then a second link
                edges.insert({random.below(b), b});
                if (random.chance(400)) edges.insert({random.below(b), b});
                break;
        }
    }
    if (topology == Topology::ring && nodes > 2) edges.insert({0, nodes - 1});
    return edges;
}

Network::Network(Queue& queue, const Edges& edges, std::size_t nodes, const NetworkOptions& options, Random random)
    : queue_(queue), edges_(edges), options_(options), random_(random), alive_(nodes, true) {
    for (const auto& pair : edges_) {
        STARLING_ASSERT(pair.first < pair.second && pair.second < nodes, "a link joins two nodes");
        for (auto& end : links_[pair].ends)
            end.delay_us = random_.between(options_.delay_us_min, options_.delay_us_max);
    }
}

Network::Link& Network::link(Place a, Place b) {
    const auto at = links_.find(edge(a, b));
    STARLING_ASSERT(at != links_.end(), "messages and faults go along links");
    return at->second;
}

Network::End& Network::end(Place at, Place peer) {
    return link(at, peer).ends[at < peer ? 0 : 1];
}

bool Network::up(Place at, Place peer) const {
    const auto found = links_.find(edge(at, peer));
    return found != links_.end() && found->second.ends[at < peer ? 0 : 1].up;
}

// -- connecting
// ----------------------------------------------------------------------------------------------------------

void Network::start() {
    if (options_.on_demand) return;
    for (const auto& [a, b] : edges_) connect(a, b);
}

void Network::dial(Place from, Place to) {
    const auto round_trip_us = 2 * link(from, to).ends[0].delay_us;
    queue_.at(queue_.now_us() + round_trip_us, {Event::Kind::dial, to, from, 0, 0, {}});
}

void Network::dial_soon(Place a, Place b) {
    if (options_.on_demand) return;
    const auto [low, high] = edge(a, b);
    queue_.at(queue_.now_us() + random_.below(options_.redial_us_max + 1), {Event::Kind::dial, low, high, 0, 0, {}});
}

/// A new incarnation, where nothing stands in the way and nothing is left of the last one.
void Network::connect(Place a, Place b) {
    auto& link = this->link(a, b);
    if (link.live || link.blocked || !alive_[a] || !alive_[b]) return;
    link.live = true;
    link.dying = false;
    ++link.incarnation;
    for (const auto& [at, peer] : {std::pair(a, b), std::pair(b, a)}) {
        auto& end = this->end(at, peer);
        end.up_us = queue_.now_us() + travel_us(end);
        end.last_us = end.up_us;
        queue_.at(end.up_us, {Event::Kind::link_up, at, peer, link.incarnation, 0, {}});
    }
}

// -- carrying
// ------------------------------------------------------------------------------------------------------------

std::uint64_t Network::travel_us(const End& to) {
    auto us = to.delay_us + random_.below(options_.jitter_us_max + 1);
    if (random_.chance(options_.straggler_permille)) us += random_.below(options_.straggler_us_max + 1);
    return us;
}

void Network::send(Place from, Place to, const crdt::Bytes& bytes) {
    const auto& link = this->link(from, to);
    if (!end(from, to).up) return;
    if (random_.chance(options_.loss_permille)) {
        ++faults_["lost"];
        return;
    }
    auto& there = end(to, from);
    const int copies = random_.chance(options_.duplicate_permille) ? 2 : 1;
    if (copies == 2) ++faults_["duplicated"];
    for (int copy = 0; copy < copies; ++copy) {
        auto arrival_us = std::max(queue_.now_us() + travel_us(there), there.up_us);
        if (random_.chance(options_.reorder_permille)) {
            if (arrival_us < there.last_us) ++faults_["reordered"];
        } else {
            arrival_us = there.last_us = std::max(arrival_us, there.last_us);
        }
        queue_.at(arrival_us, {Event::Kind::deliver, to, from, link.incarnation, 0, bytes});
    }
}

bool Network::happens(const Event& event) {
    if (event.kind == Event::Kind::connect_failed) return alive_[event.to];
    if (event.kind == Event::Kind::dial) {
        connect(event.to, event.from);
        const auto& dialled = this->link(event.to, event.from);
        if (options_.on_demand && (!dialled.live || dialled.dying || dialled.blocked))
            queue_.at(queue_.now_us() + options_.connect_us_max,
                      {Event::Kind::connect_failed, event.from, event.to, 0, 0, {}});
        return false;
    }
    auto& link = this->link(event.to, event.from);
    auto& here = end(event.to, event.from);
    if (event.incarnation != link.incarnation || !alive_[event.to]) return false;
    switch (event.kind) {
        case Event::Kind::deliver:
            if (link.blocked) ++faults_["vanished"];
            return here.up && !link.blocked;
        case Event::Kind::link_up:
            if (here.up || link.dying || link.blocked) return false;
            return here.up = true;
        case Event::Kind::link_down: {
            if (event.token != 0 && event.token != link.token) return false;
            const bool was_up = here.up;
            went_down(event.to, event.from);
            return was_up;
        }
        default:
            return false;
    }
}

// -- losing
// --------------------------------------------------------------------------------------------------------------

void Network::notice(Place at, Place peer, std::uint64_t within_us, std::uint64_t token) {
    queue_.at(queue_.now_us() + random_.below(within_us + 1),
              {Event::Kind::link_down, at, peer, link(at, peer).incarnation, token, {}});
}

/// The connection is gone, and the ends that are left notice soon.
void Network::lose(Place a, Place b) {
    auto& link = this->link(a, b);
    if (!link.live || link.dying) return;
    link.dying = true;
    notice(a, b, options_.notice_us_max, 0);
    notice(b, a, options_.notice_us_max, 0);
}

void Network::went_down(Place at, Place peer) {
    auto& link = this->link(at, peer);
    end(at, peer).up = false;
    const bool other_up = end(peer, at).up && alive_[peer];
    if (other_up) {
        if (!link.dying && !link.blocked) lose(at, peer);
        return;
    }
    link.live = false;
    dial_soon(at, peer);
}

void Network::cut(Place a, Place b) {
    if (!link(a, b).live) return;
    ++faults_["cut"];
    lose(a, b);
}

void Network::hang_up(Place at, Place peer) {
    ++faults_["hung up"];
    lose(at, peer);
}

void Network::block(Place a, Place b) {
    auto& link = this->link(a, b);
    if (link.blocked) return;
    link.blocked = true;
    ++link.token;
    for (const auto& [at, peer] : {std::pair(a, b), std::pair(b, a)}) {
        queue_.at(
            queue_.now_us() + options_.heartbeat_us_max * 2 / 3 + random_.below(options_.heartbeat_us_max / 3 + 1),
            {Event::Kind::link_down, at, peer, link.incarnation, link.token, {}});
    }
}

void Network::unblock(Place a, Place b) {
    auto& link = this->link(a, b);
    if (!link.blocked) return;
    link.blocked = false;
    ++link.token;  // ends that have not noticed never will
    const bool whole = link.live && !link.dying && end(a, b).up && end(b, a).up;
    if (whole) return;
    lose(a, b);
    dial_soon(a, b);
}

void Network::node_down(Place place) {
    alive_[place] = false;
    for (const auto& [a, b] : edges_) {
        if (a != place && b != place) continue;
        const auto peer = a == place ? b : a;
        auto& link = this->link(a, b);
        end(place, peer).up = false;
        if (!link.live) continue;
        link.dying = true;
        if (!end(peer, place).up) {  // nobody is left to notice
            link.live = false;
        } else if (random_.chance(500)) {
            notice(peer, place, options_.notice_us_max, 0);  // the system closed its connections
        } else {
            notice(peer, place, options_.heartbeat_us_max, 0);  // the machine is gone
        }
    }
}

void Network::node_up(Place place) {
    alive_[place] = true;
    for (const auto& [a, b] : edges_) {
        if (a == place || b == place) dial_soon(a, b);
    }
}

void Network::calm() {
    options_.loss_permille = options_.duplicate_permille = options_.reorder_permille = options_.straggler_permille = 0;
}

void Network::check() const {
    for (const auto& [pair, link] : links_) {
        for (const auto place : {pair.first, pair.second}) {
            const auto& end = link.ends[place == pair.first ? 0 : 1];
            STARLING_ASSERT(!end.up || (link.live && alive_[place]), "an end is up only on a live link of a live node");
        }
    }
}

}  // namespace starling::sim
