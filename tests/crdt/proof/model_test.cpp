// The engine and the model of the rules go through the same schedules, and hold the same live sets, versions and heads
// after every step. Then each rule is left out of the model: it must diverge, or the schedules could not see what the
// rule prevents; and the engine, on the very same schedules, must not.
//
// STARLING_PROOF_CASES=N runs N / 5 schedules.
#include "tests/crdt/proof/model.hpp"

#include <doctest/doctest.h>

#include "tests/crdt/proof/engine.hpp"
#include "tests/crdt/proof/property.hpp"

using namespace starling;
using namespace starling::proof;
using crdt::Type;

namespace {

constexpr std::uint64_t seeds_of_a_bug = 600;

/// The types whose writing rule is the model's: a put supersedes what it observed in its slot.
const std::vector<Type> types_modelled{Type::set, Type::map, Type::register_, Type::multi_value, Type::flag};

/// What the engine and the model hold differently at a place.
std::string disagreement(const Engine& engine, const Model& model, std::size_t place) {
    const auto node = std::string("node ") + char('A' + place) + ": ";
    if (engine.version(place) != model.version(place)) return node + "the model is at another version";
    if (engine.heads(place) != model.heads(place)) return node + "the model has other heads";
    Model::Live live;
    for (const auto& [life, seq, slot, stamp, depth, value] : engine.live(place)) live[{life, seq}] = slot;
    if (live != model.live(place)) return node + "the model holds other entries";
    return {};
}

/// Runs the engine and the model in step.
std::string run_both(const Schedule& schedule) {
    Engine engine;
    Model model;
    return run(schedule, {&engine, &model}, [&] {
        for (std::size_t place = 0; place < engine.places(); ++place) {
            if (auto what = disagreement(engine, model, place); !what.empty()) return what;
        }
        return std::string();
    });
}

Schedule schedule_of(std::uint64_t seed, bool liars = false) {
    return draw_schedule(seed, types_modelled, liars);
}

/// How many of the schedules show the bug, and a count of those on which the engine is wrong.
struct Seen {
    std::uint64_t by_the_model = 0;
    std::uint64_t in_the_engine = 0;
};

Seen seen(Model::Bug bug) {
    Seen seen;
    for (std::uint64_t seed = 1; seed <= seeds_of_a_bug; ++seed) {
        const auto schedule = schedule_of(seed);
        Model model(bug);
        if (!run(schedule, {&model}).empty()) ++seen.by_the_model;
        Engine engine;
        if (!run(schedule, {&engine}).empty()) ++seen.in_the_engine;
    }
    MESSAGE(seen.by_the_model << " of " << seeds_of_a_bug << " schedules show it");
    return seen;
}

/// The model alone, with lies that an end record heals: how many schedules diverge.
std::uint64_t diverged_with_liars(Model::Bug bug) {
    std::uint64_t diverged = 0;
    for (std::uint64_t seed = 1; seed <= seeds_of_a_bug; ++seed) {
        Model model(bug, true);
        if (!run(schedule_of(seed, true), {&model}).empty()) ++diverged;
    }
    MESSAGE(diverged << " of " << seeds_of_a_bug << " schedules diverge");
    return diverged;
}

}  // namespace

TEST_CASE("model: the engine holds the live sets, versions and heads of the model after every step") {
    std::uint64_t failed = 0;
    const auto seeds = std::max<std::uint64_t>(1, cases() / 5);
    for (std::uint64_t seed = 1; seed <= seeds && failed < 3; ++seed) {
        const auto schedule = schedule_of(seed);
        const auto what = run_both(schedule);
        if (what.empty()) continue;
        ++failed;
        MESSAGE("seed " << seed << ", " << what << "\n" << schedule);
    }
    CHECK(failed == 0);
}

TEST_CASE("model, rule 2: a changeset is applied only when the origin's previous one and all its dependencies are") {
    const auto [by_the_model, in_the_engine] = seen(Model::Bug::nodeps);
    CHECK(by_the_model > 0);
    CHECK(in_the_engine == 0);
}

TEST_CASE("model, rule 7: a diff drops what is outside the pinned version, inside the answerer's, and was not sent") {
    const auto [by_the_model, in_the_engine] = seen(Model::Bug::nointerval);
    CHECK(by_the_model > 0);
    CHECK(in_the_engine == 0);
}

TEST_CASE("model, rule 7: a diff inserts entries outside the present version only") {
    const auto [by_the_model, in_the_engine] = seen(Model::Bug::resurrect);
    CHECK(by_the_model > 0);
    CHECK(in_the_engine == 0);
}

TEST_CASE("model, rule 6: before a version is advertised or a diff answered, the open window is cut") {
    const auto [by_the_model, in_the_engine] = seen(Model::Bug::openwindow);
    CHECK(by_the_model > 0);
    CHECK(in_the_engine == 0);
}

TEST_CASE("model, windows: superseded puts are dropped, their removals never are") {
    const auto [by_the_model, in_the_engine] = seen(Model::Bug::lostremoves);
    CHECK(by_the_model > 0);
    CHECK(in_the_engine == 0);
}

TEST_CASE("model, rule 6: version and entries of a session come from one instant") {
    const auto [by_the_model, in_the_engine] = seen(Model::Bug::unpinned);
    CHECK(by_the_model > 0);
    CHECK(in_the_engine == 0);
}

TEST_CASE("model, dots: every operation takes a dot, also one that only removes") {
    const auto [by_the_model, in_the_engine] = seen(Model::Bug::emptychange);
    CHECK(by_the_model > 0);
    CHECK(in_the_engine == 0);
}

TEST_CASE("model, rule 12: no life ever appends to another's replica") {
    const auto [by_the_model, in_the_engine] = seen(Model::Bug::reuse);
    CHECK(by_the_model > 0);
    CHECK(in_the_engine == 0);
}

// The engine has no end records yet, so this rule is shown by the model alone.
TEST_CASE("model, rule 8: an end record obliges a state diff") {
    CHECK(diverged_with_liars(Model::Bug::none) == 0);
    CHECK(diverged_with_liars(Model::Bug::noforce) > 0);
}
