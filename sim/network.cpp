#include "sim/network.hpp"

#include <algorithm>

namespace starling::sim {

Network::Network(Queue& queue, const Edges& edges, std::size_t nodes, const NetworkOptions& options, Random random)
    : queue_(queue), options_(options), random_(random), nodes_(nodes) {
    for (const auto& [a, b] : edges) {
        STARLING_ASSERT(a < b && b < nodes, "a link joins two nodes");
        add(a, b);
    }
}

// -- the table of links
// ----------------------------------------------------------------------------------------------------

const Network::Link* Network::find(Place a, Place b) const {
    const auto& neighbours = nodes_[a].neighbours;
    const auto at = std::lower_bound(neighbours.begin(), neighbours.end(), b,
                                     [](const Neighbour& neighbour, Place peer) { return neighbour.peer < peer; });
    return at == neighbours.end() || at->peer != b ? nullptr : &links_[at->link];
}

Network::Link* Network::find(Place a, Place b) {
    return const_cast<Link*>(std::as_const(*this).find(a, b));
}

Network::Link& Network::link(Place a, Place b) {
    auto* found = find(a, b);
    STARLING_ASSERT(found != nullptr, "messages and faults go along links");
    return *found;
}

Network::Link& Network::add(Place a, Place b) {
    if (free_links_.empty()) {
        free_links_.push_back(links_.size());
        links_.emplace_back();
    }
    const auto at = free_links_.back();
    free_links_.pop_back();
    for (const auto& [node, peer] : {std::pair(a, b), std::pair(b, a)}) {
        auto& neighbours = nodes_[node].neighbours;
        const auto place = std::find_if(neighbours.begin(), neighbours.end(),
                                        [&, other = peer](const Neighbour& known) { return known.peer > other; });
        neighbours.insert(place, {peer, at});
    }
    edges_.insert(edge_between(a, b));
    auto& link = links_[at] = {};
    for (auto& end : link.ends) end.delay_us = random_.between(options_.delay_us_min, options_.delay_us_max);
    return link;
}

void Network::forget(Place a, Place b) {
    for (const auto& [node, peer] : {std::pair(a, b), std::pair(b, a)}) {
        auto& neighbours = nodes_[node].neighbours;
        const auto place = std::find_if(neighbours.begin(), neighbours.end(),
                                        [&, other = peer](const Neighbour& known) { return known.peer == other; });
        if (node == a) free_links_.push_back(place->link);
        neighbours.erase(place);
    }
    edges_.erase(edge_between(a, b));
}

bool Network::up(Place at, Place peer) const {
    const auto* link = find(at, peer);
    return link != nullptr && link->ends[at < peer ? 0 : 1].up;
}

std::uint64_t Network::delay_us(Place from, Place to) const {
    const auto* link = find(from, to);
    STARLING_ASSERT(link != nullptr, "delays are those of links");
    return link->ends[to < from ? 0 : 1].delay_us;
}

std::vector<Place> Network::neighbours(Place place) const {
    std::vector<Place> peers;
    for (const auto& neighbour : nodes_[place].neighbours) peers.push_back(neighbour.peer);
    return peers;
}

// -- connecting
// ----------------------------------------------------------------------------------------------------------

void Network::start() {
    for (const auto& [a, b] : edges_) connect(a, b);
}

void Network::dial(Place from, Place to) {
    STARLING_ASSERT(from != to && from < nodes_.size() && to < nodes_.size(), "a link joins two nodes");
    const auto* known = find(from, to);
    const bool refused = parted(from, to) || parted(to, from) || !nodes_[from].alive || !nodes_[to].alive ||
                         (known != nullptr && (known->blocked() || known->dying));
    if (refused && !options_.redials) {
        ++faults_["unreachable"];
        queue_.at(queue_.now_us() + options_.connect_us_max, {Event::Kind::connect_failed, from, to, 0, 0, {}});
        return;
    }
    if (known == nullptr) {
        auto& link = add(from, to);
        end_of(link, to, from).blocked = parted(from, to);
        end_of(link, from, to).blocked = parted(to, from);
    }
    connect(from, to);
}

void Network::dial_soon(Place a, Place b) {
    const auto [low, high] = edge_between(a, b);
    queue_.at(queue_.now_us() + random_.below(options_.redial_us_max + 1), {Event::Kind::dial, low, high, 0, 0, {}});
}

/// A new incarnation, where nothing stands in the way and nothing is left of the last one.
void Network::connect(Place a, Place b) {
    auto& link = this->link(a, b);
    if (link.live || link.blocked() || !nodes_[a].alive || !nodes_[b].alive) return;
    link.live = true;
    link.dying = false;
    link.incarnation = next_incarnation_++;
    for (const auto& [at, peer] : {std::pair(a, b), std::pair(b, a)}) {
        auto& end = end_of(link, at, peer);
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
    if (options_.resend_permille == 0) return us;
    for (auto wait_us = options_.resend_us; random_.chance(options_.resend_permille); wait_us *= 2) {
        ++faults_["resent"];
        us += wait_us;
    }
    return us;
}

/// When the last byte of a message has left its node.
std::uint64_t Network::leave_us(Place from, std::size_t bytes) {
    auto& node = nodes_[from];
    if (node.upload_bytes_per_s == 0) return queue_.now_us();
    const auto begins_us = std::max(queue_.now_us(), node.upload_free_us);
    node.upload_free_us = begins_us + bytes * 1'000'000 / node.upload_bytes_per_s;
    return node.upload_free_us;
}

void Network::send(Place from, Place to, crdt::Bytes bytes) {
    auto* link = find(from, to);
    if (link == nullptr || !end_of(*link, from, to).up) return;
    const auto left_us = leave_us(from, bytes.size());
    if (random_.chance(options_.loss_permille)) {
        ++faults_["lost"];
        return;
    }
    auto& there = end_of(*link, to, from);
    const bool twice = random_.chance(options_.duplicate_permille);
    const auto arrive = [&](crdt::Bytes frame) {
        auto arrival_us = std::max(left_us + travel_us(there), there.up_us);
        if (random_.chance(options_.reorder_permille)) {
            if (arrival_us < there.last_us) ++faults_["reordered"];
        } else {
            arrival_us = there.last_us = std::max(arrival_us, there.last_us);
        }
        queue_.at(arrival_us, {Event::Kind::deliver, to, from, link->incarnation, 0, std::move(frame)});
    };
    if (twice) {
        ++faults_["duplicated"];
        arrive(bytes);
    }
    arrive(std::move(bytes));
}

bool Network::happens(const Event& event) {
    if (event.kind == Event::Kind::connect_failed) return nodes_[event.to].alive;
    auto* found = find(event.to, event.from);
    if (found == nullptr) return false;
    if (event.kind == Event::Kind::dial) {
        connect(event.to, event.from);
        return false;
    }
    auto& link = *found;
    auto& here = end_of(link, event.to, event.from);
    if (event.incarnation != link.incarnation || !nodes_[event.to].alive) return false;
    switch (event.kind) {
        case Event::Kind::deliver:
            if (here.blocked) ++faults_["vanished"];
            return here.up && !here.blocked;
        case Event::Kind::link_up:
            if (here.up || link.dying || link.blocked()) return false;
            return here.up = true;
        case Event::Kind::link_down: {
            if (event.token != 0 && event.token != here.token) return false;
            const bool was_up = here.up;
            went_down(link, event.to, event.from);
            return was_up;
        }
        default:
            return false;
    }
}

// -- losing
// --------------------------------------------------------------------------------------------------------------

void Network::notice(const Link& link, Place at, Place peer, std::uint64_t within_us) {
    queue_.at(queue_.now_us() + random_.below(within_us + 1),
              {Event::Kind::link_down, at, peer, link.incarnation, 0, {}});
}

/// The connection is gone, and the ends that are left notice soon.
void Network::lose(Link& link, Place a, Place b) {
    if (!link.live || link.dying) return;
    link.dying = true;
    notice(link, a, b, options_.notice_us_max);
    notice(link, b, a, options_.notice_us_max);
}

void Network::went_down(Link& link, Place at, Place peer) {
    end_of(link, at, peer).up = false;
    const auto& other = end_of(link, peer, at);
    if (other.up && nodes_[peer].alive) {
        if (!link.dying && !other.blocked) lose(link, at, peer);
        return;
    }
    ended(link, at, peer);
}

/// No end sees anything of the connection any more.
void Network::ended(Link& link, Place a, Place b) {
    link.live = false;
    if (options_.redials) {
        dial_soon(a, b);
    } else if (!link.blocked()) {
        forget(a, b);
    }
}

void Network::hang_up(Place at, Place peer) {
    auto* link = find(at, peer);
    if (link == nullptr) return;
    ++faults_["hung up"];
    lose(*link, at, peer);
}

void Network::cut(Place a, Place b) {
    auto& link = this->link(a, b);
    if (!link.live) return;
    ++faults_["cut"];
    lose(link, a, b);
}

// -- silence
// -------------------------------------------------------------------------------------------------------------

void Network::block(Place a, Place b) {
    block_way(b, a);
    block_way(a, b);
}

void Network::block_way(Place from, Place to) {
    auto* found = find(from, to);
    auto& link = found != nullptr ? *found : add(from, to);
    if (!end_of(link, to, from).blocked) silence(link, to, from);
}

/// Nothing reaches this end any more, and its heartbeats time out.
void Network::silence(Link& link, Place at, Place peer) {
    auto& end = end_of(link, at, peer);
    end.blocked = true;
    end.token = next_token_++;
    queue_.at(queue_.now_us() + options_.heartbeat_us_max * 2 / 3 + random_.below(options_.heartbeat_us_max / 3 + 1),
              {Event::Kind::link_down, at, peer, link.incarnation, end.token, {}});
}

void Network::unblock(Place a, Place b) {
    if (const auto* link = find(a, b); link != nullptr && link->blocked()) clear_block(a, b);
}

/// Ends that have not noticed never will.
void Network::clear_block(Place a, Place b) {
    auto& link = this->link(a, b);
    for (auto& end : link.ends) {
        end.blocked = false;
        end.token = next_token_++;
    }
    const bool whole = link.live && !link.dying && link.ends[0].up && link.ends[1].up;
    if (whole) return;
    lose(link, a, b);
    if (options_.redials) {
        dial_soon(a, b);
    } else if (!link.live) {
        forget(a, b);
    }
}

bool Network::parted(Place from, Place to) const {
    if (!split_ || nodes_[from].marked == nodes_[to].marked) return false;
    return !split_one_way_ || nodes_[from].marked;
}

void Network::split(const std::vector<bool>& marked, bool one_way) {
    split_ = true;
    split_one_way_ = one_way;
    for (Place place = 0; place < nodes_.size(); ++place) nodes_[place].marked = marked[place];
    for (const auto& [a, b] : edges_) {
        if (parted(a, b)) block_way(a, b);
        if (parted(b, a)) block_way(b, a);
    }
}

void Network::rejoin() {
    split_ = false;
    for (const auto& [a, b] : Edges(edges_)) unblock(a, b);  // which may forget some
}

// -- nodes
// ---------------------------------------------------------------------------------------------------------------

void Network::node_down(Place place) {
    nodes_[place].alive = false;
    for (const auto peer : neighbours(place)) {
        auto& link = this->link(place, peer);
        end_of(link, place, peer).up = false;
        if (!link.live) continue;
        link.dying = true;
        if (!end_of(link, peer, place).up) {  // nobody is left to notice
            link.live = false;
            if (!options_.redials && !link.blocked()) forget(place, peer);
        } else if (random_.chance(500)) {
            notice(link, peer, place, options_.notice_us_max);  // the system closed its connections
        } else {
            notice(link, peer, place, options_.heartbeat_us_max);  // the machine is gone
        }
    }
}

void Network::node_up(Place place) {
    nodes_[place].alive = true;
    if (!options_.redials) return;
    for (const auto peer : neighbours(place)) dial_soon(place, peer);
}

void Network::set_upload(Place place, std::uint64_t bytes_per_s) {
    nodes_[place].upload_bytes_per_s = bytes_per_s;
}

void Network::calm() {
    options_.loss_permille = options_.duplicate_permille = options_.reorder_permille = options_.straggler_permille =
        options_.resend_permille = 0;
}

void Network::check() const {
    std::size_t ends = 0;
    for (const auto& node : nodes_) ends += node.neighbours.size();
    STARLING_ASSERT(ends == 2 * edges_.size(), "both ends know a link");
    STARLING_ASSERT(links_.size() == edges_.size() + free_links_.size(), "no link is lost");
    for (const auto& [a, b] : edges_) {
        const auto* link = find(a, b);
        STARLING_ASSERT(link != nullptr && link == find(b, a), "both ends know the same link");
        for (const auto& [place, end] : {std::pair(a, link->ends[0]), std::pair(b, link->ends[1])})
            STARLING_ASSERT(!end.up || (link->live && nodes_[place].alive),
                            "an end is up only on a live link of a live node");
    }
}

}  // namespace starling::sim
