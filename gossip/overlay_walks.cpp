// Samples of who is there, and the random walks that carry them.
#include <algorithm>

#include "gossip/overlay.hpp"

namespace starling::gossip {

using namespace crdt;

// -- samples
// -------------------------------------------------------------------------------------------------------------

/// What may be said of a node: nothing of one without an address, or long unheard of.
std::optional<KnownPeer> Overlay::known(const NodeKey& node) const {
    const auto* entry = book_.find(node);
    if (entry == nullptr) return std::nullopt;
    if (active(node)) return KnownPeer{node, entry->address(), 0};
    if (!links_.contains(node) && !live(node, *entry)) return std::nullopt;
    return KnownPeer{node, entry->address(), (now_.mono_us - std::min(now_.mono_us, entry->alive_us)) / 1'000'000};
}

Sample Overlay::sample(std::size_t active_max, std::size_t passive_max, const NodeKey& except) {
    Sample sample;
    const auto draw = [&](std::vector<NodeKey> from, std::size_t many) {
        while (many > 0 && !from.empty()) {
            const auto place = below(from.size());
            if (auto peer = from[place] == except ? std::nullopt : known(from[place])) {
                sample.push_back(std::move(*peer));
                --many;
            }
            from[place] = from.back();
            from.pop_back();
        }
    };
    draw(active_view(), active_max);
    draw(passive_, passive_max);
    return sample;
}

/// Comes with every answer: of a full mesh all, else as many as a newcomer needs.
Sample Overlay::referral(const NodeKey& except) {
    if (!partial_) return sample(limits_.full_mesh_max, 0, except);
    return sample(limits_.active_max, limits_.sample_passive, except);
}

/// For a shuffle and its reply.
Sample Overlay::exchange(const NodeKey& except) {
    if (!partial_) return sample(limits_.full_mesh_max, 0, except);
    return sample(limits_.sample_active, limits_.sample_passive, except);
}

void Overlay::hear(const KnownPeer& peer) {
    const auto age_us = std::min(peer.age_s, std::uint64_t{UINT32_MAX}) * 1'000'000;
    if (age_us >= now_.mono_us || age_us > limits_.member_fresh_us) return;  // too old to be passed on
    if (book_.find(peer.node) == nullptr && !hearsay_.take(now_.mono_us)) return;
    if (book_.hear({peer.node, peer.address}, now_.mono_us - age_us)) add_passive(peer.node);
}

void Overlay::take_sample(const Sample& sample) {
    for (const auto& peer : sample) hear(peer);
}

// -- walks
// ---------------------------------------------------------------------------------------------------------------

/// Anybody active who is not on the path.
std::optional<NodeKey> Overlay::next_hop(const std::vector<NodeKey>& path) {
    auto view = active_view();
    std::erase_if(view, [&](const auto& node) { return std::find(path.begin(), path.end(), node) != path.end(); });
    if (view.empty()) return std::nullopt;
    return view[below(view.size())];
}

void Overlay::on(const NodeKey& peer, const ForwardJoin& join) {
    auto& link = links_.at(peer);
    if (link.stage != Stage::active || !link.walks.take(now_.mono_us)) return;
    hear(join.joiner);
    const auto& joiner = join.joiner.node;
    if (joiner == self_ || !partial_) return;  // on a full mesh the contact told all
    const auto next = join.hops_left == 0 ? std::nullopt : next_hop({peer, joiner});
    if (next) return say(*next, ForwardJoin{join.joiner, join.hops_left - 1});
    if (has_room() && idle(joiner)) want(joiner, AskPurpose::spare);
}

/// On a full mesh no walk, but all members for all members: lists that differ are equal after a few rounds.
void Overlay::begin_shuffle() {
    next_shuffle_us_ = now_.mono_us + jittered(partial_ ? limits_.shuffle_us : limits_.shuffle_full_us);
    const auto first = next_hop({});
    if (!first) return;
    shuffling_ = true;
    say(*first, Shuffle{{self_}, {}, partial_ ? limits_.shuffle_hops : 0, exchange(*first)});
}

void Overlay::on(const NodeKey& peer, const Shuffle& shuffle) {
    auto& link = links_.at(peer);
    if (link.stage != Stage::active || !link.walks.take(now_.mono_us)) return;
    if (shuffle.path.back() != peer || shuffle.path.size() > walk_hops_max) return;  // each speaks for itself
    const auto& origin = shuffle.path.front();
    const auto& address = origin == peer ? link.address : shuffle.origin_address;
    hear({origin, address, 0});
    const auto hops_left = std::min(shuffle.hops_left, limits_.shuffle_hops);
    const auto next = hops_left == 0 ? std::nullopt : next_hop(shuffle.path);
    if (next) {
        auto path = shuffle.path;
        path.push_back(self_);
        return say(*next, Shuffle{std::move(path), address, hops_left - 1, shuffle.sample});
    }
    auto way_back = shuffle.path;
    way_back.pop_back();
    say(peer, ShuffleReply{std::move(way_back), exchange(origin)});
    take_sample(shuffle.sample);
}

void Overlay::on(const NodeKey& peer, const ShuffleReply& reply) {
    auto& link = links_.at(peer);
    if (link.stage != Stage::active) return;
    if (reply.path.empty()) {
        if (std::exchange(shuffling_, false)) take_sample(reply.sample);
        return;
    }
    if (!link.walks.take(now_.mono_us)) return;
    auto path = reply.path;
    const auto next = path.back();
    path.pop_back();
    if (active(next)) say(next, ShuffleReply{std::move(path), reply.sample});
}

}  // namespace starling::gossip
