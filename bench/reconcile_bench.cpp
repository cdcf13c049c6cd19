// The suite `reconcile`: two replicas of n live entries that differ in d removals, brought level by the state diff;
// every byte of the session counted, both ways, beside what is needed at least, rateless IBLT and the full state.
#include "bench/figure.hpp"
#include "bench/reconcile_iblt.hpp"
#include "bench/reconcile_pair.hpp"
#include "crdt/export.hpp"

namespace starling::bench {
namespace {

double log2_choose(double many, double chosen) {
    return (std::lgamma(many + 1) - std::lgamma(chosen + 1) - std::lgamma(many - chosen + 1)) / std::log(2.0);
}

struct Iblts {
    std::size_t bytes;
    double seconds;
};
Iblts iblts(std::size_t live, std::size_t differences) {
    std::vector<std::uint64_t> differing;
    for (std::size_t i = 0; i < differences; ++i) differing.push_back(iblt_mixed(live + i + 1));
    const auto coded = iblt_coded_needed(differing);
    const double seconds = seconds_of([&] {
        Iblt mine(coded), theirs(coded);
        for (std::size_t i = 1; i <= live; ++i) mine.flip(iblt_mixed(i));
        for (std::size_t i = 1; i <= live; ++i) theirs.flip(iblt_mixed(i));
        keep(mine);
        keep(theirs);
    });
    return {coded * Iblt::coded_bytes, seconds};
}

/// Several sessions of one kind: medians, and the 95th percentile of the round trips.
void measure(DivergedPair& pair, const std::string& scene, std::size_t differences, bool clustered, std::size_t runs,
             bool held_to_targets, double past_per_live) {
    std::vector<double> bytes, seconds, trips;
    double opt = 0;
    std::string by;
    const auto live = pair.live.size();
    runs = std::min(runs, std::max<std::size_t>(1, live / (8 * differences)));  // each leaves fewer
    for (std::size_t run = 0; run < runs; ++run) {
        const auto before = double(pair.live.size());
        pair.diverge(differences, clustered);
        opt = (log2_choose(before - double(pair.died[1]), double(pair.died[0])) +
               log2_choose(before - double(pair.died[0]), double(pair.died[1]))) /
              8;
        const auto took = pair.reconcile();
        STARLING_ASSERT(took.equal, "a session brings both sides level");
        bytes.push_back(double(took.bytes));
        seconds.push_back(took.seconds);
        trips.push_back(took.round_trips);
        by = took.by;
    }
    for (auto* all : {&bytes, &seconds, &trips}) std::sort(all->begin(), all->end());
    const auto median = [](const std::vector<double>& all) { return all[all.size() / 2]; };
    const auto subject = scene + ", d = " + std::to_string(differences) + (clustered ? ", runs of 50" : "");
    const nlohmann::json params = {{"n", live},
                                   {"d", differences},
                                   {"sessions", runs},
                                   {"by", by},
                                   {"axis_per_live", past_per_live},
                                   {"least", bytes.front()},
                                   {"most", bytes.back()}};
    using Is = Target::Is;
    using Of = Target::Of;
    Figure figure{"reconcile", subject, "bytes", median(bytes), "B", Baseline{"optimum", opt}, {}, params};
    if (held_to_targets && !clustered && differences == 10) figure.target = Target{Of::value, Is::at_most, 300};
    if (held_to_targets && !clustered && differences >= 1'000) figure.target = Target{Of::ratio, Is::at_most, 2.3};
    print(figure);
    const auto other = iblts(live, differences);
    figure.metric = "bytes, to IBLT";
    figure.baseline = Baseline{"rateless IBLT", double(other.bytes)};
    figure.target.reset();
    if (held_to_targets && !clustered && differences == 1'000) figure.target = Target{Of::ratio, Is::at_most, 1.0 / 6};
    print(figure);
    figure.metric = "processor time";
    figure.unit = "ms";
    figure.value = median(seconds) * 1e3;
    figure.baseline = Baseline{"rateless IBLT", other.seconds * 1e3};
    figure.target.reset();
    if (held_to_targets && differences == 1'000) figure.target = Target{Of::value, Is::at_most, 40};
    print(figure);
    figure.metric = "round trips, p95";
    figure.unit = "";
    figure.value = trips[(trips.size() * 95 + 99) / 100 - 1];
    figure.baseline.reset();
    figure.target = Target{Of::value, Is::at_most, 3};
    print(figure);
}

void dense(const Options& options, std::size_t live, const std::string& scene) {
    DivergedPair pair;
    pair.past(live * 10 / 9, 0);
    const bool held = live == 1'000'000;
    pair.diverge(10, false);
    (void)pair.reconcile();  // the caches are warm, and both lives known
    const auto state = crdt::encode_state(pair.a.replica());
    print({"reconcile",
           scene + ", the full state",
           "bytes",
           double(state.size()),
           "B",
           {},
           {},
           {{"n", pair.live.size()}}});
    for (const std::size_t differences : {10UL, 100UL, 1'000UL, 10'000UL, 100'000UL}) {
        if (differences * 10 > live) break;
        const std::size_t runs = differences <= 1'000 ? (options.quick ? 5 : 20) : differences <= 10'000 ? 5 : 1;
        for (const bool clustered : {false, true}) measure(pair, scene, differences, clustered, runs, held, 1 / 0.9);
    }
}

void ten_thousand(const Options& options) {
    dense(options, 10'000, "n = 10k");
}
void hundred_thousand(const Options& options) {
    dense(options, 100'000, "n = 100k");
}
void million(const Options& options) {
    dense(options, 1'000'000, "n = 1M");
}

/// An axis far beyond what lives: most dots were a hot counter's.
void sparse(const Options& options) {
    for (const std::size_t factor : {10UL, 100UL, 1'000UL}) {
        if (options.quick && factor > 100) continue;
        DivergedPair pair;
        pair.past(11'111, factor - 1);
        pair.diverge(10, false);
        (void)pair.reconcile();
        for (const std::size_t differences : {10UL, 100UL, 1'000UL})
            measure(pair, "n = 10k, axis " + std::to_string(factor) + " n", differences, false, options.quick ? 3 : 10,
                    false, double(factor));
    }
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(argc, argv,
                     {{"n10k", ten_thousand}, {"n100k", hundred_thousand}, {"n1m", million, true}, {"sparse", sparse}});
}
