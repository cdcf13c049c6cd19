// A mesh for the suite `spread`: many whole peers on a random graph, each link with a delay of its own, no faults but
// those that are asked for. It has less than sim/ has, and no more than is needed to count what crosses links.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <vector>

#include "crdt/assert.hpp"
#include "crdt/views.hpp"
#include "peer/peer.hpp"
#include "sim/random.hpp"

namespace starling::bench {

using Place = std::uint32_t;

struct SpreadNetOptions {
    std::size_t nodes = 100;
    std::size_t links_each = 6;
    std::uint64_t delay_us_min = 10'000, delay_us_max = 100'000;
    std::uint64_t loss_permille = 0;  ///< of frames that arrive later, as a lost segment of a TCP stream does
    gossip::Limits limits;
    std::uint64_t seed = 1;
};

/// Invariant: frames of one direction of a link arrive in order.
class SpreadNet {
  public:
    /// Called when a node has applied changesets, with who sent the frame that made it.
    using Applied = std::function<void(Place at, const gossip::Effects&, std::optional<Place> from)>;

    explicit SpreadNet(const SpreadNetOptions& options) : options_(options), random_(options.seed) {
        nodes_.resize(options.nodes);
        for (Place place = 0; place < nodes_.size(); ++place) {
            auto& key = nodes_[place].key;
            key[0] = std::uint8_t(random_.below(256));
            for (std::size_t byte = 0; byte < 4; ++byte) key[28 + byte] = std::uint8_t(place >> (24 - 8 * byte));
            nodes_[place].peer = std::make_unique<peer::Peer>(peer::Options{
                0, key, options.limits, {}, [stream = random_.fork()]() mutable { return stream.next(); }});
        }
        weave();
    }

    Applied applied;
    /// Called with each frame as it is sent.
    std::function<void(crdt::BytesView)> sent;

    /// Links come up and say hello.
    void start() {
        for (Place a = 0; a < nodes_.size(); ++a) {
            for (const auto& [b, way] : nodes_[a].ways) handle(a, gossip::LinkUp{nodes_[b].key}, std::nullopt);
        }
    }
    void run_until(std::uint64_t until_us) {
        while (!events_.empty() && events_.top().at_us <= until_us) {
            const auto event = events_.top();
            events_.pop();
            now_us_ = event.at_us;
            happen(event);
        }
        now_us_ = until_us;
    }
    void at(std::uint64_t at_us, std::function<void()> act) {
        scripts_.push_back(std::move(act));
        events_.push({std::max(at_us, now_us_), next_++, Kind::script, 0, 0, scripts_.size() - 1});
    }
    void write(Place place, std::int64_t value) {
        const auto field = crdt::pack_int(std::int64_t(place));
        const auto commit = nodes_[place].peer->write(
            now(), [&](crdt::Transaction& tx) { crdt::Map::put(tx, "map", field, crdt::pack_int(value)); });
        STARLING_ASSERT(commit, "a write of the bench is valid");
        handle(place, gossip::Written{}, std::nullopt);
    }
    /// The link is lost and is there again.
    void flap(Place a, Place b) {
        for (const auto& [at, peer] : {std::pair(a, b), std::pair(b, a)}) {
            ++nodes_[at].ways.at(peer).incarnation;
            handle(at, gossip::LinkDown{nodes_[peer].key}, std::nullopt);
        }
        for (const auto& [at, peer] : {std::pair(a, b), std::pair(b, a)})
            handle(at, gossip::LinkUp{nodes_[peer].key}, std::nullopt);
    }

    std::size_t size() const { return nodes_.size(); }
    std::uint64_t now_us() const { return now_us_; }
    const peer::Peer& peer(Place place) const { return *nodes_[place].peer; }
    std::vector<Place> neighbours(Place place) const {
        std::vector<Place> places;
        for (const auto& [peer, way] : nodes_[place].ways) places.push_back(peer);
        return places;
    }
    sim::Random& random() { return random_; }

    /// How long the fastest way from a place to each other takes: what a flood over free links takes.
    std::vector<std::uint64_t> fastest_us(Place from) const {
        std::vector<std::uint64_t> best(nodes_.size(), UINT64_MAX);
        std::set<std::pair<std::uint64_t, Place>> open{{best[from] = 0, from}};
        while (!open.empty()) {
            const auto [us, at] = *open.begin();
            open.erase(open.begin());
            for (const auto& [to, way] : nodes_[at].ways) {
                const auto there = us + way.delay_us;
                if (there >= best[to]) continue;
                open.erase({best[to], to});
                open.emplace(best[to] = there, to);
            }
        }
        return best;
    }

  private:
    enum class Kind : std::uint8_t { frame, tick, script };
    struct Event {
        std::uint64_t at_us, id;
        Kind kind;
        Place to, from;
        std::uint64_t what;  ///< frames: the incarnation; ticks: the timer; scripts: which
        crdt::Bytes bytes = {};
        bool operator<(const Event& other) const { return std::pair(at_us, id) > std::pair(other.at_us, other.id); }
    };
    /// One direction of a link, from its owner's side.
    struct Way {
        std::uint64_t delay_us = 0, last_us = 0, incarnation = 0;
    };
    struct Node {
        crdt::NodeKey key{};
        std::unique_ptr<peer::Peer> peer;
        std::map<Place, Way> ways;
        std::uint64_t timer = 0, wake_us = UINT64_MAX;
    };

    /// Rings through all nodes in random orders: every node has two links of each.
    void weave() {
        std::vector<Place> order(nodes_.size());
        for (Place place = 0; place < order.size(); ++place) order[place] = place;
        for (std::size_t ring = 0; ring < options_.links_each / 2; ++ring) {
            random_.shuffle(order);
            for (std::size_t i = 0; i < order.size(); ++i) {
                const auto a = order[i], b = order[(i + 1) % order.size()];
                if (a == b || nodes_[a].ways.contains(b)) continue;
                nodes_[a].ways[b].delay_us = nodes_[b].ways[a].delay_us =
                    random_.between(options_.delay_us_min, options_.delay_us_max);
            }
        }
    }
    gossip::Now now() const { return {now_us_, 1'700'000'000'000'000 + now_us_}; }
    static Place place_of(const crdt::NodeKey& key) {
        return Place(key[28]) << 24 | Place(key[29]) << 16 | Place(key[30]) << 8 | Place(key[31]);
    }

    void handle(Place place, const gossip::Input& input, std::optional<Place> from) {
        auto& node = nodes_[place];
        auto effects = node.peer->handle(input, now());
        for (auto& send : effects.sends) {
            const auto to = place_of(send.peer);
            if (sent) sent(send.bytes);
            auto& way = node.ways.at(to);
            auto at_us = now_us_ + way.delay_us;
            if (options_.loss_permille > 0 && random_.chance(options_.loss_permille))
                at_us += 2 * way.delay_us + 20'000;  // noticed by the acknowledgements of what follows, and sent again
            at_us = way.last_us = std::max(at_us, way.last_us);
            events_.push({at_us, next_++, Kind::frame, to, place, way.incarnation, std::move(send.bytes)});
        }
        if (effects.wake_us && *effects.wake_us < node.wake_us) {
            node.wake_us = std::max(*effects.wake_us, now_us_);
            events_.push({node.wake_us, next_++, Kind::tick, place, place, ++node.timer});
        }
        if (applied && !effects.persist.empty()) applied(place, effects, from);
    }
    void happen(const Event& event) {
        auto& node = nodes_[event.to];
        switch (event.kind) {
            case Kind::frame:
                if (event.what != nodes_[event.from].ways.at(event.to).incarnation) return;
                return handle(event.to, gossip::Received{nodes_[event.from].key, event.bytes}, event.from);
            case Kind::tick:
                if (event.what != node.timer) return;
                node.wake_us = UINT64_MAX;
                return handle(event.to, gossip::Tick{}, std::nullopt);
            case Kind::script:
                return std::exchange(scripts_[event.what], nullptr)();
        }
    }

    SpreadNetOptions options_;
    sim::Random random_;
    std::vector<Node> nodes_;
    std::priority_queue<Event> events_;
    std::vector<std::function<void()>> scripts_;
    std::uint64_t now_us_ = 1'000'000, next_ = 0;
};

}  // namespace starling::bench
