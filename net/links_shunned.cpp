// With whom there are no links: those who are blocked, and those whose chain was revoked.
#include <utility>

#include "net/links.hpp"

namespace starling::net {

void Links::set_blocked(std::set<NodeKey> peers) {
    const auto before = std::exchange(blocked_, std::move(peers));
    for (const NodeKey& peer : before) {
        if (const auto address = peers_.address_of(peer)) heard(peer, *address);
    }
    pause_shunned();
    for (const NodeKey& peer : blocked_) drop_all_of(peer, "blocked");
}

/// A link is not heard any more at once, but ends with the next look at links: so that the record of it, which
/// this node may just have passed on, reaches the peer as well.
void Links::set_roll(Roll roll) {
    roll_ = std::move(roll);
    pause_shunned();
    std::vector<ConnectionId> over;
    for (auto& [id, connection] : connections_) {
        const bool dialled = connection.stage == Stage::welcome_awaited;  // which tells no chain yet
        const bool out = dialled ? roll_.revoked.contains(connection.peer) : roll_.fails(connection.chain);
        connection.condemned = out && connection.stage == Stage::up;
        if (out && !connection.condemned) over.push_back(id);
    }
    for (const auto id : over) drop(id, "the peer was revoked");
}

void Links::pause_shunned() {
    auto shunned = blocked_;
    shunned.insert(roll_.revoked.begin(), roll_.revoked.end());
    peers_.set_paused(shunned, now_);
}

void Links::drop_all_of(const NodeKey& peer, const char* reason) {
    for (const auto* table : {&up_, &dialling_, &welcoming_}) {
        if (auto at = table->find(peer); at != table->end()) drop(ConnectionId(at->second), reason);
    }
}

}  // namespace starling::net
