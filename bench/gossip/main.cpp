// The suite `gossip`: how changesets spread over a random 6-regular overlay with links of 10 to 100 ms, ours beside
// flooding and shared-tree Plumtree on the same links, from the same writers, in the same run.
#include <algorithm>
#include <optional>
#include <string>

#include "bench/figure.hpp"
#include "bench/gossip/reference.hpp"
#include "bench/measure.hpp"
#include "sim/trial.hpp"

namespace {

using namespace starling;
using bench::Baseline;
using bench::Figure;
using bench::Target;

constexpr std::uint64_t seed = 1;

/// What is added to a scenario: sizes of a run.
struct Sizes {
    std::size_t nodes;
    std::uint64_t writers, writes, every_us;
};

struct Run {
    sim::TrialOutcome outcome;
    double cpu_seconds = 0;

    double rmr() const {
        const auto& counters = outcome.counters;
        return per(counters.changesets_redundant, counters.changesets_received - counters.changesets_redundant);
    }
    double last() const { return per(outcome.spread.last_permille, outcome.spread.measured) / 1000; }
    double p99() const { return per(outcome.spread.p99_permille, outcome.spread.measured) / 1000; }
    double hops() const { return per(outcome.spread.last_hops, outcome.spread.measured); }
    double control() const { return per(outcome.counters.control_bytes_sent, useful()); }
    double bytes() const { return per(outcome.counters.bytes_sent, useful()); }
    std::uint64_t useful() const {
        return outcome.counters.changesets_received - outcome.counters.changesets_redundant;
    }
    static double per(std::uint64_t a, std::uint64_t b) { return b == 0 ? 0 : double(a) / double(b); }
};

Run run(const sim::Plan& plan, sim::StationMaker station) {
    sim::TrialOptions options;
    options.station = std::move(station);
    Run run;
    run.cpu_seconds = bench::seconds_of([&] { run.outcome = sim::run_trial(plan, seed, options); });
    return run;
}

sim::Plan plan_of(const std::string& scenario, const Sizes& sizes) {
    for (const auto& [name, text] : sim::scenarios()) {
        if (name != scenario) continue;
        auto plan = sim::read_plan(name, text);
        STARLING_ASSERT(plan, "the scenarios that are built in can be read");
        plan->nodes = sizes.nodes;
        plan->writers = sizes.writers;
        plan->writes = sizes.writes;
        plan->every_us = sizes.every_us;
        return *plan;
    }
    STARLING_ASSERT(false, "the suite names scenarios that there are");
    return {};
}

/// One scenario: ours first, so that its memory is that of a fresh process.
class Report {
  public:
    Report(const std::string& scenario, const Sizes& sizes) : subject_(scenario), sizes_(sizes) {
        const auto plan = plan_of(scenario, sizes);
        ours_ = run(plan, {});
        flood_ = run(plan, bench::gossip::flooding());
        tree_ = run(plan, bench::gossip::plumtree());
    }

    void print() const {
        const bool many = sizes_.writers > 1;
        figure("rmr", ours_.rmr(), "copies", plumtree(&Run::rmr), at_most(0.1));
        figure("rmr of flooding", flood_.rmr(), "copies", {}, {});
        figure("ldh", ours_.hops(), "hops", plumtree(&Run::hops), at_most(15));
        figure("last", ours_.last(), "shortest times", flooding(&Run::last),
               Target{Target::Of::ratio, Target::Is::at_most, 1.3});
        figure("p99", ours_.p99(), "shortest times", plumtree(&Run::p99), at_most(1.3));
        figure("last of plumtree", tree_.last(), "shortest times", flooding(&Run::last), {});
        figure("control", ours_.control(), "B a changeset and node", plumtree(&Run::control),
               many ? at_most(16) : std::nullopt);
        figure("all bytes", ours_.bytes(), "B a changeset and node", flooding(&Run::bytes), {});
        figure("measured", Run::per(ours_.outcome.spread.measured, ours_.outcome.spread.changesets), "of all", {},
               Target{Target::Of::value, Target::Is::at_least, 1});
        print_costs();
    }

  private:
    using Value = double (Run::*)() const;
    Baseline plumtree(Value value) const { return {"shared-tree Plumtree", (tree_.*value)()}; }
    Baseline flooding(Value value) const { return {"flooding", (flood_.*value)()}; }
    static std::optional<Target> at_most(double limit) { return Target{Target::Of::value, Target::Is::at_most, limit}; }

    void print_costs() const {
        const auto& outcome = ours_.outcome;
        const auto mebi = double(1 << 20);
        const auto grown = [&](std::size_t bytes) {
            return double(bytes - std::min(bytes, outcome.resident_before)) / double(outcome.nodes);
        };
        figure("events", double(outcome.events) / 1e6, "M", {}, {});
        figure("speed", double(outcome.events) / ours_.cpu_seconds / 1e3, "k events/s",
               Baseline{"flooding", double(flood_.outcome.events) / flood_.cpu_seconds / 1e3}, {});
        figure("processor time", ours_.cpu_seconds, "s", {}, {});
        figure("memory, idle node", grown(outcome.resident_idle) / 1024, "KiB", {}, {});
        figure("memory, node at the end", grown(outcome.resident_end) / 1024, "KiB", {}, {});
        figure("memory of it all", double(outcome.resident_end) / mebi, "MiB", {}, {});
    }

    void figure(const std::string& metric, double value, const std::string& unit, std::optional<Baseline> baseline,
                std::optional<Target> target) const {
        Figure figure{"gossip", subject_, metric, value, unit, std::move(baseline), target, {}};
        figure.params["nodes"] = sizes_.nodes;
        figure.params["writers"] = sizes_.writers;
        figure.params["writes of each"] = sizes_.writes;
        figure.params["converged"] = ours_.outcome.converged;
        bench::print(figure);
    }

    std::string subject_;
    Sizes sizes_;
    Run ours_, flood_, tree_;
};

void one_writer(const bench::Options& options) {
    Report("one-writer", options.quick ? Sizes{500, 1, 30, 100'000} : Sizes{10'000, 1, 30, 200'000}).print();
}
void some_writers(const bench::Options& options) {
    Report("many-writers", options.quick ? Sizes{500, 50, 10, 20'000} : Sizes{10'000, 100, 30, 20'000}).print();
}
void resend(const bench::Options& options) {
    Report("resend", options.quick ? Sizes{500, 20, 10, 50'000} : Sizes{10'000, 20, 30, 50'000}).print();
}
/// 1 % of the nodes a minute.
void churn(const bench::Options& options) {
    Report("churn", options.quick ? Sizes{500, 20, 10, 100'000} : Sizes{10'000, 20, 30, 100'000}).print();
}

const std::vector<bench::Part> parts{
    {"one-writer", one_writer}, {"many-writers", some_writers}, {"resend", resend}, {"churn", churn}};

}  // namespace

int main(int argc, char** argv) {
    return bench::run_parts(argc, argv, parts);
}
