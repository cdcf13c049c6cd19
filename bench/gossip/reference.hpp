// The protocols that ours is held against: stations of the simulator's world, so that links, faults, writers and what
// is counted are the same. They carry names of messages and count the bytes of what the names stand for.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/station.hpp"

namespace starling::bench::gossip {

/// Bytes of a payload message beyond its frame: about what a small changeset of ours takes.
inline constexpr std::uint64_t payload_bytes = 64;

/// All messages of a run, numbered in the order of their writing. Shared by its stations.
struct Messages {
    std::vector<std::shared_ptr<const crdt::Changeset>> all;
};

enum class Kind : char { payload, have, graft, prune };

/// What a frame holds: one kind, the hops behind it, and message numbers.
struct Frame {
    Kind kind{};
    std::uint8_t round = 0;
    std::vector<std::uint32_t> numbers;
};
crdt::Bytes encode(const Frame& frame);
Frame decode(crdt::BytesView bytes);

/// What both references do: number the own writes, know what has come, count. Invariant: a message is told of once.
class Reference : public sim::Station {
  public:
    Reference(std::shared_ptr<Messages> messages, const crdt::NodeKey& key)
        : messages_(std::move(messages)), key_(key) {}

    starling::gossip::Effects handle(const starling::gossip::Input& input, starling::gossip::Now now) final;
    crdt::Result<peer::Commit> write(starling::gossip::Now now,
                                     const std::function<void(crdt::Transaction&)>& write) final;
    starling::gossip::Counters counters() const final { return counters_; }

  protected:
    using Peer = crdt::NodeKey;

    virtual void link_up(const Peer& peer) = 0;
    virtual void link_down(const Peer& peer) = 0;
    virtual void hear(const Peer& peer, const Frame& frame) = 0;
    /// A message that this node did not know: its own, where `from` is nothing.
    virtual void spread(std::uint32_t number, std::uint8_t round, const Peer* from) = 0;
    /// The timers that are due, and when the next one is.
    virtual void tick() {}
    virtual std::optional<std::uint64_t> wake_us() const { return std::nullopt; }

    bool knows(std::uint32_t number) const { return number < known_.size() && known_[number]; }
    /// Takes a payload in; false when it was known.
    bool take(std::uint32_t number);
    void send(const Peer& peer, const Frame& frame);
    std::uint64_t now_us() const { return now_us_; }

  private:
    std::shared_ptr<Messages> messages_;
    crdt::NodeKey key_;
    crdt::Seq written_ = 0;
    std::vector<bool> known_;
    std::vector<std::uint32_t> own_;  ///< written, and not spread yet
    starling::gossip::Counters counters_;
    starling::gossip::Effects effects_;
    std::uint64_t now_us_ = 0;
};

/// Everybody sends what is new to all but whom it came from.
sim::StationMaker flooding();
/// Plumtree (Leitão, Pereira, Rodrigues 2007) with one tree for all writers, and iroh-gossip's timers.
sim::StationMaker plumtree();

}  // namespace starling::bench::gossip
