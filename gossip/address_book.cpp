#include "gossip/address_book.hpp"

#include <algorithm>

#include "crdt/assert.hpp"

namespace starling::gossip {

using namespace crdt;

AddressBook::AddressBook(const NodeKey& self, const BookLimits& limits, const HashKey& secret, Pinned pinned)
    : self_(self), limits_(limits), secret_(secret), pinned_(std::move(pinned)) {
    STARLING_ASSERT(limits_.sampled < limits_.entries_max, "a part of the book is for the recent");
}

const BookEntry* AddressBook::find(const NodeKey& node) const {
    const auto at = entries_.find(node);
    return at == entries_.end() ? nullptr : &at->second;
}

bool AddressBook::hear(const PeerAddress& peer, std::uint64_t alive_us) {
    if (peer.node == self_ || peer.address.empty() || peer.address.size() > address_bytes_max) return false;
    auto [at, is_new] = entries_.try_emplace(peer.node);
    auto& entry = at->second;
    if (peer.address != entry.proven) entry.heard = peer.address;
    entry.alive_us = std::max(entry.alive_us, alive_us);
    if (!is_new) return true;
    entry.rank = siphash128({reinterpret_cast<const char*>(peer.node.data()), peer.node.size()}, secret_).low;
    if (entries_.size() > limits_.entries_max) make_room();
    return entries_.contains(peer.node);
}

void AddressBook::linked(const PeerAddress& peer, std::uint64_t now_us) {
    const auto known = entries_.find(peer.node);
    if (known != entries_.end()) {
        known->second.failures = 0;
        known->second.not_before_us = 0;
    }
    if (!hear(peer, now_us)) return;
    auto& entry = entries_.at(peer.node);
    entry.proven = peer.address;
    if (entry.heard == entry.proven) entry.heard.clear();
}

void AddressBook::seen(const NodeKey& node, std::uint64_t now_us) {
    const auto at = entries_.find(node);
    if (at != entries_.end()) at->second.alive_us = now_us;
}

void AddressBook::tried(const NodeKey& node, std::uint64_t now_us) {
    const auto at = entries_.find(node);
    if (at != entries_.end()) at->second.tried_us = now_us;
}

void AddressBook::failed(const NodeKey& node, std::uint64_t now_us, std::uint64_t chance) {
    const auto at = entries_.find(node);
    if (at == entries_.end()) return;
    constexpr std::uint32_t doublings_max = 16;
    const auto doubled = limits_.retry_us_min << std::min(at->second.failures, doublings_max);
    const auto wait_us = std::min(doubled, limits_.retry_us_max);
    ++at->second.failures;
    // 75 % to 125 %, so that nodes that lost each other together do not try together.
    at->second.not_before_us = now_us + wait_us * 3 / 4 + chance % (wait_us / 2 + 1);
}

void AddressBook::retry(const NodeKey& node) {
    const auto at = entries_.find(node);
    if (at != entries_.end() && at->second.failures > 0) at->second.not_before_us = 0;
}

void AddressBook::refused(const NodeKey& node, std::uint64_t now_us, std::uint64_t not_before_us) {
    const auto at = entries_.find(node);
    if (at == entries_.end()) return;
    at->second.alive_us = now_us;
    at->second.failures = 0;
    at->second.not_before_us = not_before_us;
}

/// One entry too many: of those outside the sample, the one that was not seen alive for the longest time goes.
void AddressBook::make_room() {
    using Place = std::pair<std::pair<bool, std::uint64_t>, std::map<NodeKey, BookEntry>::iterator>;
    std::vector<Place> places;
    places.reserve(entries_.size());
    for (auto at = entries_.begin(); at != entries_.end(); ++at)
        places.push_back({{at->second.proven.empty(), at->second.rank}, at});
    const auto sampled = places.begin() + std::ptrdiff_t(limits_.sampled);
    std::nth_element(places.begin(), sampled, places.end(),
                     [](const Place& a, const Place& b) { return a.first < b.first; });
    auto victim = entries_.end();
    const auto older = [](const auto& a, const auto& b) {
        return std::pair(a->second.alive_us, a->first) < std::pair(b->second.alive_us, b->first);
    };
    for (auto place = sampled; place != places.end(); ++place) {
        if (victim != entries_.end() && !older(place->second, victim)) continue;
        if (!pinned_(place->second->first)) victim = place->second;
    }
    STARLING_ASSERT(victim != entries_.end(), "fewer are pinned than the recent half holds");
    entries_.erase(victim);
}

void AddressBook::check() const {
    STARLING_ASSERT(entries_.size() <= limits_.entries_max, "the book is bounded");
    STARLING_ASSERT(!entries_.contains(self_), "a node is not in its own book");
    for (const auto& [node, entry] : entries_) {
        STARLING_ASSERT(!entry.address().empty(), "every entry can be dialled");
        STARLING_ASSERT(entry.proven.size() <= address_bytes_max && entry.heard.size() <= address_bytes_max,
                        "addresses are bounded");
    }
}

}  // namespace starling::gossip
