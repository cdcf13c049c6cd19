// The suite `overlay`: thousands of overlays over virtual links (sim/overlay_mesh.hpp), no data. How long survivors of
// a mass crash and halves of a split take to be one component, what a mesh at rest says, and a sweep over the sizes and
// times of OverlayLimits, from which docs/decisions/0005 chose. The same in every run: once is enough.
#include <algorithm>
#include <array>
#include <utility>

#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "sim/overlay_mesh.hpp"

namespace starling::bench {
namespace {

using sim::OverlayMesh;
using sim::OverlayMeshOptions;
constexpr std::uint64_t second_us = 1'000'000;
constexpr std::uint64_t step_us = second_us / 4;  // how finely times are measured

OverlayMeshOptions options_of(std::size_t nodes, std::uint64_t seed, const gossip::OverlayLimits& limits = {}) {
    OverlayMeshOptions options;
    options.nodes = nodes;
    options.seed = seed;
    options.limits = limits;
    return options;
}

/// 500 nodes a second join, then a minute passes.
void settle(OverlayMesh& mesh) {
    mesh.start_all(mesh.size() * second_us / 500);
    mesh.run_for(mesh.size() * second_us / 500 + 60 * second_us);
}

double seconds_to_one(OverlayMesh& mesh, std::uint64_t most_us) {
    const auto begin_us = mesh.now_us();
    while (mesh.now_us() < begin_us + most_us && mesh.components().size() > 1) mesh.run_for(step_us);
    return double(mesh.now_us() - begin_us) / second_us;
}

void crash_part_of(OverlayMesh& mesh, std::size_t percent, std::uint64_t seed) {
    sim::Random random(seed);
    std::vector<OverlayMesh::Place> places;
    for (OverlayMesh::Place place = 0; place < mesh.size(); ++place) places.push_back(place);
    random.shuffle(places);
    places.resize(places.size() * percent / 100);
    for (const auto place : places) mesh.crash(place);
}

void report(const std::string& subject, const std::string& metric, double value, const std::string& unit,
            std::optional<double> at_most, nlohmann::json params) {
    Figure figure{"overlay", subject, metric, value, unit, {}, {}, std::move(params)};
    if (at_most) figure.target = Target{Target::Of::value, Target::Is::at_most, *at_most};
    print(figure);
}

void crash(const Options& options) {
    const std::size_t nodes = options.quick ? 1'000 : 10'000;
    for (const auto& [percent, at_most] : {std::pair(80U, 20.0), std::pair(90U, 60.0)}) {
        OverlayMesh mesh(options_of(nodes, 1));
        settle(mesh);
        crash_part_of(mesh, percent, percent);
        const auto seconds = seconds_to_one(mesh, 120 * second_us);
        const auto components = mesh.components();
        report(std::to_string(percent) + " % of " + std::to_string(nodes) + " crash",
               "survivors in one component after", seconds, "s", at_most,
               {{"nodes", nodes}, {"survivors", nodes - nodes * percent / 100}, {"components", components.size()}});
    }
}

/// Meshes of 2 to 100 nodes with loss, split for 5 s to 6 h.
void split(const Options& options) {
    const std::uint64_t seeds = options.quick ? 50 : 1'000;
    std::uint64_t late = 0;
    std::vector<double> seconds;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        sim::Random random(seed);
        const auto nodes = random.between(2, 100);
        const auto away_permille = random.between(20, 500);
        const auto split_s = std::array{5, 15, 30, 60, 300, 900, 3'600, 21'600}[random.below(8)];
        auto mesh_options = options_of(nodes, seed);
        mesh_options.loss_permille = random.between(0, 20);
        OverlayMesh mesh(mesh_options);
        settle(mesh);
        std::vector<std::uint32_t> groups;
        while (groups.size() < nodes) groups.push_back(random.chance(away_permille) ? 1 : 0);
        mesh.set_groups(groups);
        mesh.run_for(std::uint64_t(split_s) * second_us);
        mesh.heal();
        seconds.push_back(seconds_to_one(mesh, 60 * second_us));
        late += mesh.components().size() > 1 ? 1 : 0;
    }
    std::sort(seconds.begin(), seconds.end());
    report(std::to_string(seeds) + " splits of 2 to 100 nodes", "not one component within a minute", double(late),
           "splits", 0,
           {{"median_s", seconds[seconds.size() / 2]},
            {"p99_s", seconds[seconds.size() * 99 / 100]},
            {"most_s", seconds.back()}});
}

void rest(const Options& options) {
    for (const std::size_t nodes : {5U, 20U, 100U, options.quick ? 1'000U : 10'000U}) {
        OverlayMesh mesh(options_of(nodes, 1));
        settle(mesh);
        mesh.run_for(60 * second_us);
        mesh.counters = {};
        constexpr std::uint64_t watched_s = 120;
        mesh.run_for(watched_s * second_us);
        const auto each = [&](std::uint64_t sum) { return double(sum) / double(nodes * watched_s); };
        report(std::to_string(nodes) + " nodes at rest", "said", each(mesh.counters.bytes), "B/s/node", {},
               {{"messages_per_s", each(mesh.counters.messages)},
                {"connects_per_s", each(mesh.counters.connects)},
                {"links_made", mesh.counters.activated}});
    }
}

struct Variant {
    std::string name;
    gossip::OverlayLimits limits;
};

std::vector<Variant> variants() {
    std::vector<Variant> all{{"as chosen", {}}};
    const auto vary = [&](const std::string& name, auto&& change) {
        gossip::OverlayLimits limits;
        change(limits);
        all.push_back({name, limits});
    };
    for (const auto& [target, most] : {std::pair(3U, 5U), {4U, 6U}, {5U, 7U}, {6U, 7U}, {8U, 10U}}) {
        vary("active " + std::to_string(target) + " to " + std::to_string(most), [&](auto& limits) {
            limits.active_target = target;
            limits.active_max = most;
            limits.stable_links = target / 2 + 1;
        });
    }
    for (const std::size_t most : {8U, 15U, 60U})
        vary("passive " + std::to_string(most), [&](auto& limits) { limits.passive_max = most; });
    for (const std::size_t most : {160U, 512U}) {
        vary("book " + std::to_string(most), [&](auto& limits) {
            limits.book_entries_max = most;
            limits.book_sampled = most / 4;
        });
    }
    for (const std::uint64_t seconds : {10U, 60U, 120U})
        vary("shuffle " + std::to_string(seconds) + " s",
             [&](auto& limits) { limits.shuffle_us = seconds * second_us; });
    for (const std::size_t dials : {3U, 12U})
        vary("dials " + std::to_string(dials), [&](auto& limits) { limits.dials_at_once_max = dials; });
    for (const std::uint64_t seconds : {10U, 120U})
        vary("probe " + std::to_string(seconds) + " s",
             [&](auto& limits) { limits.probe_us_max = seconds * second_us; });
    return all;
}

void sweep(std::size_t nodes, std::uint64_t seeds) {
    for (const auto& [name, limits] : variants()) {
        double bytes = 0, most_s = 0, sum_s = 0;
        std::uint64_t apart = 0;
        for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
            OverlayMesh mesh(options_of(nodes, seed, limits));
            settle(mesh);
            mesh.counters = {};
            mesh.run_for(30 * second_us);
            bytes += double(mesh.counters.bytes) / double(nodes) / 30 / double(seeds);
            crash_part_of(mesh, 90, seed);
            const auto seconds = seconds_to_one(mesh, 60 * second_us);
            apart += mesh.components().size() > 1 ? 1 : 0;
            most_s = std::max(most_s, seconds);
            sum_s += seconds;
        }
        report(std::to_string(nodes) + " nodes, " + name, "one component after 90 % crash", sum_s / double(seeds), "s",
               {}, {{"seeds", seeds}, {"most_s", most_s}, {"apart_after_60_s", apart}, {"rest_B_per_s", bytes}});
    }
}

void sweep_1k(const Options& options) {
    sweep(1'000, options.quick ? 1 : 5);
}
void sweep_10k(const Options&) {
    sweep(10'000, 1);
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(
        argc, argv,
        {{"crash", crash}, {"split", split}, {"rest", rest}, {"sweep-1k", sweep_1k}, {"sweep-10k", sweep_10k, true}});
}
