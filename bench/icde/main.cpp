// icde-bench [--quick]: the ICDE 2019 experiment, ours beside the paper's algorithms, as lines of JSON.
//
// Every row is a workload on a topology. The references' figures are lines of their own; each figure of ours comes
// twice, against BP+RR and against Scuttlebutt.
#include <cstdlib>
#include <cstring>
#include <map>

#include "bench/figure.hpp"
#include "bench/icde/replay.hpp"

using namespace starling::bench;
using namespace starling::bench::icde;

namespace {

constexpr std::uint64_t events_quick = 10;         // of each node of the Retwis rows with --quick
constexpr double classic_zipf_max = 0.8;           // past it the classic algorithm sends gigabytes
constexpr double tree_gset_elements_max = 21'000;  // 1,500 adds × 14 links: the optimum
constexpr double mesh_gset_elements_max = 23'100;  // a tenth more than the optimum, which is the same

struct Metric {
    const char* name;
    const char* unit;
    double (*of)(const Cost&);
};
constexpr Metric metrics[] = {
    {"elements sent", "elements", [](const Cost& c) { return double(c.elements); }},
    {"payload", "B", [](const Cost& c) { return double(c.payload); }},
    {"metadata", "B", [](const Cost& c) { return double(c.metadata()); }},
    {"total bytes", "B", [](const Cost& c) { return double(c.bytes); }},
    {"memory", "elements/node", [](const Cost& c) { return c.held_elements; }},
    {"memory, state alone", "elements/node", [](const Cost& c) { return c.state_elements; }},
    {"CPU", "s", [](const Cost& c) { return c.cpu_s; }},
    {"all level after", "s", [](const Cost& c) { return c.level_after_s; }},
};

std::string row_of(const Workload& work) {
    return work.name + ", " + work.topology + " of " + std::to_string(work.nodes);
}

nlohmann::json params_of(const Workload& work, const Cost& cost) {
    return {{"nodes", work.nodes},      {"links", work.edges.size()},  {"events", work.events.size()},
            {"updates", work.updates},  {"sync_ms", period_us / 1000}, {"delay_ms", link_delay_us / 1000},
            {"messages", cost.messages}};
}

void print_reference(const Workload& work, Reference reference, const Cost& cost) {
    for (const auto& metric : metrics)
        print({"icde",
               row_of(work) + ": " + name_of(reference),
               metric.name,
               metric.of(cost),
               metric.unit,
               {},
               {},
               params_of(work, cost)});
}

std::optional<Target> target_of(const Workload& work, const std::string& metric) {
    if (metric == "total bytes") return Target{Target::Of::ratio, Target::Is::at_most, 1};
    if (metric != "elements sent" || work.name != "GSet") return {};
    const auto limit = work.topology == "tree" ? tree_gset_elements_max : mesh_gset_elements_max;
    return Target{Target::Of::value, Target::Is::at_most, limit};
}

/// `held` figures are held to the targets; the others are for comparison.
void print_ours(const Workload& work, const std::string& name, const Mode& mode, bool held, const Cost& cost,
                const std::map<Reference, Cost>& baselines) {
    auto params = params_of(work, cost);
    params["sync"] = mode.sync_each_second ? "each node flushed once a second" : "pushed at once";
    params["digest_ms"] = mode.digest_us / 1000;
    params["log_s"] = mode.log_age_us / 1'000'000;
    for (const auto& [reference, baseline] : baselines) {
        for (const auto& metric : metrics)
            print({"icde", row_of(work) + ": " + name, metric.name, metric.of(cost), metric.unit,
                   Baseline{name_of(reference), metric.of(baseline)},
                   held ? target_of(work, metric.name) : std::nullopt, params});
    }
}

bool runs(Reference reference, const Workload& work, double zipf, bool quick) {
    if (reference == Reference::bp_rr || reference == Reference::scuttlebutt) return true;
    if (zipf > 0) return reference == Reference::classic && zipf < classic_zipf_max;
    return !quick || work.name.starts_with("GSet") || work.name.starts_with("GCounter");
}

void run(const Workload& work, double zipf, bool quick) {
    std::map<Reference, Cost> baselines;
    for (const auto reference : references) {
        if (!runs(reference, work, zipf, quick)) continue;
        const auto cost = replay(reference, work);
        print_reference(work, reference, cost);
        if (reference == Reference::bp_rr || reference == Reference::scuttlebutt) baselines[reference] = cost;
    }
    const Mode each_second;
    print_ours(work, "ours", each_second, true, replay_ours(work, each_second), baselines);
    if (zipf > 0 || (quick && work.name != "GSet")) return;
    const Mode at_once{false, 100'000};
    print_ours(work, "ours, pushed at once", at_once, false, replay_ours(work, at_once), baselines);
}

}  // namespace

int main(int argc, char** argv) {
    const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
    if (argc > 1 && !quick) {
        std::cerr << "usage: icde-bench [--quick]\n";
        return 2;
    }
    for (const auto* topology : {"tree", "mesh"}) {
        const Shape shape{topology};
        run(gset(shape), 0, quick);
        run(gcounter(shape), 0, quick);
        for (const unsigned percent : {10, 30, 60, 100}) {
            if (!quick || percent == 10 || percent == 100) run(gmap(shape, percent), 0, quick);
        }
    }
    for (const double zipf : {0.5, 0.75, 1.0, 1.25, 1.5}) {
        const Shape shape{"mesh", 50, quick ? events_quick : 100};
        if (!quick || zipf == 0.5 || zipf == 1.5) run(retwis(shape, zipf), zipf, quick);
    }
}
