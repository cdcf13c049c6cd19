// Our engine over the same workload: peers as the simulator runs them, with real frames on every link. What travels is
// read off the links by a listener with a decoder of its own, as a receiver would read it.
#include <algorithm>
#include <deque>

#include "crdt/assert.hpp"
#include "crdt/views.hpp"
#include "gossip/wire.hpp"
#include "replay.hpp"
#include "sim/world.hpp"

namespace starling::bench::icde {

namespace {

using sim::Place;

/// Values a changeset brings: what the paper counts as elements.
std::uint64_t puts_of(const crdt::Changeset& changeset) {
    const auto body = crdt::decode_body(changeset);
    STARLING_ASSERT(body, "nodes write well-formed changesets");
    return body->puts.size();
}

/// Bytes of the bodies in a frame of changesets, as they travel.
std::uint64_t body_bytes(crdt::BytesView frame) {
    constexpr std::size_t items_max = gossip::message_items_max;
    crdt::Reader in(frame);
    const auto skip = [&](std::size_t items) {
        crdt::BytesView last;
        for (; items > 0; --items) last = in.item(frame.size(), 8);
        return last;
    };
    in.tuple(5);
    skip(4);
    in.tuple(3);
    skip(2);
    std::uint64_t bytes = 0;
    for (auto left = in.array(items_max); left > 0; --left) bytes += skip(in.array(items_max)).size();
    STARLING_ASSERT(in.done(), "a frame of changesets has one shape");
    return bytes;
}

/// Sees every frame as it is sent. Invariant: one decoder for each direction of a link.
class Listener {
  public:
    void hear(Place from, Place to, crdt::BytesView frame, Cost& cost) {
        cost.bytes += frame.size();
        ++cost.messages;
        const auto message = gossip::decode(0, frame, refs_[{from, to}]);
        STARLING_ASSERT(message, "links lose nothing here, so every frame can be read");
        const auto* changesets = std::get_if<gossip::Changesets>(&*message);
        if (changesets == nullptr) return;
        cost.payload += body_bytes(frame);
        for (const auto& changeset : changesets->changesets) cost.elements += puts_of(changeset);
    }

  private:
    std::map<std::pair<Place, Place>, gossip::RefReceiver> refs_;
};

/// Counts the values in each node's log, which drops the oldest by age.
class Logs final : public sim::Observer {
  public:
    Logs(const sim::World& world, std::uint64_t age_us) : world_(world), age_us_(age_us), logs_(world.nodes()) {}

    void handled(Place place, const gossip::Effects& effects) override {
        auto& log = logs_[place];
        for (const auto& changeset : effects.persist) {
            const auto puts = puts_of(*changeset);
            log.kept.emplace_back(world_.now_us(), puts);
            log.puts += puts;
        }
    }
    std::uint64_t puts(Place place) {
        auto& log = logs_[place];
        while (!log.kept.empty() && log.kept.front().first + age_us_ < world_.now_us()) {
            log.puts -= log.kept.front().second;
            log.kept.pop_front();
        }
        return log.puts;
    }

  private:
    struct Log {
        std::deque<std::pair<std::uint64_t, std::uint64_t>> kept;  ///< when, how many
        std::uint64_t puts = 0;
    };
    const sim::World& world_;
    std::uint64_t age_us_;
    std::vector<Log> logs_;
};

void apply(crdt::Transaction& tx, const Update& update) {
    switch (update.kind) {
        case Kind::set:
            if (!crdt::Set::contains(tx.state(), update.object, update.key))
                crdt::Set::add(tx, update.object, update.key);
            break;
        case Kind::counter:
            crdt::Counter::add(tx, update.object, 1);
            break;
        case Kind::map:
            crdt::Map::put(tx, update.object, update.key, update.value);
            break;
    }
}

sim::WorldOptions options_of(const Workload& work, const Mode& mode) {
    sim::WorldOptions options;
    options.nodes = work.nodes;
    options.edges = work.edges;
    options.network.delay_us_min = options.network.delay_us_max = link_delay_us;
    options.network.jitter_us_max = 0;
    options.network.straggler_permille = 0;
    options.skew_us_max = 0;
    if (mode.sync_each_second)  // nothing leaves by itself before the second is over
        options.limits.flush_window_us = options.limits.push_window_us = 2 * period_us;
    options.limits.digest_busy_us = options.limits.digest_busy_wide_us = mode.digest_us;
    options.limits.log_age_us_max = mode.log_age_us;
    return options;
}

class Run {
  public:
    Run(const Workload& work, const Mode& mode)
        : work_(work), mode_(mode), world_(options_of(work, mode), sim::Random(1)), logs_(world_, mode.log_age_us) {}

    /// What travels and what is held; the listening costs more time than the protocol.
    Cost measure() {
        world_.tamper = [this](Place from, Place to, crdt::Bytes frame) {
            listener_.hear(from, to, frame, cost_);
            return frame;
        };
        world_.attach(logs_);
        listening_ = true;
        run();
        for (auto* sum : {&cost_.state_elements, &cost_.held_elements}) *sum /= samples_;
        return cost_;
    }

    /// The same run with nobody listening.
    double cpu_s() {
        const auto began_s = cpu_now_s();
        run();
        return cpu_now_s() - began_s;
    }

  private:
    void run() {
        for (const auto& event : work_.events) world_.at(event.time_us, [this, &event] { write(event); });
        if (mode_.sync_each_second) {
            for (Place node = 0; node < work_.nodes; ++node) sync_at(work_.sync_at_us[node], node);
        }
        if (listening_) sample_at(start_us);
        world_.start();
        while (!level()) {
            STARLING_ASSERT(world_.now_us() < work_.end_us + patience_us, "the engine converges");
            world_.step(UINT64_MAX);
        }
        cost_.level_after_s = double(world_.now_us() - work_.end_us) / 1e6;
    }

    void write(const Event& event) {
        if (event.updates.empty()) return;
        world_.write(
            event.node,
            [&](crdt::Transaction& tx) {
                for (const auto& update : event.updates) apply(tx, update);
            },
            [](const crdt::Result<peer::Commit>& commit) { STARLING_ASSERT(commit, "an event is a valid write"); });
    }

    void sync_at(std::uint64_t time_us, Place node) {
        world_.at(time_us, [this, time_us, node] {
            world_.flush(node);
            sync_at(time_us + period_us, node);
        });
    }

    void sample_at(std::uint64_t time_us) {
        world_.at(time_us, [this, time_us] {
            if (time_us > work_.end_us) return;
            for (Place node = 0; node < work_.nodes; ++node) {
                const auto live = double(world_.peer(node)->state().live_count());
                cost_.state_elements += live;
                cost_.held_elements += live + double(logs_.puts(node));
                ++samples_;
            }
            sample_at(time_us + period_us);
        });
    }

    bool level() const {
        if (world_.now_us() <= work_.end_us) return false;
        const auto& first = *world_.peer(0);
        for (Place node = 0; node < work_.nodes; ++node) {
            const auto& peer = *world_.peer(node);
            if (peer.replica().window_open()) return false;
            if (peer.state().version_hash() != first.state().version_hash()) return false;
            STARLING_ASSERT(peer.state().fingerprint() == first.state().fingerprint(), "rule 1 holds");
        }
        return true;
    }

    const Workload& work_;
    Mode mode_;
    sim::World world_;
    Logs logs_;
    Listener listener_;
    Cost cost_;
    double samples_ = 0;
    bool listening_ = false;
};

}  // namespace

Cost replay_ours(const Workload& work, const Mode& mode) {
    auto cost = Run(work, mode).measure();
    cost.cpu_s = Run(work, mode).cpu_s();
    return cost;
}

}  // namespace starling::bench::icde
