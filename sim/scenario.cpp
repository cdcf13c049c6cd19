#include "sim/scenario.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "sim/checker.hpp"

namespace starling::sim {

Config Config::drawn(std::size_t nodes, std::uint64_t seed) {
    Config config;
    config.nodes = nodes;
    config.seed = seed;
    Random random(seed ^ 0x5ce7'a210'0000'0000ULL);  // another stream than the run's
    const auto either = [&](std::uint64_t permille, auto often, decltype(often) seldom) {
        return random.chance(permille) ? seldom : often;
    };
    config.topology = random.chance(400) ? Topology::full : Topology(random.below(topologies));
    auto& network = config.network;
    network.loss_permille = either(600, 0U, unsigned(random.below(100)));
    network.duplicate_permille = either(600, 0U, unsigned(random.below(100)));
    network.reorder_permille = either(600, 0U, unsigned(random.below(200)));
    network.delay_us_max = either(300, 10'000U, 150'000U);
    config.skew_us_max = either(300, 2'000U, 200'000'000U);
    auto& limits = config.limits;
    limits.flush_window_us = std::array{0U, 2'000U, 2'000U, 100'000U}[random.below(4)];
    limits.log_bytes_max = std::array{64U << 20, 8'000U, 3'000U, 0U}[random.below(4)];
    limits.log_age_us_max = either(250, limits.log_age_us_max, 500'000);
    limits.waiting_bytes_max = either(300, limits.waiting_bytes_max, 6'000);
    limits.frame_changesets_bytes_max = either(300, limits.frame_changesets_bytes_max, 300);
    limits.unacked_bytes_max = either(300, limits.unacked_bytes_max, 600);
    limits.diff_part_bytes_max = either(400, limits.diff_part_bytes_max, 300);
    limits.diff_parts_in_flight_max =
        either(300, limits.diff_parts_in_flight_max, network.delay_us_max > 10'000 ? 2 : 1);
    limits.diffs_served_max = either(300, limits.diffs_served_max, 1);
    limits.push_window_us = std::array{0U, 0U, 20'000U, 200'000U}[random.below(4)];
    limits.hello_lines_unasked_max = std::array{32U, 2U, 0U}[random.below(3)];
    return config;
}

Config Config::drawn_with_disks(std::size_t nodes, std::uint64_t seed) {
    auto config = drawn(nodes, seed);
    Random random(seed ^ 0xd15c'0000'0000'0000ULL);
    config.rates.crash = 40;
    DiskOptions disks;
    disks.commit_us_max = std::array{0U, 3'000U, 30'000U, 300'000U}[random.below(4)];
    disks.limits.fold_log_bytes = std::array{0U, 1'000U, 4'000U, 1U << 20}[random.below(4)];
    disks.limits.fold_rows_min = std::array{2U, 256U}[random.below(2)];
    disks.limits.log_bytes_max = std::array{2'000U, 64U << 20}[random.below(2)];
    disks.checkpoint_pages = std::array{6, 40}[random.below(2)];
    config.disks = disks;
    return config;
}

namespace {

constexpr std::uint64_t outage_us_max = 4'000'000;  // of a crashed node, a blocked link, a partition
constexpr std::uint64_t pause_us_max = 900'000;     // shorter than heartbeats take to time out
constexpr std::uint64_t burst_max = 4;              // transactions in one step

class Scenario {
  public:
    explicit Scenario(const Config& config)
        : config_(config),
          random_(config.seed),
          workload_({}, random_.fork()),
          options_(world_options(config, random_)),
          world_(options_, random_.fork()),  // not in one expression: the order of its draws would be the compiler's
          checker_(world_, config.check_every, config.liars) {
        world_.tamper = config.tamper;
        if (config.trace != nullptr) world_.trace().follow(*config.trace);
        world_.attach(checker_);
    }

    Outcome run() {
        world_.start();
        schedule(config_.steps);
        while (going() && !healed_us_) step(UINT64_MAX);
        Outcome outcome;
        if (going()) {
            const auto surviving = checker_.surviving();
            while (going() && !checker_.converged() && step(*healed_us_ + converge_us_max)) {
            }
            outcome.converged = checker_.converged();
            const auto digest_us = config_.limits.digest_busy_us;
            outcome.rounds = (world_.now_us() - *healed_us_ + digest_us - 1) / digest_us;
            if (going()) judge_end(outcome.converged, surviving);
        }
        return report(std::move(outcome));
    }

  private:
    static WorldOptions world_options(const Config& config, Random& random) {
        WorldOptions options;
        options.nodes = config.nodes;
        if (!config.overlay) options.edges = edges_of(config.topology, config.nodes, random);
        options.overlay = config.overlay;
        options.network = config.network;
        options.limits = config.limits;
        options.skew_us_max = config.skew_us_max;
        options.disks = config.disks;
        options.sealed = config.sealed;
        return options;
    }

    bool going() const { return !checker_.verdict(); }

    bool step(std::uint64_t until_us) {
        if (world_.trace().events() > events_max) checker_.fail(0, "the world does not come to rest");
        return world_.step(until_us);
    }

    /// One step after another; after the last everything heals.
    void schedule(std::uint64_t left) {
        world_.at(world_.now_us() + random_.below(config_.step_us_max + 1), [this, left] {
            if (left == 0) return heal();
            act();
            schedule(left - 1);
        });
    }

    void act() {
        auto draw = random_.below(1000);
        const auto befalls = [&](std::uint64_t permille) {
            const bool hit = draw < permille;
            draw = hit ? 1000 : draw - std::min(draw, permille);
            return hit;
        };
        const auto& rates = config_.rates;
        if (befalls(rates.crash)) return crash();
        if (befalls(rates.partition)) return partition();
        if (befalls(rates.block)) return block();
        if (befalls(rates.cut)) return cut();
        if (befalls(rates.pause)) return pause();
        if (befalls(rates.clock)) return set_clock();
        const auto place = random_.below(config_.nodes);
        if (!awake(place)) return;
        for (auto left = random_.between(1, burst_max); left > 0 && going(); --left) write(place);
        if (random_.chance(100)) world_.flush(place);
    }

    bool awake(Place place) const { return world_.peer(place) != nullptr && !world_.paused(place); }

    // -- writing
    void write(Place place) {
        const auto intents = workload_.draw();
        const bool gives_up = random_.chance(20);
        const auto& peer = *world_.peer(place);
        LocalTransaction done;
        const auto perform_all = [&](crdt::Transaction& tx) {
            const auto& self = *peer.replica().self();
            auto context = peer.version();
            done = perform(tx, self, crdt::seen(context, self) + 1, intents);
            done.context = std::move(context);
            done.stamp = stamp_of(done, tx.state());
            if (gives_up) tx.fail({crdt::FaultCode::refused, "the application changed its mind"});
        };
        world_.write(place, perform_all, [&](const crdt::Result<peer::Commit>& commit) {
            if (gives_up != !commit) return checker_.fail(place, "a transaction did not end as it should");
            if (gives_up) return;
            const bool wrote = !done.operations.empty();
            if (commit->wrote != wrote) return checker_.fail(place, "a commit does not know whether it wrote");
            if (!wrote) return;
            if (commit->last != crdt::Dot{done.origin, done.last()})
                return checker_.fail(place, "a transaction took other dots than its operations say");
            ++transactions_;
            checker_.record(std::move(done));
        });
    }

    // -- faults
    std::uint64_t outage_end_us() { return world_.now_us() + random_.below(outage_us_max); }
    void fired(const char* fault) { ++faults_[fault]; }

    void crash() {
        const auto place = random_.below(config_.nodes);
        if (world_.peer(place) == nullptr) return;
        fired("crash");
        world_.crash(place);
        if (config_.disks) change_disk(place);
        world_.at(outage_end_us(), [this, place] {
            if (world_.peer(place) == nullptr) world_.restart(place);
        });
    }

    /// An older backup of its own, or another node's disk. Backups are made now and then.
    void change_disk(Place place) {
        const auto draw = random_.below(1000);
        const auto other = random_.below(config_.nodes);
        if (draw < config_.rates.restored && backups_.contains(place)) {
            fired("restore");
            world_.change_disk(place, backups_[place]);
        } else if (draw >= 1000 - config_.rates.cloned && world_.peer(other) != nullptr) {
            fired("clone");
            world_.change_disk(place, world_.backup(other));
        }
        if (world_.peer(other) != nullptr && random_.chance(500)) backups_[other] = world_.backup(other);
    }

    void block_until(const Edge& edge, std::uint64_t end_us) {
        world_.network().block(edge.first, edge.second);
        world_.at(end_us, [this, edge] { world_.network().unblock(edge.first, edge.second); });
    }

    void partition() {
        fired("partition");
        const auto end_us = outage_end_us();
        std::vector<bool> side;
        while (side.size() < config_.nodes) side.push_back(random_.chance(500));
        for (const auto& edge : possible_edges()) {
            if (side[edge.first] != side[edge.second]) block_until(edge, end_us);
        }
    }

    /// An overlay may dial anybody.
    Edges possible_edges() {
        return config_.overlay ? edges_of(Topology::full, config_.nodes, random_) : world_.network().edges();
    }

    const Edge* any_edge() {
        const auto& edges = world_.network().edges();
        if (edges.empty()) return nullptr;
        return &*std::next(edges.begin(), std::ptrdiff_t(random_.below(edges.size())));
    }

    void block() {
        const auto* edge = any_edge();
        if (edge == nullptr) return;
        fired("block");
        block_until(*edge, outage_end_us());
    }

    void cut() {
        if (const auto* edge = any_edge()) world_.network().cut(edge->first, edge->second);
    }

    void pause() {
        const auto place = random_.below(config_.nodes);
        if (!awake(place)) return;
        fired("pause");
        world_.pause(place, world_.now_us() + random_.below(pause_us_max));
    }

    void set_clock() {
        fired("clock");
        const auto error_us = std::int64_t(random_.below(2 * config_.skew_us_max + 1));
        world_.set_clock(random_.below(config_.nodes), error_us - std::int64_t(config_.skew_us_max));
    }

    void heal() {
        healed_us_ = world_.now_us();
        world_.network().calm();
        for (const auto& [a, b] : possible_edges()) world_.network().unblock(a, b);
        for (Place place = 0; place < config_.nodes; ++place) {
            if (world_.peer(place) == nullptr) world_.restart(place);
        }
    }

    // -- the end
    void judge_end(bool converged, const crdt::Version& surviving) {
        if (!converged) return checker_.fail(0, "the nodes did not converge: " + versions());
        const auto& version = world_.peer(0)->state().version();
        if (!crdt::covers(version, surviving))
            return checker_.fail(0, "what survived was lost: " + name_of(surviving) + " against " + name_of(version));
        const auto end_us = world_.now_us() + settle_us_max;
        while (going() && !settled() && step(end_us)) {
        }
        if (going() && !settled()) checker_.fail(0, "nodes do not know that they are level: " + versions());
        if (going() && !checker_.converged()) checker_.fail(0, "the nodes converged and then parted");
        world_.check();
    }

    bool settled() const {
        for (const auto& [a, b] : world_.network().edges()) {
            if (!world_.peer(a)->synced() || !world_.peer(b)->synced()) return false;
        }
        return true;
    }

    std::string versions() const {
        std::string text;
        for (Place place = 0; place < config_.nodes; ++place) {
            const auto& peer = *world_.peer(place);
            text += "\n    node " + std::to_string(place) + " " + name_of(peer.version());
            if (peer.replica().window_open()) text += ", its window is open";
            for (const auto& link : peer.status().links)
                text += "\n      " + crdt::short_name(link.peer) + " lag " + std::to_string(link.lag) + " behind " +
                        std::to_string(link.behind) + (link.synced ? " synced" : "");
        }
        return text;
    }

    Outcome report(Outcome outcome) const {
        outcome.seed = config_.seed;
        outcome.nodes = config_.nodes;
        outcome.topology = config_.topology;
        outcome.trace_hash = world_.trace().hash();
        outcome.events = world_.trace().events();
        outcome.transactions = transactions_;
        outcome.faults = faults_;
        for (const auto& [fault, count] : world_.network().faults()) outcome.faults[fault] += count;
        for (Place place = 0; place < config_.nodes; ++place) {
            if (world_.peer(place) == nullptr) continue;
            const auto& counters = world_.peer(place)->counters();
            outcome.pulls += counters.pulls;
            outcome.diffs += counters.diffs;
            outcome.waited += counters.changesets_waited;
        }
        if (checker_.verdict()) outcome.violation = *checker_.verdict() + "\n" + world_.trace().story();
        return outcome;
    }

    Config config_;
    Random random_;
    Workload workload_;
    WorldOptions options_;
    World world_;
    Checker checker_;
    FaultCounts faults_;
    std::map<Place, VirtualDisk::Image> backups_;
    std::uint64_t transactions_ = 0;
    std::optional<std::uint64_t> healed_us_;
};

}  // namespace

Outcome run(const Config& config) {
    return Scenario(config).run();
}

}  // namespace starling::sim
