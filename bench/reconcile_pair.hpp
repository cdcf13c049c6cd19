// Two replicas with a common past and the session of the state diff between them, over the wire's bytes.
#pragma once

#include <deque>
#include <memory>
#include <random>

#include "bench/measure.hpp"
#include "bench/workload.hpp"
#include "gossip/diff_session.hpp"

namespace starling::bench {

/// What a session took.
struct Took {
    std::size_t bytes = 0;     ///< of all frames, both ways
    std::size_t control = 0;   ///< of those, what is not an entry's part: all, here, since nothing lives outside
    unsigned round_trips = 0;  ///< until the asker had applied the answer
    double seconds = 0;        ///< of both sides' processor time
    std::string by;            ///< how the sets were compared
    bool equal = false;
};

/// One end of the link.
class DiffEnd final : public gossip::DiffHost {
  public:
    DiffEnd(crdt::Replica& replica, const crdt::NodeKey& self)
        : replica_(replica), sessions(*this, limits_, counters, self) {}

    void send(const crdt::NodeKey&, const gossip::Message& message) override {
        if (const auto* sketch = std::get_if<gossip::DiffSketch>(&message))
            by += std::string(by.empty() ? "" : "+") + name_of(sketch->by);
        sent.push_back({gossip::encode(replica_.space(), message, refs_out), hop + 1});
    }
    const crdt::Replica& pinned() override { return replica_; }
    std::vector<gossip::Seal> seals_of(const crdt::Difference&) override { return {}; }
    crdt::Result<bool> apply(crdt::Difference difference, std::vector<gossip::Seal>) override {
        gossip::fill_in_equal(difference, replica_);
        if (auto valid = crdt::valid_difference(replica_, difference); !valid) return valid.fault();
        crdt::apply_difference(replica_, difference);
        applied_at_hop = hop;
        return true;
    }
    std::uint64_t random() override { return random_(); }
    std::optional<crdt::Version> untold(const crdt::NodeKey&) override { return {}; }
    std::optional<crdt::Version> heard(const crdt::NodeKey&, const crdt::Version&, const crdt::Fingerprint&) override {
        return {};
    }

    void receive(const crdt::NodeKey& from, const crdt::Bytes& frame) {
        auto message = gossip::decode(replica_.space(), frame, refs_in);
        STARLING_ASSERT(bool(message), "a frame of our own can be read");
        std::visit([&](auto& m) { on(from, m); }, *message);
    }

    struct Frame {
        crdt::Bytes bytes;
        unsigned hop;
    };
    std::deque<Frame> sent;
    unsigned hop = 0;
    unsigned applied_at_hop = 0;
    std::string by;

  private:
    static const char* name_of(gossip::CompareBy by) {
        constexpr const char* names[] = {"live dots", "sketch", "transitions", "folded"};
        return names[std::size_t(by)];
    }
    void on(const crdt::NodeKey& from, gossip::DiffBase& m) { sessions.on_base(from, std::move(m), 0); }
    void on(const crdt::NodeKey& from, gossip::DiffOpen& m) { sessions.on_open(from, m, 0); }
    void on(const crdt::NodeKey& from, gossip::DiffPart& m) { sessions.on_part(from, std::move(m), 0); }
    void on(const crdt::NodeKey& from, gossip::DiffAck& m) { sessions.on_ack(from, m, 0); }
    void on(const crdt::NodeKey& from, gossip::DiffEnd& m) { sessions.on_end(from, m, 0); }
    void on(const crdt::NodeKey& from, gossip::DiffSketch& m) { sessions.on_sketch(from, m, 0); }
    void on(const crdt::NodeKey& from, gossip::DiffMore& m) { sessions.on_more(from, m, 0); }
    void on(const crdt::NodeKey& from, gossip::DiffSums& m) { sessions.on_sums(from, m, 0); }
    void on(const crdt::NodeKey& from, gossip::DiffCells& m) { sessions.on_cells(from, m, 0); }
    template <class Other>
    void on(const crdt::NodeKey&, Other&) {}

    crdt::Replica& replica_;
    gossip::Limits limits_;
    gossip::RefSender refs_out;
    gossip::RefReceiver refs_in;
    std::mt19937_64 random_{1};

  public:
    gossip::Counters counters;
    gossip::DiffSessions sessions;
};

/// Two authors; what the first one writes comes to both.
class DivergedPair {
  public:
    Author a{1}, b{2};
    std::mt19937_64 random{7};
    std::vector<std::size_t> live;  ///< numbers of the fields that live at both

    /// `count` fields of which a tenth is erased again; before each, a hot counter takes `hot` dots.
    void past(std::size_t count, std::size_t hot) {
        const auto share = [this](const crdt::Changeset& changeset) { apply(b.replica(), changeset); };
        a.write(
            0, count, std::max<std::size_t>(1, 500 / (hot + 1)),
            [&](crdt::Transaction& tx, std::size_t i) {
                for (std::size_t more = 0; more < hot; ++more) crdt::Counter::add(tx, "hot", 1);
                crdt::Map::put(tx, "m", field_of(Keys::sequential, i), crdt::packed_nil());
            },
            share);
        std::vector<std::size_t> dead;
        for (std::size_t i = 0; i < count; ++i) (random() % 10 == 0 ? dead : live).push_back(i);
        a.write(
            0, dead.size(), 100,
            [&](crdt::Transaction& tx, std::size_t i) {
                crdt::Map::erase(tx, "m", field_of(Keys::sequential, dead[i]));
            },
            share);
    }
    /// Each erases half of `many` fields, alone or in runs of 50; nobody tells.
    void diverge(std::size_t many, bool clustered) {
        const std::size_t run = clustered ? std::min<std::size_t>(50, std::max<std::size_t>(1, many / 2)) : 1;
        std::vector<std::size_t> erased[2];
        std::vector<bool> taken(live.size());
        for (std::size_t done = 0; done < many;) {
            const auto begin = random() % (live.size() - run + 1);
            bool free = true;
            for (std::size_t i = begin; i < begin + run; ++i) free = free && !taken[i];
            if (!free) continue;
            for (std::size_t i = begin; i < begin + run && done < many; ++i, ++done) {
                taken[i] = true;
                erased[done / run % 2].push_back(live[i]);
            }
        }
        const auto nobody = [](const crdt::Changeset&) {};
        for (int who = 0; who < 2; ++who) {
            (who == 0 ? a : b)
                .write(
                    0, erased[who].size(), 100,
                    [&](crdt::Transaction& tx, std::size_t i) {
                        crdt::Map::erase(tx, "m", field_of(Keys::sequential, erased[who][i]));
                    },
                    nobody);
            died[who] = erased[who].size();
        }
        std::vector<std::size_t> left;
        for (std::size_t i = 0; i < live.size(); ++i) {
            if (!taken[i]) left.push_back(live[i]);
        }
        live = std::move(left);
    }
    std::size_t died[2] = {};

    Took reconcile() {
        const crdt::NodeKey names[2] = {{1}, {2}};
        DiffEnd ends[2] = {{a.replica(), names[0]}, {b.replica(), names[1]}};
        // The hellos of the link have defined its numbers.
        for (int i = 0; i < 2; ++i) {
            ends[i].send(names[1 - i], gossip::Hello{1, a.state().version(), {}, 0});
            ends[i].send(names[1 - i], gossip::Hello{1, b.state().version(), {}, 0});
            for (; !ends[i].sent.empty(); ends[i].sent.pop_front())
                ends[1 - i].receive(names[i], ends[i].sent.front().bytes);
        }
        Took took;
        took.seconds += seconds_of([&] { ends[0].sessions.ask(names[1], 0); });
        for (int i = 0; !ends[0].sent.empty() || !ends[1].sent.empty(); i = 1 - i) {
            while (!ends[i].sent.empty()) {
                const auto frame = std::move(ends[i].sent.front());
                ends[i].sent.pop_front();
                took.bytes += frame.bytes.size();
                ends[1 - i].hop = frame.hop;
                took.seconds += seconds_of([&] { ends[1 - i].receive(names[i], frame.bytes); });
            }
        }
        took.round_trips = (ends[0].applied_at_hop + 1) / 2;
        took.by = ends[0].by.empty() ? "digests" : ends[0].by;
        took.equal = a.state().version() == b.state().version() && a.state().fingerprint() == b.state().fingerprint();
        return took;
    }
};

}  // namespace starling::bench
