#include "sim/world.hpp"

#include <algorithm>

namespace starling::sim {

namespace {

constexpr std::uint64_t epoch_us = 1'700'000'000'000'000;  // virtual time 0 on a right clock
constexpr std::size_t introductions = 2;                   // of others, when a node with an overlay starts

NetworkOptions network_options(const WorldOptions& options) {
    auto network = options.network;
    network.on_demand = options.overlay.has_value();
    return network;
}

/// Addresses of this world are keys.
crdt::Bytes address_of(const crdt::NodeKey& key) {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

}  // namespace

World::World(const WorldOptions& options, Random random)
    : random_(random),
      options_(options),
      nodes_(options.nodes),
      network_(queue_, options.edges, options.nodes, network_options(options), random_.fork()) {
    for (Place place = 0; place < nodes_.size(); ++place) {
        auto& node = nodes_[place];
        node.key[0] = std::uint8_t(random_.below(256));  // the order of keys is not that of places
        node.key[31] = std::uint8_t(place);
        node.clock_error_us =
            std::int64_t(random_.below(2 * options.skew_us_max + 1)) - std::int64_t(options.skew_us_max);
    }
}

void World::start() {
    for (Place place = 0; place < nodes_.size(); ++place) boot(place);
    network_.start();
    for (Place place = 0; place < nodes_.size(); ++place) introduce(place);
}

void World::introduce(Place place) {
    if (!options_.overlay || nodes_.size() < 2) return;
    for (std::size_t i = 0; i < introductions; ++i) {
        const auto& other = nodes_[(place + random_.between(1, nodes_.size() - 1)) % nodes_.size()].key;
        handle(place, gossip::Candidate{{other, address_of(other)}});
    }
}

void World::boot(Place place) {
    peer::Options options;
    options.node = nodes_[place].key;
    options.limits = options_.limits;
    options.overlay = options_.overlay;
    options.random = [stream = random_.fork()]() mutable { return stream.next(); };
    nodes_[place].peer = std::make_unique<peer::Peer>(std::move(options));
    nodes_[place].wake_us = UINT64_MAX;
    ++nodes_[place].timer;
    for (auto* observer : observers_) observer->started(place);
}

Place World::place_of(const crdt::NodeKey& key) const {
    const auto at = std::find_if(nodes_.begin(), nodes_.end(), [&](const Node& node) { return node.key == key; });
    STARLING_ASSERT(at != nodes_.end(), "peers speak to nodes of this world");
    return Place(at - nodes_.begin());
}

gossip::Now World::now(Place place) const {
    return {queue_.now_us(), epoch_us + queue_.now_us() + std::uint64_t(nodes_[place].clock_error_us)};
}

// -- events
// --------------------------------------------------------------------------------------------------------------

void World::at(std::uint64_t time_us, std::function<void()> act) {
    scripts_.push_back(std::move(act));
    queue_.at(time_us, {Event::Kind::script, scripts_.size() - 1, 0, 0, 0, {}});
}

bool World::step(std::uint64_t until_us) {
    const auto next_us = queue_.next_us();
    if (!next_us || *next_us > until_us) return false;
    auto event = queue_.pop();
    if (event.kind == Event::Kind::script) {
        std::exchange(scripts_[event.to], nullptr)();
        return true;
    }
    const bool for_node = event.kind != Event::Kind::dial;
    const auto paused_until_us = for_node ? nodes_[event.to].paused_until_us : 0;
    if (paused_until_us > queue_.now_us()) {
        queue_.at(paused_until_us, std::move(event));
        return true;
    }
    happen(event);
    return true;
}

void World::happen(Event& event) {
    auto& node = nodes_[event.to];
    if (event.kind == Event::Kind::tick) {
        if (!node.peer || event.incarnation != node.timer) return;
        node.wake_us = UINT64_MAX;
        trace_.add(queue_.now_us(), "tick", event.to);
        return handle(event.to, gossip::Tick{});
    }
    if (!network_.happens(event)) return;
    const auto& peer = nodes_[event.from].key;
    if (event.kind == Event::Kind::link_up) {
        trace_.add(queue_.now_us(), "link up to", event.to, event.from);
        handle(event.to, gossip::LinkUp{peer, address_of(peer)});
    } else if (event.kind == Event::Kind::connect_failed) {
        trace_.add(queue_.now_us(), "cannot reach", event.to, event.from);
        handle(event.to, gossip::ConnectFailed{peer});
    } else if (event.kind == Event::Kind::link_down) {
        trace_.add(queue_.now_us(), "link down to", event.to, event.from);
        handle(event.to, gossip::LinkDown{peer});
    } else {
        trace_.add(queue_.now_us(), "hears", event.to, event.from, event.bytes);
        handle(event.to, gossip::Received{peer, std::move(event.bytes)});
    }
}

void World::handle(Place place, const gossip::Input& input) {
    auto& node = nodes_[place];
    auto effects = node.peer->handle(input, now(place));
    for (auto& send : effects.sends) {
        const auto to = place_of(send.peer);
        network_.send(place, to, tamper ? tamper(place, to, send.bytes) : send.bytes);
    }
    for (const auto& disconnect : effects.disconnect) network_.hang_up(place, place_of(disconnect.peer));
    for (const auto& connect : effects.connect) network_.dial(place, place_of(connect.node));
    if (effects.wake_us && *effects.wake_us < node.wake_us) {
        node.wake_us = std::max(*effects.wake_us, queue_.now_us());
        queue_.at(node.wake_us, {Event::Kind::tick, place, place, ++node.timer, 0, {}});
    }
    for (auto* observer : observers_) observer->handled(place, effects);
}

// -- writing
// -------------------------------------------------------------------------------------------------------------

void World::write(Place place, const std::function<void(crdt::Transaction&)>& write, const Committed& committed) {
    STARLING_ASSERT(nodes_[place].peer, "only a running node writes");
    trace_.add(queue_.now_us(), "writes", place);
    committed(nodes_[place].peer->write(now(place), write));
    handle(place, gossip::Written{});
}

void World::flush(Place place) {
    trace_.add(queue_.now_us(), "flushes", place);
    handle(place, gossip::Flush{});
}

// -- faults
// --------------------------------------------------------------------------------------------------------------

void World::crash(Place place) {
    STARLING_ASSERT(nodes_[place].peer, "only a running node crashes");
    trace_.add(queue_.now_us(), "crashes", place);
    nodes_[place].peer.reset();
    nodes_[place].paused_until_us = 0;
    network_.node_down(place);
    for (auto* observer : observers_) observer->stopped(place);
}

void World::restart(Place place) {
    STARLING_ASSERT(!nodes_[place].peer, "only a node that is down restarts");
    trace_.add(queue_.now_us(), "restarts", place);
    boot(place);
    network_.node_up(place);
    introduce(place);
}

void World::pause(Place place, std::uint64_t until_us) {
    trace_.add(queue_.now_us(), "stands still", place);
    nodes_[place].paused_until_us = std::max(nodes_[place].paused_until_us, until_us);
}

void World::set_clock(Place place, std::int64_t error_us) {
    trace_.add(queue_.now_us(), "has its clock set", place);
    nodes_[place].clock_error_us = error_us;
}

void World::check() const {
    network_.check();
    for (const auto& node : nodes_) {
        if (node.peer) node.peer->check();
    }
}

}  // namespace starling::sim
