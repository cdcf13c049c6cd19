// Properties by rapidcheck: a case is drawn from a seed, and a failing one is made simpler until nothing can be left
// out.
//
// STARLING_PROOF_CASES=N runs N cases of each property (10,000 unless told), STARLING_PROOF_SEED=N other ones.
#pragma once

#include <algorithm>
#include <iostream>
#include <string>
#include <unordered_map>

#include <rapidcheck.h>
#include <rapidcheck/detail/TestListenerAdapter.h>

#include "sim/random.hpp"
#include "tests/environment.hpp"

namespace starling::proof {

inline constexpr std::uint64_t cases_default = 10'000;

using testing::number_from;

/// Cases of a property; what runs by other counts scales with it.
inline std::uint64_t cases() {
    return number_from("STARLING_PROOF_CASES", cases_default);
}

/// True when `broken(value)` is empty for all drawn values. `draw` makes one from a sim::Random, `simpler` gives what
/// to try instead of a failing one. Where a case is large, only a `part`-th of the cases is run.
template <class Draw, class Simpler, class Broken>
// NOLINTNEXTLINE(performance-unnecessary-value-param): functions by name come as pointers
bool holds_for_all(const std::string& name, Draw draw, Simpler simpler, Broken broken, std::uint64_t part = 1) {
    using Value = decltype(draw(sim::Random(0)));
    const rc::Gen<Value> values([=](const rc::Random& random, int) {
        auto seed = random;
        return rc::shrinkable::shrinkRecur(draw(sim::Random(seed.next())),
                                           [=](const Value& value) { return rc::seq::fromContainer(simpler(value)); });
    });
    rc::detail::TestParams params;
    params.seed = number_from("STARLING_PROOF_SEED", 1);
    params.maxSuccess = int(std::max<std::uint64_t>(1, cases() / part));
    const auto property = [&] {
        const auto value = *values;
        const auto what = broken(value);
        if (!what.empty()) RC_FAIL(what);
    };
    rc::detail::TestListenerAdapter silent;
    const std::unordered_map<std::string, rc::detail::Reproduce> all;  // no single case to repeat
    const auto result = rc::detail::checkTestable(property, rc::detail::TestMetadata{name, name}, params, silent, all);
    if (result.template is<rc::detail::SuccessResult>()) return true;
    std::cerr << name << ": ";
    rc::detail::printResultMessage(result, std::cerr);
    std::cerr << '\n';
    return false;
}

}  // namespace starling::proof
