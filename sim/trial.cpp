#include "sim/trial.hpp"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <unistd.h>

#include "crdt/views.hpp"

namespace starling::sim {

namespace {

constexpr std::uint64_t look_us = 100'000;  // between two looks whether every node is level
constexpr std::uint64_t minute_us = 60'000'000;

/// What this process holds in memory.
std::size_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::size_t total = 0, resident = 0;
    statm >> total >> resident;
    return resident * std::size_t(sysconf(_SC_PAGESIZE));
}

/// Draws one of several.
class Chooser {
  public:
    Chooser(Choice choice, std::uint64_t many) : choice_(choice), many_(many) {
        if (choice != Choice::zipf) return;
        std::uint64_t sum = 0;
        for (std::uint64_t rank = 1; rank <= many; ++rank) sums_.push_back(sum += (1ULL << 32) / rank);
    }

    std::uint64_t draw(Random& random) {
        if (choice_ == Choice::turns) return turn_++ % many_;
        if (choice_ == Choice::uniform) return random.below(many_);
        const auto at = std::upper_bound(sums_.begin(), sums_.end(), random.below(sums_.back()));
        return std::uint64_t(at - sums_.begin());
    }

  private:
    Choice choice_;
    std::uint64_t many_;
    std::uint64_t turn_ = 0;
    std::vector<std::uint64_t> sums_;
};

class Trial {
  public:
    Trial(const Plan& plan, std::uint64_t seed, const TrialOptions& options)
        : plan_(plan),
          seed_(seed),
          resident_before_(resident_bytes()),
          random_(seed),
          world_{world_options(plan, random_, options), random_.fork()},  // braces: the draws come in this order
          meter_(world_),
          writers_(places(random_)),
          origins_(plan.origins, std::min<std::uint64_t>(plan.writers, plan.nodes)),
          keys_(plan.key_choice, plan.keys),
          writes_(random_.fork()),
          misfortune_(random_.fork()) {
        writers_.resize(std::min<std::size_t>(plan.writers, plan.nodes));
        world_.attach(meter_);
        if (options.trace != nullptr) world_.trace().follow(*options.trace);
    }

    TrialOutcome run() {
        world_.start();
        run_until(plan_.warm_us);
        meter_.begin();
        const auto resident_idle = resident_bytes();
        const auto last_us = plan_.warm_us + schedule();
        run_until(last_us);
        const bool converged = settle(last_us + plan_.patience_us);
        world_.network().check();
        auto outcome = report(converged, last_us);
        outcome.resident_before = resident_before_;
        outcome.resident_idle = resident_idle;
        outcome.resident_end = resident_bytes();
        return outcome;
    }

  private:
    static WorldOptions world_options(const Plan& plan, Random& random, const TrialOptions& options) {
        WorldOptions world;
        world.nodes = plan.nodes;
        world.edges = edges_of(plan.topology, plan.nodes, random, plan.degree);
        world.network = plan.network;
        world.limits = plan.limits;
        world.skew_us_max = plan.skew_us_max;
        world.station = options.station;
        world.sealed = options.sealed;
        return world;
    }

    /// All places in an order without meaning.
    std::vector<Place> places(Random& random) const {
        std::vector<Place> all(plan_.nodes);
        std::iota(all.begin(), all.end(), Place{0});
        random.shuffle(all);
        return all;
    }
    std::vector<Place> some_places(std::uint64_t permille) {
        auto all = places(misfortune_);
        all.resize(all.size() * permille / 1000);
        return all;
    }

    void run_until(std::uint64_t until_us) {
        world_.at(until_us, [] {});
        while (world_.step(until_us)) {
        }
    }
    void after(std::uint64_t us, std::function<void()> act) { world_.at(world_.now_us() + us, std::move(act)); }

    /// Everything that the plan says; returns how long it takes.
    std::uint64_t schedule() {
        const auto writes = plan_.writes * writers_.size();
        const auto writing_us = writes * plan_.every_us;
        if (writes > 0) write_on(writes);
        const auto churned = plan_.nodes * plan_.churn_permille / 1000;
        if (churned > 0) churn_on(minute_us / churned, world_.now_us() + writing_us);
        auto last_us = writing_us + (churned > 0 ? plan_.churn_away_us : 0);
        for (const auto& fault : plan_.faults) {
            after(fault.at_us, [this, fault] { befall(fault); });
            last_us = std::max(last_us, fault.at_us + fault.for_us);
        }
        return last_us;
    }

    // -- writing
    void write_on(std::uint64_t left) {
        after(plan_.every_us, [this, left] {
            write(writers_[origins_.draw(writes_)]);
            if (left > 1) write_on(left - 1);
        });
    }

    void write(Place place) {
        const auto key = crdt::pack_int(std::int64_t(keys_.draw(writes_)));
        const auto number = std::to_string(++written_);
        const auto padding = plan_.value_bytes - std::min<std::size_t>(plan_.value_bytes, number.size());
        if (!world_.running(place) || world_.paused(place)) return;
        world_.write(
            place,
            [&](crdt::Transaction& tx) {
                crdt::Map::put(tx, "m", key, crdt::pack_str(number + crdt::Bytes(padding, '.')));
            },
            [](const crdt::Result<peer::Commit>& commit) {
                STARLING_ASSERT(commit, "nothing is wrong with the writes of a plan");
            });
    }

    // -- faults
    void churn_on(std::uint64_t every_us, std::uint64_t until_us) {
        after(every_us, [this, every_us, until_us] {
            if (world_.now_us() > until_us) return;
            const auto place = misfortune_.below(plan_.nodes);
            if (world_.running(place)) crash(place, plan_.churn_away_us);
            churn_on(every_us, until_us);
        });
    }

    void crash(Place place, std::uint64_t for_us) {
        ++faults_["crash"];
        world_.crash(place);
        if (for_us == 0) return;
        after(for_us, [this, place] {
            if (!world_.running(place)) world_.restart(place);
        });
    }

    void befall(const PlannedFault& fault) {
        using Kind = PlannedFault::Kind;
        if (fault.kind == Kind::split || fault.kind == Kind::split_one_way) return split(fault);
        if (fault.kind == Kind::cut) return cut(fault.permille);
        const auto places = some_places(fault.permille);
        for (const auto place : places) {
            if (fault.kind == Kind::crash) {
                if (world_.running(place)) crash(place, fault.for_us);
            } else if (fault.kind == Kind::pause) {
                ++faults_["pause"];
                world_.pause(place, world_.now_us() + fault.for_us);
            } else if (fault.kind == Kind::slow) {
                ++faults_["slow"];
                world_.slow_down(place, fault.amount);
            } else if (fault.kind == Kind::upload) {
                ++faults_["upload"];
                world_.network().set_upload(place, fault.amount);
            } else {
                ++faults_["clock"];
                const auto error_us = std::int64_t(misfortune_.below(2 * fault.amount + 1));
                world_.set_clock(place, error_us - std::int64_t(fault.amount));
            }
        }
        const bool slows = fault.kind == Kind::slow || fault.kind == Kind::upload;
        if (slows && fault.for_us > 0) after(fault.for_us, [this, places] { speed_up(places); });
    }

    void speed_up(const std::vector<Place>& places) {
        for (const auto place : places) {
            world_.slow_down(place, 0);
            world_.network().set_upload(place, 0);
        }
    }

    void split(const PlannedFault& fault) {
        ++faults_["split"];
        std::vector<bool> marked(plan_.nodes);
        for (const auto place : some_places(fault.permille)) marked[place] = true;
        world_.network().split(marked, fault.kind == PlannedFault::Kind::split_one_way);
        after(fault.for_us, [this] { world_.network().rejoin(); });
    }

    void cut(std::uint64_t permille) {
        const auto edges = world_.network().edges();
        for (const auto& [a, b] : edges) {
            if (misfortune_.chance(permille)) world_.network().cut(a, b);
        }
    }

    // -- the end
    bool settle(std::uint64_t until_us) {
        while (!level()) {
            if (world_.now_us() >= until_us) return false;
            run_until(std::min(until_us, world_.now_us() + look_us));
        }
        return true;
    }

    bool level() const {
        const peer::Peer* first = nullptr;
        for (Place place = 0; place < plan_.nodes; ++place) {
            const auto* peer = world_.peer(place);
            if (peer == nullptr) continue;
            if (first == nullptr) first = peer;
            if (peer->replica().window_open() || peer->state().version_hash() != first->state().version_hash() ||
                peer->state().fingerprint() != first->state().fingerprint())
                return false;
        }
        return first != nullptr || meter_.open() == 0;
    }

    std::uint64_t reached() const {
        crdt::Version all;
        for (Place place = 0; place < plan_.nodes; ++place) {
            if (world_.peer(place) == nullptr) continue;
            world_.peer(place)->state().each_life(
                [&](const crdt::ReplicaId& id, crdt::Seq seen, crdt::Stamp) { all[id] = std::max(all[id], seen); });
        }
        std::uint64_t reached = 0;
        const auto hash = crdt::version_hash(all);
        for (Place place = 0; place < plan_.nodes; ++place) {
            const auto* peer = world_.peer(place);
            if (peer != nullptr && peer->state().version_hash() == hash) ++reached;
        }
        return reached;
    }

    TrialOutcome report(bool converged, std::uint64_t last_us) const {
        TrialOutcome outcome;
        outcome.plan = plan_.name;
        outcome.seed = seed_;
        outcome.nodes = plan_.nodes;
        outcome.trace_hash = world_.trace().hash();
        outcome.events = world_.trace().events();
        outcome.converged = converged;
        outcome.converged_us = world_.now_us() - last_us;
        for (Place place = 0; place < plan_.nodes; ++place) outcome.running += world_.running(place) ? 1 : 0;
        outcome.reached = converged ? outcome.running : reached();
        outcome.spread = meter_.spread();
        outcome.counters = meter_.counters();
        outcome.faults = faults_;
        for (const auto& [fault, count] : world_.network().faults()) outcome.faults[fault] += count;
        return outcome;
    }

    const Plan& plan_;
    std::uint64_t seed_;
    std::size_t resident_before_;
    Random random_;
    World world_;
    Meter meter_;
    std::vector<Place> writers_;
    Chooser origins_, keys_;
    Random writes_, misfortune_;
    std::uint64_t written_ = 0;
    FaultCounts faults_;
};

}  // namespace

TrialOutcome run_trial(const Plan& plan, std::uint64_t seed, const TrialOptions& options) {
    return Trial(plan, seed, options).run();
}

}  // namespace starling::sim
