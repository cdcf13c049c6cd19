// Plans, and the trials that carry them out. Every scenario of sim/scenarios/ has a result in golden/, the same on
// every machine and compiler; STARLING_GOLDEN=write writes them anew where a change of the engine was meant to change
// them.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <doctest/doctest.h>

#include "bench/gossip/reference.hpp"
#include "sim/command.hpp"
#include "sim/trial.hpp"

using namespace starling;
using namespace starling::sim;

namespace {

constexpr std::size_t golden_nodes = 30;

Plan plan_of(const std::string& name) {
    for (const auto& scenario : scenarios()) {
        if (name == scenario.name) return *read_plan(name, scenario.text);
    }
    FAIL("no scenario " << name);
    return {};
}

std::string wrong(const std::string& text) {
    const auto plan = read_plan("x", text);
    REQUIRE_FALSE(bool(plan));
    return plan.fault().what;
}

std::string golden(const std::string& name) {
    std::ifstream file(std::string(STARLING_GOLDEN_DIR) + "/" + name + ".json");
    std::string line;
    std::getline(file, line);
    return line;
}

double rmr_of(const TrialOutcome& outcome) {
    const auto& counters = outcome.counters;
    return double(counters.changesets_redundant) / double(counters.changesets_received - counters.changesets_redundant);
}

}  // namespace

TEST_CASE("a plan is read as it is written") {
    const auto plan = read_plan("x", R"(# a comment
nodes 1000   # and another
topology regular 8
delay 10ms 1s
resend 0.5% 200ms
writers 7
origins zipf
keys 10 zipf
limit flush_window 0us
churn 1% 30s
at 2m crash 80%
at 10s split 40% one-way for 5s
at 0s upload 10% 64KiB for 1m
)");
    REQUIRE(bool(plan));
    CHECK(plan->nodes == 1000);
    CHECK(plan->degree == 8);
    CHECK(plan->network.delay_us_max == 1'000'000);
    CHECK(plan->network.resend_permille == 5);
    CHECK(plan->network.jitter_us_max == 0);
    CHECK(plan->origins == Choice::zipf);
    CHECK(plan->key_choice == Choice::zipf);
    CHECK(plan->limits.flush_window_us == 0);
    CHECK(plan->churn_permille == 10);
    REQUIRE(plan->faults.size() == 3);
    CHECK(plan->faults[0].permille == 800);
    CHECK(plan->faults[0].at_us == 120'000'000);
    CHECK(plan->faults[1].kind == PlannedFault::Kind::split_one_way);
    CHECK(plan->faults[2].amount == 65'536);
    CHECK(plan->faults[2].for_us == 60'000'000);
}

TEST_CASE("what is wrong with a plan is said with its line") {
    CHECK(wrong("nodes 5\nnoodles 5\n") == "x, line 2: there is no statement 'noodles'");
    CHECK(wrong("nodes") == "x, line 1: the nodes is missing");
    CHECK(wrong("nodes 1") == "x, line 1: the nodes: '1' is out of range, 2 to 20000");
    CHECK(wrong("nodes many") == "x, line 1: the nodes: 'many' is not a whole number");
    CHECK(wrong("nodes 5 6") == "x, line 1: '6' is too much");
    CHECK(wrong("\n\nwarm 5") == "x, line 3: how long: '5' is not a time such as 20ms, 3s or 2m");
    CHECK(wrong("warm 99999999999999999999s") ==
          "x, line 1: how long: '99999999999999999999s' is not a time such as 20ms, 3s or 2m");
    CHECK(wrong("loss 1") == "x, line 1: how many: '1' is not a share such as 1% or 0.5%");
    CHECK(wrong("loss 0.25%") == "x, line 1: how many: '0.25%' is not a share such as 1% or 0.5%");
    CHECK(wrong("loss 101%") == "x, line 1: how many: '101%' is not a share such as 1% or 0.5%");
    CHECK(wrong("topology torus") == "x, line 1: there is no topology 'torus'");
    CHECK(wrong("topology regular 5") == "x, line 1: the degree is even: it is laid in cycles");
    CHECK(wrong("delay 2ms 1ms") == "x, line 1: the least delay is the greater one");
    CHECK(wrong("origins all") == "x, line 1: the origins: 'all' is not turns, uniform or zipf");
    CHECK(wrong("at 1s melt 5%") == "x, line 1: there is no fault 'melt'");
    CHECK(wrong("at 1s split 5%") == "x, line 1: 'split' says for how long");
    CHECK(wrong("limit speed 5s") == "x, line 1: there is no limit 'speed'");
}

TEST_CASE("every scenario has its golden result") {
    const auto* mode = std::getenv("STARLING_GOLDEN");
    const bool write = mode != nullptr && std::string(mode) == "write";
    for (const auto& scenario : scenarios()) {
        auto plan = plan_of(scenario.name);
        plan.nodes = golden_nodes;
        const auto outcome = run_trial(plan, 1);
        CHECK_MESSAGE(outcome.converged, scenario.name);
        const auto line = json_of(outcome, false);
        if (write) {
            std::ofstream(std::string(STARLING_GOLDEN_DIR) + "/" + scenario.name + ".json") << line << "\n";
        } else {
            CHECK(line == golden(scenario.name));
        }
    }
}

TEST_CASE(
    "some hundred nodes: one writer reaches all of them along the shortest ways, and parts of a mesh meet again") {
    auto plan = plan_of("one-writer");
    plan.nodes = 300;
    plan.writes = 20;
    const auto calm = run_trial(plan, 2);
    CHECK(calm.converged);
    CHECK(calm.spread.measured == 20);
    plan = plan_of("split");
    plan.nodes = 120;
    plan.writes = 10;
    const auto split = run_trial(plan, 2);
    CHECK(split.converged);
    CHECK(split.reached == 120);
    CHECK(split.faults.at("vanished") > 0);
}

TEST_CASE("flooding is as fast as the overlay and sends each message over nearly every link") {
    auto plan = plan_of("calm");
    plan.nodes = 100;
    TrialOptions options;
    options.station = bench::gossip::flooding();
    const auto outcome = run_trial(plan, 1, options);
    CHECK(outcome.converged);
    CHECK(outcome.spread.measured == 600);
    CHECK(outcome.spread.last_permille == 600 * 1000);
    CHECK(outcome.spread.p99_permille == 600 * 1000);
    CHECK(rmr_of(outcome) > 3.9);
    CHECK(rmr_of(outcome) < 4.1);
}

TEST_CASE("plumtree's one tree costs nothing more for one writer, and is shared badly by many") {
    auto plan = plan_of("one-writer");
    TrialOptions options;
    options.station = bench::gossip::plumtree();
    const auto one = run_trial(plan, 1, options);
    CHECK(one.converged);
    CHECK(one.spread.measured == plan.writes);
    CHECK(rmr_of(one) < 0.3);  // the first message floods
    plan = plan_of("many-writers");
    plan.nodes = 100;
    options.station = bench::gossip::plumtree();
    const auto many = run_trial(plan, 1, options);
    CHECK(many.converged);
    CHECK(rmr_of(many) > 0.3);
    CHECK(many.spread.last_permille / many.spread.measured > one.spread.last_permille / one.spread.measured);
}

TEST_CASE("a trial knows who crashed before it could hear, and does not wait for them") {
    auto plan = plan_of("crash");
    plan.nodes = 60;
    const auto outcome = run_trial(plan, 3);
    CHECK(outcome.converged);
    CHECK(outcome.faults.at("crash") == 30);
    CHECK(outcome.running == 60);
}

TEST_CASE("the command runs a scenario by name, says which there are, and shows every event of a replay") {
    std::ostringstream out, err;
    Command command;
    command.scenario = "one-writer";
    command.nodes = 10;
    command.json = true;
    CHECK(run_command(command, out, err) == 0);
    CHECK(out.str().starts_with("{\"scenario\": \"one-writer\", \"seed\": 1, \"nodes\": 10, \"trace_hash\": \""));
    for (const auto* name :
         {"rmr", "ldh", "last_ratio", "p99_ratio", "control_bytes", "payload_ratio", "bytes_per_node"})
        CHECK_MESSAGE(out.str().find("\"" + std::string(name) + "\": ") != std::string::npos, name);
    command.replay = 1;
    std::ostringstream replay;
    CHECK(run_command(command, replay, err) == 0);
    CHECK(replay.str().find("s  node 3: hears ") != std::string::npos);
    const auto hash_at = out.str().find("trace_hash");
    CHECK(replay.str().find(out.str().substr(hash_at, 30)) != std::string::npos);
    CHECK(err.str().empty());
    command.disks = true;
    CHECK(run_command(command, out, err) == 2);
    CHECK(err.str().find("--disks is for drawn ones") != std::string::npos);
    command.disks = false;
    command.scenario = "no-such";
    CHECK(run_command(command, out, err) == 2);
    CHECK(err.str().find("there are calm churn") != std::string::npos);
}
