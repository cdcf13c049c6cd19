#include "tests/agree/world.hpp"

#include <algorithm>

#include "agree/wire.hpp"

namespace starling::agree_trial {

using namespace agree;

World::World(std::uint64_t seed, std::size_t nodes, std::size_t first_voters)
    : random_(seed), nodes_(nodes), group_(nodes), network_(random_.fork()) {
    VoterRecord first{1, {}, {}};
    for (std::size_t place = 0; place < nodes; ++place) {
        auto& node = nodes_[place];
        node.key[0] = std::uint8_t(place + 1);
        node.standpoint.life = random_.next();
        if (first.voters.size() < first_voters) first.voters.push_back(voter(place));
    }
    for (std::size_t place = 0; place < nodes; ++place) {
        auto& node = nodes_[place];
        node.known = first;
        if (place < first_voters) node.standpoint.record = first;
    }
}

gossip::Now World::local(const Node& node) const {
    const auto mono = (now_us_ - node.since_us) * node.rate_permille / 1000 + node.offset_us;
    return {mono, std::uint64_t(std::int64_t(1'700'000'000'000'000) + std::int64_t(now_us_) + node.wall_offset_us)};
}

void World::at(std::uint64_t time_us, std::function<void()> what) {
    events_.push({std::max(time_us, now_us_), next_event_++, std::move(what)});
}

void World::at_node(std::size_t place, std::uint64_t time_us, std::function<void()> what) {
    at(time_us, [this, place, life = nodes_[place].life, what = std::move(what)]() mutable {
        auto& node = nodes_[place];
        if (!node.up || node.life != life) return;
        if (node.paused_until_us > now_us_) return at_node(place, node.paused_until_us, std::move(what));
        what();
    });
}

void World::run_until(std::uint64_t time_us) {
    while (!events_.empty() && events_.top().time_us <= time_us) {
        auto what = std::move(const_cast<Event&>(events_.top()).what);
        now_us_ = events_.top().time_us;
        events_.pop();
        what();
    }
    now_us_ = time_us;
}

// -- nodes

void World::start(std::size_t place) {
    auto& node = nodes_[place];
    node.up = true;
    ++node.life;
    node.acceptor.emplace(node.key, node.standpoint, node.cells);
    const auto& record = node.standpoint.record;
    const crdt::ReplicaId self{node.key, random_.next()};
    auto chance = [draws = random_.fork()]() mutable { return draws.next(); };
    node.proposer = std::make_unique<Proposer>(self, record && record->epoch > node.known.epoch ? *record : node.known,
                                               ProposerLimits{}, chance);
    node.lock = std::make_unique<Lock>(*node.proposer, "lock", self, LockLimits{}, chance);
    node.timer_us = UINT64_MAX;
    started(place);
    flush(place);
}

void World::crash(std::size_t place) {
    auto& node = nodes_[place];
    if (!node.up) return;
    // Of what was not synced, each write is there or not; the disk owes nothing but that no write is there by half.
    for (const auto& [write, reply, to] : node.unsynced) {
        if (!write || random_.chance(500)) continue;
        node.standpoint = write->standpoint;
        if (write->cell) node.cells[write->cell->first] = write->cell->second;
    }
    node.known =
        std::max(node.known, node.proposer->record(), [](const auto& a, const auto& b) { return a.epoch < b.epoch; });
    node.up = false;
    node.unsynced.clear();
    node.sync_until_us = 0;
    node.lock.reset();
    node.transition.reset();
    node.proposer.reset();
    node.acceptor.reset();
    crashed(place);
}

void World::erase(std::size_t place) {
    auto& node = nodes_[place];
    node.standpoint = {};
    node.standpoint.life = random_.next();
    node.cells.clear();
}

void World::jump(std::size_t place, std::uint64_t forward_us) {
    auto& node = nodes_[place];
    node.offset_us = local(node).mono_us + forward_us;
    node.since_us = now_us_;
    if (node.up) flush(place);
}

void World::split() {
    for (auto& group : group_) group = std::uint32_t(random_.below(2));
}

void World::heal() {
    std::fill(group_.begin(), group_.end(), 0);
    weather_ = {};
    for (std::size_t place = 0; place < nodes_.size(); ++place) {
        nodes_[place].paused_until_us = 0;
        if (!nodes_[place].up) start(place);
    }
}

void World::tick(std::size_t place) {
    auto& node = nodes_[place];
    node.timer_us = UINT64_MAX;
    const auto now = local(node);
    node.proposer->tick(now.mono_us);
    if (node.transition) node.transition->tick(now.mono_us);
    node.lock->tick(now);
    flush(place);
}

void World::flush(std::size_t place) {
    auto& node = nodes_[place];
    const auto now = local(node);
    for (auto results = node.proposer->take_results(); !results.empty(); results = node.proposer->take_results()) {
        for (const auto& one : results) {
            if (node.transition) node.transition->finished(one, now.mono_us);
            node.lock->finished(one, now);
            result(place, one);
        }
    }
    std::vector<ProposerSend> sends = node.proposer->take_sends();
    if (node.transition) {
        for (auto& one : node.transition->take_sends()) sends.push_back(std::move(one));
        node.transition->check();
    }
    for (auto& one : sends) send(place, place_of(one.to), std::move(one.request));
    node.proposer->check();
    node.lock->check();
    stepped(place);

    auto due = std::min(node.proposer->due_us(), node.lock->due_us());
    if (node.transition) due = std::min(due, node.transition->due_us());
    if (due == UINT64_MAX) return;
    const auto ahead = due > now.mono_us ? (due - now.mono_us) * 1000 / node.rate_permille + 1 : 0;
    const auto time_us = now_us_ + ahead;
    if (node.timer_us <= time_us) return;
    node.timer_us = time_us;
    at_node(place, time_us, [this, place, time_us] {
        if (nodes_[place].timer_us == time_us) tick(place);
    });
}

// -- network and disk

std::size_t World::place_of(const crdt::NodeKey& key) const {
    return std::size_t(key[0]) - 1;
}

void World::send(std::size_t from, std::size_t to, const Message& message) {
    const auto bytes = encode(message);
    const auto copies = from == to ? 1U
                                   : (network_.chance(weather_.loss_permille) ? 0U : 1U) +
                                         (network_.chance(weather_.repeat_permille) ? 1U : 0U);
    for (auto copy = copies; copy > 0; --copy) {
        auto delay = from == to ? 1 : network_.between(100, 3'000);
        if (from != to && network_.chance(weather_.late_permille)) delay += network_.below(2'000'000);
        at(now_us_ + delay, [this, from, to, bytes] {
            if (group_[from] != group_[to] || !nodes_[to].up) return;
            at_node(to, now_us_, [this, from, to, bytes] { deliver(from, to, bytes); });
        });
    }
}

void World::deliver(std::size_t from, std::size_t to, const crdt::Bytes& bytes) {
    for (const auto byte : bytes) trace_ = (trace_ ^ std::uint8_t(byte)) * 0x100000001b3ULL;
    trace_ ^= now_us_;
    auto message = decode(bytes);
    STARLING_ASSERT(message && encode(*message) == bytes, "honest bytes are read, and have one form");
    if (const auto* request = std::get_if<Request>(&*message)) return ask(from, to, *request);
    auto& node = nodes_[to];
    const auto& reply = std::get<Reply>(*message);
    const auto now = local(node);
    // Before the proposer: what a voter says of a later record is heard by both.
    if (node.transition) node.transition->received(nodes_[from].key, reply, now.mono_us);
    node.proposer->received(nodes_[from].key, reply, now.mono_us);
    flush(to);
}

void World::ask(std::size_t from, std::size_t to, const Request& request) {
    auto& node = nodes_[to];
    auto effects = node.acceptor->handle(request);
    node.acceptor->check();
    if (weather_.sync_lies) send(to, from, effects.reply);
    node.unsynced.push_back({std::move(effects.write), std::move(effects.reply), from});
    const auto takes = node.unsynced.back().write ? network_.between(50, weather_.sync_us_most) : 0;
    node.sync_until_us = std::max(node.sync_until_us, now_us_ + takes);
    at_node(to, node.sync_until_us, [this, to] { synced(to); });
}

/// The oldest write is durable, and all before it.
void World::synced(std::size_t place) {
    auto& node = nodes_[place];
    auto [write, reply, to] = std::move(node.unsynced.front());
    node.unsynced.pop_front();
    if (write) {
        node.standpoint = write->standpoint;
        if (write->cell) node.cells[write->cell->first] = write->cell->second;
    }
    if (!weather_.sync_lies) send(place, to, reply);
}

}  // namespace starling::agree_trial
