// A few peers joined by perfect links, for tests that tell a story. Loss, delay and crashes belong to the simulator.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "crdt/codec.hpp"
#include "crdt/views.hpp"
#include "peer/peer.hpp"
#include "sim/fake_sealer.hpp"

namespace starling::testing {

using namespace starling::crdt;

class Mesh {
  public:
    explicit Mesh(std::size_t nodes, gossip::Limits limits = {}, bool sealed = false) : sealed_(sealed) {
        for (std::size_t i = 0; i < nodes; ++i) {
            limits_ = limits;
            add();
        }
    }

    std::size_t add() {
        const auto i = peers_.size();
        names_.push_back({std::uint8_t(i + 1)});
        peers_.push_back(make(i));
        return i;
    }
    /// The node forgets everything and comes back.
    void reborn(std::size_t i) {
        for (std::size_t j = 0; j < peers_.size(); ++j) unlink(i, j);
        peers_[i] = make(i);
    }

    void link(std::size_t a, std::size_t b) {
        links_.insert({std::min(a, b), std::max(a, b)});
        handle(a, gossip::LinkUp{names_[b]});
        handle(b, gossip::LinkUp{names_[a]});
    }
    void unlink(std::size_t a, std::size_t b) {
        if (links_.erase({std::min(a, b), std::max(a, b)}) == 0) return;
        std::erase_if(wire_, [&](const Frame& f) { return (f.from == a && f.to == b) || (f.from == b && f.to == a); });
        handle(a, gossip::LinkDown{names_[b]});
        handle(b, gossip::LinkDown{names_[a]});
    }
    void link_all() {
        for (std::size_t a = 0; a < peers_.size(); ++a) {
            for (std::size_t b = a + 1; b < peers_.size(); ++b) link(a, b);
        }
    }

    template <class Write>
    Result<peer::Commit> write(std::size_t i, Write write) {
        auto commit = peers_[i]->write(now_at(i), write);
        handle(i, gossip::Written{});
        return commit;
    }
    void handle(std::size_t i, const gossip::Input& input) {
        auto effects = peers_[i]->handle(input, now_at(i));
        if (effects.wake_us) wake_[i] = *effects.wake_us;
        disconnects += effects.disconnect.size();
        for (auto& send : effects.sends) {
            const std::size_t to = send.peer[0] - 1U;
            if (!links_.contains({std::min(i, to), std::max(i, to)})) continue;
            ++frames;
            bytes += send.bytes.size();
            wire_.push_back({i, to, tamper ? tamper(i, std::move(send.bytes)) : std::move(send.bytes)});
        }
        for (auto& delivered : effects.delivered) deliveries[i].push_back(std::move(delivered));
        for (auto& changeset : effects.persist) applied[i].push_back(std::move(changeset));
        peers_[i]->check();
    }
    /// Delivers frames and lets time pass until `us` have gone by.
    void run(std::uint64_t us = 1'000'000) {
        for (const auto end = now_us_ + us; now_us_ < end; now_us_ += 1'000) {
            while (!wire_.empty()) {
                auto frame = std::move(wire_.front());
                wire_.pop_front();
                if (drop && drop(frame.bytes)) continue;
                handle(frame.to, gossip::Received{names_[frame.from], std::move(frame.bytes)});
            }
            for (std::size_t i = 0; i < peers_.size(); ++i) {
                if (wake_[i] <= now_us_) handle(i, gossip::Tick{});
            }
        }
    }

    peer::Peer& operator[](std::size_t i) { return *peers_[i]; }
    const State& state(std::size_t i) { return peers_[i]->state(); }
    const NodeKey& name(std::size_t i) const { return names_[i]; }
    gossip::Now now() const { return {now_us_, 1'700'000'000'000'000 + now_us_}; }
    bool equal() {
        for (auto& peer : peers_) {
            if (peer->version() != peers_[0]->version() ||
                peer->state().fingerprint() != peers_[0]->state().fingerprint())
                return false;
        }
        return true;
    }

    std::size_t frames = 0, bytes = 0, disconnects = 0;
    std::map<std::size_t, std::vector<gossip::Delivered>> deliveries;
    std::map<std::size_t, std::vector<std::shared_ptr<const Changeset>>> applied;
    std::function<bool(const Bytes&)> drop;
    std::function<Bytes(std::size_t from, Bytes)> tamper;
    std::map<std::size_t, std::shared_ptr<sim::FakeSealer>> sealers;
    std::map<std::size_t, std::int64_t> clock_error_us;  ///< of wall clocks that are wrong

  private:
    struct Frame {
        std::size_t from, to;
        Bytes bytes;
    };
    gossip::Now now_at(std::size_t i) const {
        auto at = now();
        if (const auto error = clock_error_us.find(i); error != clock_error_us.end())
            at.wall_us += std::uint64_t(error->second);
        return at;
    }
    std::unique_ptr<peer::Peer> make(std::size_t i) {
        wake_[i] = 0;
        peer::Options options{0, names_[i], limits_, {}, [this] { return ++random_; }};
        if (sealed_) options.sealer = sealers[i] = std::make_shared<sim::FakeSealer>(names_[i]);
        return std::make_unique<peer::Peer>(std::move(options));
    }

    bool sealed_;
    gossip::Limits limits_;
    std::vector<NodeKey> names_;
    std::vector<std::unique_ptr<peer::Peer>> peers_;
    std::set<std::pair<std::size_t, std::size_t>> links_;
    std::deque<Frame> wire_;
    std::map<std::size_t, std::uint64_t> wake_;
    std::uint64_t now_us_ = 1'000'000;
    std::uint64_t random_ = 0;
};

inline auto put(const char* field, std::int64_t value) {
    return [=](Transaction& tx) { Map::put(tx, "map", pack_str(field), pack_int(value)); };
}

}  // namespace starling::testing
