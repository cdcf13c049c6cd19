#include <set>

#include "bench/gossip/reference.hpp"

namespace starling::bench::gossip {

namespace {

class Flood final : public Reference {
  public:
    using Reference::Reference;

  private:
    void link_up(const Peer& peer) override { peers_.insert(peer); }
    void link_down(const Peer& peer) override { peers_.erase(peer); }
    void hear(const Peer& peer, const Frame& frame) override {
        const auto number = frame.numbers.at(0);
        if (take(number)) spread(number, std::uint8_t(frame.round + 1), &peer);
    }
    void spread(std::uint32_t number, std::uint8_t round, const Peer* from) override {
        for (const auto& peer : peers_) {
            if (from == nullptr || peer != *from) send(peer, {Kind::payload, round, {number}});
        }
    }

    std::set<Peer> peers_;
};

}  // namespace

sim::StationMaker flooding() {
    return [messages = std::make_shared<Messages>()](sim::Place, const crdt::NodeKey& key, const auto&) {
        return std::make_unique<Flood>(messages, key);
    };
}

}  // namespace starling::bench::gossip
