// Power cuts: at every change of a fixed workload, and at random ones. STARLING_POWER_CUTS=N makes N random ones.
#include "tests/environment.hpp"
#include "tests/store/fixture.hpp"

using namespace starling;
using namespace starling::testing;

namespace {

constexpr int power_steps = 80;

/// Runs the workload of a seed until the power goes at a change, or to its end; then opens it again, goes on, and opens
/// it once more. What is wrong, if anything; `changes` is how many the whole workload makes.
std::optional<std::string> run_and_cut(std::uint64_t seed, std::uint64_t cut_after, bool lies, std::uint64_t& changes) {
    sim::VirtualDisk disk(sim::Random{seed ^ cut_after << 20});
    disk.lie(lies);
    Workload workload(disk, seed);
    disk.cut_after(cut_after);
    bool going = bool(workload.open());
    for (int i = 0; i < power_steps && going; ++i) going = bool(workload.step());
    changes = disk.changes();
    if (!going && !disk.powerless()) return "a step did not end as it should";
    disk.cut();
    workload.stored.reset();
    disk.power_on();
    if (auto wrong = workload.reopen()) return "after the cut: " + *wrong;
    for (int i = 0; i < 5; ++i) {
        if (auto stepped = workload.step(); !stepped) return "going on: " + words_of(stepped.fault());
    }
    if (auto committed = workload.commit(); !committed) return "going on: " + words_of(committed.fault());
    disk.cut();
    workload.stored.reset();
    disk.power_on();
    if (auto wrong = workload.reopen()) return "at the end: " + *wrong;
    return workload.dots_used_twice;
}

}  // namespace

TEST_CASE("a power cut at any change loses nothing that was acknowledged") {
    std::uint64_t changes = 0, cuts = 0;
    REQUIRE_FALSE(run_and_cut(1, UINT64_MAX >> 1, false, changes));
    const auto all = changes;
    for (std::uint64_t at = 1; at <= all; ++at, ++cuts) {
        const auto wrong = run_and_cut(1, at, false, changes);
        REQUIRE_MESSAGE(!wrong, "cut at change " << at << ": " << *wrong);
    }
    MESSAGE(cuts << " cuts, one at each change");
    CHECK(cuts > 400);
}

TEST_CASE("power cuts at random lose nothing that was acknowledged") {
    const auto cuts = number_from("STARLING_POWER_CUTS", 500);
    sim::Random random(7);
    for (std::uint64_t seed = 1; seed <= cuts; ++seed) {
        std::uint64_t changes = 0;
        const auto at = random.between(1, 900);
        const auto wrong = run_and_cut(seed, at, false, changes);
        REQUIRE_MESSAGE(!wrong, "seed " << seed << ", cut at change " << at << ": " << *wrong);
    }
}

TEST_CASE("control: where syncs do nothing, cuts lose what was acknowledged") {
    constexpr std::uint64_t cuts = 60;
    std::uint64_t failed = 0;
    sim::Random random(8);
    for (std::uint64_t seed = 1; seed <= cuts; ++seed) {
        std::uint64_t changes = 0;
        failed += run_and_cut(seed, random.between(100, 400), true, changes) ? 1 : 0;
    }
    MESSAGE(failed << " of " << cuts << " cuts were noticed");
    CHECK(failed > cuts / 2);
}
