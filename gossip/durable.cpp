// What waits for the disk (rule 9): own changesets, and messages that tell of this node's version. In memory mode
// nothing does.
#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"
#include "gossip/engine.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t held_messages_max = 64;  // for one link, until the disk has what they tell of

/// A peer may rely on what such a message says that this node holds.
bool tells_of_version(const Message& message) {
    return std::holds_alternative<Hello>(message) || std::holds_alternative<Digest>(message) ||
           std::holds_alternative<DiffOpen>(message) || std::holds_alternative<DiffPart>(message) ||
           std::holds_alternative<DiffEnd>(message) || std::holds_alternative<Ranges>(message) ||
           std::holds_alternative<DiffBase>(message);
}

}  // namespace

void Engine::send(const NodeKey& peer, const Message& message) {
    const auto at = links_.find(peer);
    if (at == links_.end()) return;
    auto& link = at->second;
    if (place_ <= durable_ || !tells_of_version(message) || mutant(Mutant::version_told_undurable))
        return send_now(peer, link, message);
    // A disk that stands still must not fill the memory: to the peer this is a lost frame.
    if (link.held >= held_messages_max) return;
    ++link.held;
    held_.push_back({place_, peer, message});
}

void Engine::send_now(const NodeKey& peer, Link& link, const Message& message) {
    if (link.used_up) return;  // to the peer this is a lost frame
    auto bytes = encode(replica_.space(), message, link.refs_out);
    link.bytes_out += bytes.size();
    counters_.bytes_sent += bytes.size();
    ++link.messages_out;
    if (!std::holds_alternative<Changesets>(message)) counters_.control_bytes_sent += bytes.size();
    effects_.sends.push_back({peer, std::move(bytes)});
    if (link.refs_out.size() <= limits_.link_numbers_max) return;
    link.used_up = true;
    effects_.disconnect.push_back({peer, false, "its numbers are used up"});
}

void Engine::on(const DurableUpTo& durable) {
    if (durable_ == UINT64_MAX) return;
    durable_ = std::max(durable_, durable.place);
    std::vector<ChangesetPtr> together;
    for (; !unpushed_.empty() && unpushed_.front().place <= durable_; unpushed_.pop_front())
        together.push_back(std::move(unpushed_.front().changeset));
    if (sealing_) {
        push(together, std::nullopt);
    } else {
        for (const auto& changeset : together) push({&changeset, 1}, std::nullopt);
    }
    for (; !held_.empty() && held_.front().place <= durable_; held_.pop_front()) {
        const auto& [place, peer, message] = held_.front();
        auto& link = links_.at(peer);
        --link.held;
        send_now(peer, link, message);
    }
}

Seq Engine::durable_seen(const ReplicaId& own) const {
    const auto first = std::find_if(unpushed_.begin(), unpushed_.end(),
                                    [&](const Undurable& u) { return u.changeset->origin == own; });
    return first == unpushed_.end() ? replica_.state().seen(own) : first->changeset->first - 1;
}

void Engine::check_held() const {
    std::uint64_t before = 0;
    for (const auto& [place, changeset] : unpushed_) {
        const auto durable = durable_ == UINT64_MAX ? 0 : durable_;  // in memory mode it is what was not signed yet
        STARLING_ASSERT(place > std::max(durable, before) && place <= place_, "what is durable is pushed");
        before = place;
    }
    std::map<NodeKey, std::size_t> held;
    for (const auto& message : held_) {
        STARLING_ASSERT(message.place > durable_ && message.place <= place_, "what is durable is told");
        ++held[message.peer];
    }
    for (const auto& [peer, link] : links_)
        STARLING_ASSERT(link.held == held[peer] && link.held <= held_messages_max, "what is held is counted");
}

}  // namespace starling::gossip
