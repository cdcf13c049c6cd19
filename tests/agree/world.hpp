// A small world for majority registers: nodes with an acceptor on a disk that syncs late, a proposer, clocks that run
// at rates of their own, and a network that loses, repeats, delays and splits. Real bytes travel. A seed is a whole
// run.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <tuple>
#include <vector>

#include "agree/acceptor.hpp"
#include "agree/lock.hpp"
#include "agree/proposer.hpp"
#include "agree/transition.hpp"
#include "gossip/io.hpp"
#include "sim/random.hpp"

namespace starling::agree_trial {

/// How bad it is right now.
struct Weather {
    std::uint64_t loss_permille = 0;
    std::uint64_t repeat_permille = 0;
    std::uint64_t late_permille = 0;  ///< of messages that take up to 2 s
    std::uint64_t sync_us_most = 2'000;
    bool sync_lies = false;  ///< the control: a disk that says durable before it is
};

struct Unsynced {
    std::optional<agree::AcceptorWrite> write;
    agree::Reply reply;
    std::size_t to = 0;
};

struct Node {
    crdt::NodeKey key{};
    // -- what outlives a crash
    agree::Standpoint standpoint;
    agree::Cells cells;
    agree::VoterRecord known;  ///< the latest record that was stored
    // -- what does not
    bool up = false;
    std::uint64_t life = 0;  ///< counts starts; what was scheduled for an earlier one is void
    std::uint64_t paused_until_us = 0;
    std::optional<agree::Acceptor> acceptor;
    std::unique_ptr<agree::Proposer> proposer;
    std::unique_ptr<agree::Transition> transition;
    std::unique_ptr<agree::Lock> lock;
    std::deque<Unsynced> unsynced;
    std::uint64_t sync_until_us = 0;
    std::uint64_t timer_us = UINT64_MAX;  ///< true time of the tick that is scheduled
    // -- clocks: local = (true − since) · rate / 1000 + offset
    std::uint64_t rate_permille = 1000, since_us = 0, offset_us = 0;
    std::int64_t wall_offset_us = 0;
};

/// Thread rule: one thread at a time.
class World {
  public:
    World(std::uint64_t seed, std::size_t nodes, std::size_t first_voters);
    virtual ~World() = default;

    std::uint64_t now_us() const { return now_us_; }
    gossip::Now local(const Node& node) const;
    void run_until(std::uint64_t time_us);
    void at(std::uint64_t time_us, std::function<void()> what);
    /// Only if the node still lives the same life; waits while it is paused.
    void at_node(std::size_t place, std::uint64_t time_us, std::function<void()> what);

    void start(std::size_t place);
    void crash(std::size_t place);
    /// The disk is gone: another voter's life, and nothing else.
    void erase(std::size_t place);
    void pause(std::size_t place, std::uint64_t until_us) { nodes_[place].paused_until_us = until_us; }
    void jump(std::size_t place, std::uint64_t forward_us);
    void split();
    void heal();

    /// Sends what a node's parts want sent, hands out results, sets its timer. After anything that touched them.
    void flush(std::size_t place);
    agree::Voter voter(std::size_t place) const { return {nodes_[place].key, nodes_[place].standpoint.life}; }
    std::uint64_t trace() const { return trace_; }

  protected:
    virtual void started(std::size_t) {}
    virtual void crashed(std::size_t) {}
    virtual void result(std::size_t, const agree::OperationResult&) {}
    virtual void stepped(std::size_t) {}

    sim::Random random_;
    Weather weather_;
    std::vector<Node> nodes_;
    std::vector<std::uint32_t> group_;  ///< nodes of different groups do not hear each other

  private:
    struct Event {
        std::uint64_t time_us, id;
        std::function<void()> what;
        bool operator<(const Event& other) const { return std::tie(other.time_us, other.id) < std::tie(time_us, id); }
    };
    void send(std::size_t from, std::size_t to, const agree::Message& message);
    void deliver(std::size_t from, std::size_t to, const crdt::Bytes& bytes);
    void ask(std::size_t from, std::size_t to, const agree::Request& request);
    void synced(std::size_t place);
    void tick(std::size_t place);
    std::size_t place_of(const crdt::NodeKey& key) const;

    sim::Random network_;
    std::uint64_t now_us_ = 0, next_event_ = 0, trace_ = 0;
    std::priority_queue<Event> events_;
};

}  // namespace starling::agree_trial
