// The first row of the ICDE 2019 replay, whose figures are known: on a tree every element crosses every link once.
#include <doctest/doctest.h>

#include "bench/icde/replay.hpp"

using namespace starling::bench::icde;

namespace {

constexpr std::uint64_t optimum = 15 * 100 * 14;  // events × links

}  // namespace

TEST_CASE("the reference protocols replay the paper's figures for the tree") {
    const auto work = gset({"tree"});
    CHECK(work.updates == 1500);
    CHECK(replay(Reference::bp_rr, work).elements == optimum);
    CHECK(replay(Reference::scuttlebutt, work).elements == optimum);
    const auto classic = replay(Reference::classic, work).elements;
    CHECK(classic > 95 * optimum);  // the paper measured 102 times
    CHECK(classic < 110 * optimum);
}

TEST_CASE("on a tree our engine sends every element once over every link") {
    const auto work = gset({"tree"});
    CHECK(replay_ours(work, {}).elements == optimum);
    CHECK(replay_ours(work, {false, 100'000}).elements == optimum);
}

TEST_CASE("on the mesh our engine sends nearly every element once to every node") {
    const auto work = gset({"mesh"});
    for (const Mode& mode : {Mode{}, Mode{false, 100'000}}) {
        const auto elements = replay_ours(work, mode).elements;
        CHECK(elements >= optimum);
        CHECK(elements <= optimum + optimum / 10);
    }
}
