// What the links are like, for whoever asks.
#include <algorithm>
#include <utility>

#include "net/links.hpp"

namespace starling::net {

std::vector<LinkEvent> Links::take_events() {
    return std::exchange(events_, {});
}

std::vector<LinkCounters> Links::counters() const {
    std::vector<LinkCounters> all;
    all.reserve(up_.size());
    for (const auto& [peer, id] : up_) {
        const Connection& connection = connections_.at(id);
        all.push_back(connection.counters);
        all.back().bytes_queued = connection.flow.waiting();
    }
    return all;
}

Clock::time_point Links::due_at() const {
    auto due = Clock::time_point::max();
    for (const auto& [peer, id] : dialling_) due = std::min(due, connections_.at(id).deadline);
    if (!up_.empty()) due = std::min(due, looked_at_ + settings_.heartbeat_ms / 2);
    const bool room = dialling_.size() < dials_at_once_max && up_.size() + dialling_.size() < settings_.links_max;
    return room ? std::min(due, peers_.due_at()) : due;
}

void Links::check() const {
    STARLING_ASSERT(connections_.size() == up_.size() + dialling_.size() + welcoming_.size(),
                    "every connection is a link, a dial or a welcome");
    auto staged = [&](const std::map<NodeKey, ConnectionId>& table, Stage stage) {
        for (const auto& [peer, id] : table) {
            const Connection& connection = connections_.at(id);
            STARLING_ASSERT(connection.peer == peer && connection.stage == stage,
                            "a table names connections of its stage");
            connection.flow.check();
            STARLING_ASSERT(!blocked_.contains(peer), "a blocked peer has no connection");
            STARLING_ASSERT(connection.condemned == roll_.fails(connection.chain), "nor has one that was revoked");
        }
    };
    staged(up_, Stage::up);
    staged(dialling_, Stage::welcome_awaited);
    staged(welcoming_, Stage::ready_awaited);
    joined_.check();
    STARLING_ASSERT(failed_.size() <= failed_dials_remembered_max, "failed dials are forgotten");
}

}  // namespace starling::net
