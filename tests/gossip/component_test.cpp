#include "gossip/component.hpp"

#include <doctest/doctest.h>

using namespace starling::crdt;
using namespace starling::gossip;

namespace {

const ComponentTimes times;
constexpr std::uint64_t pulse_second_us = 1'000'000;

Now at(std::uint64_t us) {
    return {us, 1'700'000'000 * pulse_second_us + us};
}

}  // namespace

TEST_CASE("a node that hears of nobody declares itself and pulses") {
    Component component({1}, times, at(0));
    CHECK_FALSE(component.label().known());
    CHECK(component.due_us() <= times.declare_us_max);
    auto now_us = component.due_us();
    REQUIRE(component.tick(at(now_us)));
    const auto first = component.label();
    CHECK(first.known());
    now_us += times.pulse_us;
    CHECK_FALSE(component.tick(at(now_us - 1)));
    REQUIRE(component.tick(at(now_us)));
    CHECK(component.label().root == first.root);
    CHECK(component.label().pulse == first.pulse + 1);
    CHECK(Component::same(first, component.label()));
    component.check();
}

TEST_CASE("the smaller root wins, and its pulse is news once") {
    Component component({1}, times, at(0));
    REQUIRE(component.tick(at(component.due_us())));
    const ComponentLabel smaller{0, 5};
    CHECK(component.heard({component.label().root + 1, 99}, at(1)) == Component::Heard::outdated);
    CHECK(component.heard(smaller, at(1)) == Component::Heard::news);
    CHECK(component.label() == smaller);
    CHECK(component.heard(smaller, at(2)) == Component::Heard::known);
    CHECK(component.heard({0, 4}, at(2)) == Component::Heard::outdated);
    CHECK(component.heard({0, 6}, at(3)) == Component::Heard::news);
    component.check();
}

TEST_CASE("a silent root is forgotten, and only a new pulse of it is believed") {
    Component component({1}, times, at(0));
    REQUIRE(component.heard({0, 5}, at(0)) == Component::Heard::news);
    CHECK_FALSE(component.tick(at(times.silence_us_max)));
    CHECK_FALSE(component.label().known());
    // A neighbour that has not forgotten it yet repeats what it said.
    CHECK(component.heard({0, 5}, at(times.silence_us_max + 1)) == Component::Heard::known);
    CHECK_FALSE(component.label().known());
    REQUIRE(component.tick(at(component.due_us())));
    CHECK(component.label().root != 0);
    CHECK(component.heard({0, 6}, at(component.due_us())) == Component::Heard::news);
    component.check();
}

TEST_CASE("labels are the same component only with one root that pulsed lately") {
    CHECK(Component::same({1, 10}, {1, 12}));
    CHECK_FALSE(Component::same({1, 10}, {1, 13}));  // the half without the root does not hear it any more
    CHECK_FALSE(Component::same({1, 10}, {2, 10}));
    CHECK_FALSE(Component::same({}, {}));
}

TEST_CASE("a root that starts again with a wrong clock goes on from where it is remembered") {
    Component component({1}, times, {0, 0});
    REQUIRE(component.tick({component.due_us(), 0}));
    const auto root = component.label().root;
    component.heard({root, 1000}, at(1));
    REQUIRE(component.tick({component.due_us(), 0}));
    CHECK(component.label() == ComponentLabel{root, 1001});
}

TEST_CASE("many roots that come and go are not all remembered") {
    Component component({1}, times, at(0));
    for (std::uint64_t root = 0; root < 100; ++root) {
        const auto now_us = root * 2 * times.silence_us_max;
        component.heard({root, 1}, at(now_us));
        component.tick(at(now_us + times.silence_us_max));
        component.check();
    }
}
