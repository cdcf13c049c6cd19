#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

TEST_CASE("two nodes converge on every type") {
    Pair nodes;
    nodes.a.counter("bolts").add(5);
    nodes.b.counter("bolts").add(-2);
    nodes.a.set<std::string>("tags").insert("low");
    nodes.b.set<int>("numbers").insert(7);
    nodes.a.map<std::string, int>("shelf").put("left", 1);
    nodes.b.map<std::string, int>("shelf").put("right", 2);
    nodes.a.reg<std::vector<double>>("scale").set({0.5, 2});
    nodes.b.multi_value<bool>("vote").set(true);
    nodes.b.flag("open").enable();
    nodes.a.journal<std::string>("log").append("first");
    nodes.b.journal<std::string>("log").append("second");
    nodes.settle();
    for (const auto* node : {&nodes.a, &nodes.b}) {
        CHECK(node->counter("bolts").value() == 3);
        CHECK(node->set<std::string>("tags").elements() == std::vector<std::string>{"low"});
        CHECK(node->set<int>("numbers").contains(7));
        CHECK(node->map<std::string, int>("shelf").items() ==
              std::vector<std::pair<std::string, int>>{{"left", 1}, {"right", 2}});
        CHECK(node->reg<std::vector<double>>("scale").get() == std::vector<double>{0.5, 2});
        CHECK(node->multi_value<bool>("vote").get() == std::vector<bool>{true});
        CHECK(node->flag("open").enabled());
        CHECK(node->journal<std::string>("log").values().size() == 2);
    }
    CHECK(nodes.a.journal<std::string>("log").values() == nodes.b.journal<std::string>("log").values());
    CHECK(nodes.a.wait_synced(patience));
    CHECK(nodes.b.wait_synced(patience));
}
