// SQLite gets no memory: at many of the allocations of a fixed workload, once or from then on. A program of its own,
// since what SQLite allocates with is set for a whole process.
#include <sqlite3.h>

#include "tests/store/fixture.hpp"

using namespace starling;
using namespace starling::testing;

namespace {

sqlite3_mem_methods real;
std::uint64_t allocations = 0;
std::uint64_t fail_at = UINT64_MAX;
bool fails_on = false;

bool fails() {
    ++allocations;
    return fails_on ? allocations >= fail_at : allocations == fail_at;
}
void* allocate(int bytes) {
    return fails() ? nullptr : real.xMalloc(bytes);
}
void* reallocate(void* memory, int bytes) {
    return fails() ? nullptr : real.xRealloc(memory, bytes);
}

/// Before SQLite is used at all.
bool install() {
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK) return false;
    auto methods = real;
    methods.xMalloc = allocate;
    methods.xRealloc = reallocate;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK && sqlite3_initialize() == SQLITE_OK;
}
const bool installed = install();

void no_more_failures() {
    fail_at = UINT64_MAX;
}

constexpr int steps = 30;

/// What is wrong, if anything; `reported` counts faults.
std::optional<std::string> run_with(std::uint64_t at, bool on, std::uint64_t& reported) {
    sim::VirtualDisk disk(sim::Random{4});
    Workload workload(disk, 4);
    allocations = 0;
    fail_at = at;
    fails_on = on;
    auto opened = workload.open();
    if (!opened) {
        ++reported;
        if (opened.fault().code != store::StoreFaultCode::out_of_memory) return "opening: " + words_of(opened.fault());
        no_more_failures();
        opened = workload.open();
        if (!opened) return "not opened: " + words_of(opened.fault());
    }
    for (int i = 0; i < steps; ++i) {
        auto stepped = workload.step();
        if (stepped) continue;
        ++reported;
        no_more_failures();
        if (!store::may_pass(stepped.fault().code)) {  // SQLite could not say what it was
            if (auto wrong = workload.reopen()) return "after " + words_of(stepped.fault()) + ": " + *wrong;
            continue;
        }
        const auto again = *workload.pending;
        if (auto passed = workload.carry_out(again); !passed) return "again: " + words_of(passed.fault());
    }
    no_more_failures();
    if (auto committed = workload.commit(); !committed) return "at the end: " + words_of(committed.fault());
    return workload.reopen();
}

}  // namespace

TEST_CASE("where SQLite gets no memory a commit fails whole, and succeeds when there is some") {
    REQUIRE(installed);
    std::uint64_t reported = 0;
    REQUIRE_FALSE(run_with(UINT64_MAX, false, reported));
    const auto all = allocations;
    REQUIRE(reported == 0);
    REQUIRE(all > 100);
    constexpr std::uint64_t tries = 700;
    const auto stride = std::max<std::uint64_t>(1, all / tries);
    for (const bool on : {false, true}) {
        for (std::uint64_t at = 1; at <= all; at += stride) {
            const auto wrong = run_with(at, on, reported);
            no_more_failures();
            REQUIRE_MESSAGE(!wrong, "allocation " << at << ", and all after it: " << on << "; " << *wrong);
        }
    }
    MESSAGE(all << " allocations, " << reported << " faults reported");
    CHECK(reported > tries / 2);
}
