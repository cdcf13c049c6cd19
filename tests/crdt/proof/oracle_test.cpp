// The engine beside the naive twin, after every step of random schedules: several nodes, windows, messages that come
// late, twice and out of order, pulls out of trimmed logs, state diffs, crashes with new lives. For each type, and for
// transactions that mix all types. A failing schedule is made shorter until no step can be left out.
//
// STARLING_PROOF_CASES=N runs N / 10 schedules a type; one has up to 80 steps.
#include <doctest/doctest.h>

#include "tests/crdt/proof/property.hpp"
#include "tests/crdt/proof/twin_world.hpp"

using namespace starling;
using namespace starling::proof;
using crdt::Type;

namespace {

std::string run_with_twin(const Schedule& schedule) {
    Engine engine;
    TwinWorld world;
    return run(schedule, {&engine, &world}, [&] {
        for (std::size_t place = 0; place < engine.places(); ++place) {
            if (auto what = disagreement(engine, world.twin(), place); !what.empty()) return what;
        }
        return std::string();
    });
}

std::vector<Schedule> shorter(const Schedule& schedule) {
    std::vector<Schedule> all;
    for (auto length = schedule.steps.size(); length > 0; length /= 2) {
        for (std::size_t from = 0; from + length <= schedule.steps.size(); from += length) {
            all.push_back(schedule);
            auto& steps = all.back().steps;
            steps.erase(steps.begin() + std::ptrdiff_t(from), steps.begin() + std::ptrdiff_t(from + length));
        }
    }
    for (std::size_t at = 0; at < schedule.steps.size(); ++at) {
        for (std::size_t i = 0; schedule.steps[at].operations.size() > 1 && i < schedule.steps[at].operations.size();
             ++i) {
            all.push_back(schedule);
            auto& operations = all.back().steps[at].operations;
            operations.erase(operations.begin() + std::ptrdiff_t(i));
        }
    }
    return all;
}

bool agrees(const std::string& name, const std::vector<Type>& types) {
    return holds_for_all(
        "schedules of " + name, [=](sim::Random random) { return draw_schedule(random.next(), types); }, shorter,
        run_with_twin, 10);
}

}  // namespace

TEST_CASE("oracle: counter") {
    CHECK(agrees("counters", {Type::counter}));
}
TEST_CASE("oracle: set") {
    CHECK(agrees("sets", {Type::set}));
}
TEST_CASE("oracle: map") {
    CHECK(agrees("maps", {Type::map}));
}
TEST_CASE("oracle: register") {
    CHECK(agrees("registers", {Type::register_}));
}
TEST_CASE("oracle: multi-value register") {
    CHECK(agrees("multi-value registers", {Type::multi_value}));
}
TEST_CASE("oracle: flag") {
    CHECK(agrees("flags", {Type::flag}));
}
TEST_CASE("oracle: journal") {
    CHECK(agrees("journals", {Type::journal}));
}
TEST_CASE("oracle: transactions that mix types") {
    CHECK(agrees("transactions that mix types", all_types()));
}
