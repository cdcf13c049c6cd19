// The judge is judged: against the naive twin, and with histories that it must refuse.
#include "tests/agree/linearizable.hpp"

#include <doctest/doctest.h>

#include "sim/random.hpp"

using namespace starling::agree_trial;
using Kind = Call::Kind;

TEST_CASE("histories that are linearizable") {
    CHECK(linearizable({}));
    CHECK(linearizable({{.kind = Kind::append, .begin = 1, .end = 4, .number = 7, .after = List{7}},
                        {.begin = 2, .end = 3, .after = List{}}}));
    CHECK(linearizable({{.kind = Kind::append, .begin = 1, .number = 7}, {.begin = 2, .end = 3, .after = List{}}}));
    CHECK(linearizable({{.kind = Kind::append, .begin = 1, .number = 7},
                        {.begin = 2, .end = 3, .after = List{}},
                        {.begin = 4, .end = 5, .after = List{7}}}));
}

TEST_CASE("histories that are not") {
    const Call seven{.kind = Kind::append, .begin = 1, .end = 2, .number = 7, .after = List{7}};
    CHECK_FALSE(linearizable({seven, {.begin = 3, .end = 4, .after = List{}}}));      // a stale read
    CHECK_FALSE(linearizable({seven, {.begin = 3, .end = 4, .after = List{7, 7}}}));  // applied twice
    CHECK_FALSE(linearizable({seven, {.begin = 3, .end = 4, .after = List{8}}}));     // out of nowhere
    CHECK_FALSE(
        linearizable({seven, {.kind = Kind::append, .begin = 3, .end = 4, .number = 8, .after = List{8}}}));  // lost
    CHECK_FALSE(linearizable({{.kind = Kind::append, .begin = 1, .number = 7},
                              {.begin = 2, .end = 3, .after = List{7}},
                              {.begin = 4, .end = 5, .after = List{}}}));  // came and went
    CHECK_FALSE(linearizable(
        {seven,
         {.kind = Kind::swap, .begin = 3, .end = 6, .number = 8, .expected = {7}, .after = List{8}, .changed = true},
         {.kind = Kind::swap, .begin = 4, .end = 5, .number = 9, .expected = {7}, .after = List{9}, .changed = true}}));
}

TEST_CASE("a put may hide what nobody was told of") {
    const Call unseen{.kind = Kind::append, .begin = 1, .end = 2, .number = 7};
    const Call put{.kind = Kind::put, .begin = 3, .end = 4, .number = 8, .after = List{8}};
    CHECK(linearizable({unseen, put, {.begin = 5, .end = 6, .after = List{8}}}));
    CHECK_FALSE(linearizable({unseen, put, {.begin = 5, .end = 6, .after = List{7}}}));
    Call lost = put;
    lost.end = UINT64_MAX;
    lost.after.reset();
    CHECK(linearizable({unseen, lost, {.begin = 5, .end = 6, .after = List{8}}}));
    CHECK(linearizable({unseen, lost, {.begin = 5, .end = 6, .after = List{7}}}));
}

TEST_CASE("what is wrong is shown up to the answer that nothing explains") {
    const Call seven{.kind = Kind::append, .begin = 1, .end = 2, .number = 7, .after = List{7}};
    const Call stale{.begin = 3, .end = 5, .after = List{}};
    const Call eight{.kind = Kind::append, .begin = 4, .end = 8, .number = 8, .after = List{7, 8}};
    const auto shown = shortest_wrong({seven, stale, eight, {.begin = 9, .end = 10, .after = List{7, 8}}});
    REQUIRE(shown.size() == 3);
    CHECK(shown[1].end == 5);
    CHECK(shown[2].end == UINT64_MAX);
    CHECK(shortest_wrong({seven, eight}).empty());
    // What a call is told later is not known before: it may have been right until then.
    const Call late{.kind = Kind::append, .begin = 3, .end = 10, .number = 8, .after = List{7, 9, 8}};
    const auto later = shortest_wrong({seven, late, {.begin = 4, .end = 5, .after = List{7, 8}}});
    REQUIRE(later.size() == 3);
    CHECK(later[1].end == 10);
}

TEST_CASE("the search agrees with trying everything") {
    starling::sim::Random random(1);
    std::size_t good = 0, bad = 0;
    for (int round = 0; round < 4000; ++round) {
        // An atomic register whose calls take effect at some time between begin and end; then one answer may be
        // changed.
        struct Open {
            Call call;
            bool took_effect = false;
        };
        List held;
        std::vector<List> told{{}};
        std::vector<Open> open;
        std::vector<Call> calls;
        std::uint64_t time = 0;
        for (std::uint32_t number = 1; calls.size() + open.size() < 6 || !open.empty();) {
            if (open.empty() || (calls.size() + open.size() < 6 && random.chance(500))) {
                Call call{.kind = Kind(random.below(4)), .begin = ++time, .number = number++};
                if (call.kind == Kind::swap) call.expected = random.pick(told);
                open.push_back({call});
                continue;
            }
            const auto at = random.below(open.size());
            auto& [call, took_effect] = open[at];
            if (!took_effect) {
                took_effect = true;
                const bool found = held == call.expected;
                if (call.kind == Kind::append) held.push_back(call.number);
                if (call.kind == Kind::put) held = {call.number};
                if (call.kind == Kind::swap && found) held = {call.number};
                call.after = held;
                if (call.kind == Kind::swap) call.changed = found;
                continue;
            }
            if (random.chance(700)) {
                call.end = ++time;
                if (random.chance(100)) call.after.reset(), call.changed.reset();
                if (call.after) told.push_back(*call.after);
            } else {
                call.after.reset();
                call.changed.reset();
            }
            calls.push_back(call);
            open.erase(open.begin() + std::ptrdiff_t(at));
        }
        if (random.chance(500)) {
            auto& changed = random.pick(calls);
            if (changed.after && random.chance(500)) changed.after = random.pick(told);
            if (changed.end != UINT64_MAX && random.chance(500)) changed.end = UINT64_MAX, changed.after.reset();
            if (random.chance(500)) changed.begin = random.below(changed.begin) + 1;
        }
        const auto truth = linearizable_by_force(calls);
        CHECK_MESSAGE(linearizable(calls) == truth, to_string(calls));
        CHECK(shortest_wrong(calls).empty() == truth);
        (truth ? good : bad) += 1;
    }
    CHECK(good > 1000);
    CHECK(bad > 100);
}
