#include "sim/world.hpp"

#include <algorithm>

#include "sim/fake_sealer.hpp"

namespace starling::sim {

namespace {

constexpr std::uint64_t epoch_us = 1'700'000'000'000'000;  // virtual time 0 on a right clock
constexpr std::size_t place_byte = 28;                     // of a node key: the last four bytes are the place
constexpr std::size_t introductions = 2;                   // of others, when a node with an overlay starts

NetworkOptions network_options(const WorldOptions& options) {
    auto network = options.network;
    if (options.overlay) network.redials = false;
    return network;
}

/// Addresses of this world are keys.
crdt::Bytes address_of(const crdt::NodeKey& key) {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

class PeerStation final : public Station {
  public:
    explicit PeerStation(peer::Options options) : peer_(std::move(options)) {}
    gossip::Effects handle(const gossip::Input& input, gossip::Now now) override { return peer_.handle(input, now); }
    crdt::Result<peer::Commit> write(gossip::Now now, const std::function<void(crdt::Transaction&)>& write) override {
        return peer_.write(now, write);
    }
    gossip::Counters counters() const override { return peer_.counters(); }
    const peer::Peer* peer() const override { return &peer_; }
    void check() const override { peer_.check(); }

  private:
    peer::Peer peer_;
};

/// A peer and the store that it came out of.
class StoredStation final : public Station {
  public:
    StoredStation(std::unique_ptr<store::Store> store, std::unique_ptr<peer::Peer> peer)
        : store_(std::move(store)), peer_(std::move(peer)) {}
    gossip::Effects handle(const gossip::Input& input, gossip::Now now) override { return peer_->handle(input, now); }
    crdt::Result<peer::Commit> write(gossip::Now now, const std::function<void(crdt::Transaction&)>& write) override {
        return peer_->write(now, write);
    }
    gossip::Counters counters() const override { return peer_->counters(); }
    const peer::Peer* peer() const override { return peer_.get(); }
    void check() const override { peer_->check(); }
    std::optional<store::Batch> take_batch(gossip::Now now) override { return peer_->take_batch(now); }
    bool commit(const store::Batch& batch) override { return bool(store_->commit(batch)); }

  private:
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<peer::Peer> peer_;
};

/// nullptr, and why, where the disk does not hold a store that can be read.
std::unique_ptr<Station> open_stored(VirtualDisk& disk, const DiskOptions& disks, peer::Options options,
                                     gossip::Now now, std::optional<std::string>& why) {
    store::StoreOptions at{"node", options.space, &disk, true, disks.checkpoint_pages};
    auto store = store::Store::open(at);
    if (!store) return why = store.fault().what, nullptr;
    auto peer = peer::Peer::open(std::move(options), **store, now, disks.limits);
    if (!peer) return why = peer.fault().what, nullptr;
    return std::make_unique<StoredStation>(std::move(*store), std::move(*peer));
}

constexpr std::uint64_t torn_changes_max = 12;  // of a commit that the power leaves, at most

}  // namespace

World::World(const WorldOptions& options, Random random)
    : random_(random),
      options_(options),
      nodes_(options.nodes),
      network_(queue_, options.edges, options.nodes, network_options(options), random_.fork()) {
    for (Place place = 0; place < nodes_.size(); ++place) {
        auto& node = nodes_[place];
        node.key[0] = std::uint8_t(random_.below(256));  // the order of keys is not that of places
        for (std::size_t i = 0; i < 4; ++i) node.key[place_byte + i] = std::uint8_t(place >> 8 * (3 - i));
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
    auto& node = nodes_[place];
    auto random = [stream = random_.fork()]() mutable { return stream.next(); };
    if (options_.station) {
        node.station = options_.station(place, node.key, std::move(random));
    } else {
        peer::Options options;
        options.node = node.key;
        options.limits = options_.limits;
        options.random = std::move(random);
        options.overlay = options_.overlay;
        if (options_.sealed) options.sealer = std::make_shared<const FakeSealer>(node.key);
        if (options_.disks) {
            if (!node.disk) node.disk = std::make_unique<VirtualDisk>(random_.fork());
            node.station = open_stored(*node.disk, *options_.disks, options, now(place), lost_);
            STARLING_ASSERT(node.station != nullptr, "a store survives the loss of power");
            const auto found = node.station->peer()->place();
            if (found < node.durable)
                lost_ = "node " + std::to_string(place) + " lost what was durable: " + std::to_string(node.durable) +
                        " applied, " + std::to_string(found) + " found";
            node.durable = found;
        } else {
            node.station = std::make_unique<PeerStation>(std::move(options));
        }
    }
    ++node.boots;
    node.peer = node.station->peer();
    node.wake_us = UINT64_MAX;
    ++node.timer;
    for (auto* observer : observers_) observer->started(place);
}

Place World::place_of(const crdt::NodeKey& key) const {
    Place place = 0;
    for (std::size_t i = 0; i < 4; ++i) place = place << 8 | key[place_byte + i];
    STARLING_ASSERT(place < nodes_.size() && nodes_[place].key == key, "peers speak to nodes of this world");
    return place;
}

gossip::Now World::now(Place place) const {
    return {queue_.now_us(), epoch_us + queue_.now_us() + std::uint64_t(nodes_[place].clock_error_us)};
}

// -- events
// --------------------------------------------------------------------------------------------------------------

void World::at(std::uint64_t time_us, std::function<void()> act) {
    if (free_scripts_.empty()) {
        free_scripts_.push_back(scripts_.size());
        scripts_.emplace_back();
    }
    const auto script = free_scripts_.back();
    free_scripts_.pop_back();
    scripts_[script] = std::move(act);
    queue_.at(time_us, {Event::Kind::script, script, 0, 0, 0, {}});
}

bool World::step(std::uint64_t until_us) {
    const auto next_us = queue_.next_us();
    if (!next_us || *next_us > until_us) return false;
    auto event = queue_.pop();
    if (event.kind == Event::Kind::script) {
        const auto act = std::exchange(scripts_[event.to], nullptr);
        free_scripts_.push_back(event.to);
        act();
    } else if (event.kind == Event::Kind::resume) {
        take_one(event.to);
    } else if (event.kind == Event::Kind::dial) {
        network_.happens(event);
    } else if (auto& node = nodes_[event.to];
               !node.inbox.empty() || std::max(node.paused_until_us, node.busy_until_us) > queue_.now_us()) {
        node.inbox.push_back(std::move(event));
        if (node.inbox.size() == 1) look_later(node.inbox.front().to);
    } else {
        happen(event);
    }
    return true;
}

/// Of what came while the node could not listen, in order.
void World::take_one(Place place) {
    auto& node = nodes_[place];
    if (node.inbox.empty()) return;  // it crashed meanwhile
    if (std::max(node.paused_until_us, node.busy_until_us) <= queue_.now_us()) {
        auto event = std::move(node.inbox.front());
        node.inbox.pop_front();
        happen(event);
    }
    if (!node.inbox.empty()) look_later(place);
}

void World::look_later(Place place) {
    const auto& node = nodes_[place];
    queue_.at(std::max(node.paused_until_us, node.busy_until_us), {Event::Kind::resume, place, place, 0, 0, {}});
}

void World::happen(Event& event) {
    auto& node = nodes_[event.to];
    if (event.kind == Event::Kind::tick) {
        if (!node.station || event.incarnation != node.timer) return;
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
        heard_from_ = event.from;
        handle(event.to, gossip::Received{peer, std::move(event.bytes)});
        heard_from_ = Trace::nowhere;
    }
}

void World::handle(Place place, const gossip::Input& input) {
    auto& node = nodes_[place];
    auto effects = node.station->handle(input, now(place));
    if (node.input_us > 0) node.busy_until_us = queue_.now_us() + node.input_us;
    for (auto& send : effects.sends) {
        const auto to = place_of(send.peer);
        network_.send(place, to, tamper ? tamper(place, to, std::move(send.bytes)) : std::move(send.bytes));
    }
    for (const auto& disconnect : effects.disconnect) network_.hang_up(place, place_of(disconnect.peer));
    for (const auto& connect : effects.connect) network_.dial(place, place_of(connect.node));
    if (effects.wake_us && *effects.wake_us < node.wake_us) {
        node.wake_us = std::max(*effects.wake_us, queue_.now_us());
        queue_.at(node.wake_us, {Event::Kind::tick, place, place, ++node.timer, 0, {}});
    }
    for (auto* observer : observers_) observer->handled(place, effects);
    if (node.disk) begin_commit(place);
}

// -- disks
// ---------------------------------------------------------------------------------------------------------------

void World::begin_commit(Place place) {
    auto& node = nodes_[place];
    if (node.committing) return;
    node.committing = node.station->take_batch(now(place));
    if (!node.committing) return;
    at(queue_.now_us() + random_.below(options_.disks->commit_us_max + 1), [this, place, boot = node.boots] {
        if (nodes_[place].boots == boot && running(place)) end_commit(place);
    });
}

void World::end_commit(Place place) {
    auto& node = nodes_[place];
    trace_.add(queue_.now_us(), "has on its disk", place);
    const auto batch = *std::exchange(node.committing, {});
    STARLING_ASSERT(node.station->commit(batch), "a disk with power keeps what it is given");
    node.durable = batch.place;
    handle(place, gossip::DurableUpTo{batch.place});
}

/// Part of a commit that is under way may reach the disk.
void World::lose_power(Node& node) {
    if (node.committing && random_.chance(700)) {
        node.disk->cut_after(random_.between(1, torn_changes_max));
        if (node.station->commit(*node.committing)) node.durable = node.committing->place;
    }
    node.committing.reset();
    node.disk->cut();
}

void World::change_disk(Place place, const VirtualDisk::Image& image) {
    STARLING_ASSERT(!running(place), "a disk is changed while the node is down");
    trace_.add(queue_.now_us(), "has its disk changed", place);
    auto& node = nodes_[place];
    node.disk->put(image);
    node.durable = 0;
    node.same_disk = false;
}

// -- writing
// -------------------------------------------------------------------------------------------------------------

void World::write(Place place, const std::function<void(crdt::Transaction&)>& write, const Committed& committed) {
    STARLING_ASSERT(running(place), "only a running node writes");
    trace_.add(queue_.now_us(), "writes", place);
    committed(nodes_[place].station->write(now(place), write));
    handle(place, gossip::Written{});
}

void World::flush(Place place) {
    trace_.add(queue_.now_us(), "flushes", place);
    handle(place, gossip::Flush{});
}

// -- faults
// --------------------------------------------------------------------------------------------------------------

void World::crash(Place place) {
    STARLING_ASSERT(running(place), "only a running node crashes");
    trace_.add(queue_.now_us(), "crashes", place);
    auto& node = nodes_[place];
    for (auto* observer : observers_) observer->stopped(place);
    if (node.disk) lose_power(node);
    node.station.reset();
    if (node.disk) node.disk->power_on();
    node.peer = nullptr;
    node.paused_until_us = node.busy_until_us = 0;
    node.inbox.clear();
    network_.node_down(place);
}

void World::restart(Place place) {
    STARLING_ASSERT(!running(place), "only a node that is down restarts");
    trace_.add(queue_.now_us(), "restarts", place);
    boot(place);
    network_.node_up(place);
    introduce(place);
}

void World::pause(Place place, std::uint64_t until_us) {
    trace_.add(queue_.now_us(), "stands still", place);
    nodes_[place].paused_until_us = std::max(nodes_[place].paused_until_us, until_us);
}

void World::slow_down(Place place, std::uint64_t input_us) {
    trace_.add(queue_.now_us(), "slows down", place);
    nodes_[place].input_us = input_us;
}

void World::set_clock(Place place, std::int64_t error_us) {
    trace_.add(queue_.now_us(), "has its clock set", place);
    nodes_[place].clock_error_us = error_us;
}

void World::check() const {
    network_.check();
    for (const auto& node : nodes_) {
        if (node.station) node.station->check();
    }
}

}  // namespace starling::sim
