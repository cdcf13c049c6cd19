// Node::changes beside a copy that is kept by it: after each look, copy and node must be the same.
#include <algorithm>
#include <map>
#include <random>
#include <thread>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

using Place = std::tuple<Type, std::string, std::string>;

/// A cache of everything but journals.
class Copy {
  public:
    explicit Copy(const Node& node) : node_(node) { read_all(); }

    /// True where it had to read everything.
    bool look() {
        const auto news = node_.changes(cursor_);
        cursor_ = news.next;
        for (const auto& change : news.list) {
            const Place place{change.type, change.key, change.field.encode()};
            if (change.type == Type::journal) {
                CHECK(change.field.is_nil());
            } else if (change.value) {
                places_[place] = *change.value;
            } else {
                places_.erase(place);
            }
        }
        if (news.resync) {
            CHECK(news.list.empty());
            read_all();
        }
        return news.resync;
    }
    bool right() const { return places_ == all(); }

  private:
    void read_all() { places_ = all(); }
    std::map<Place, Value> all() const {
        std::map<Place, Value> places;
        for (const auto& [type, key] : node_.keys()) {
            if (type == Type::counter) places[{type, key, Value().encode()}] = node_.counter(key).value();
            if (type == Type::register_) places[{type, key, Value().encode()}] = *node_.reg<Value>(key).get();
            if (type == Type::map) {
                for (const auto& [field, value] : node_.map<Value, Value>(key).items())
                    places[{type, key, field.encode()}] = value;
            }
        }
        return places;
    }

    const Node& node_;
    Cursor cursor_;
    std::map<Place, Value> places_;
};

}  // namespace

TEST_CASE("a copy that is kept by changes is the same as what it is a copy of") {
    const Pair nodes;
    std::mt19937 random(1);
    nodes.a.counter("0").add(1);
    Copy here(nodes.a), there(nodes.b);
    CHECK(here.look());  // nobody asked before: nothing was recorded
    REQUIRE(nodes.b.wait_until(nodes.a.version(), patience));
    CHECK(there.look());
    const auto write = [&](const Node& node) {
        const auto key = std::to_string(random() % 4);
        const int field = int(random() % 5);
        switch (random() % 6) {
            case 0:
                node.counter(key).add(int(random() % 9));
                break;
            case 1:
                node.map<int, int>(key).erase(field);
                break;
            case 2:
                node.reg<int>(key).set(field);
                break;
            case 3:
                node.reg<int>(key).clear();
                break;
            case 4:
                node.journal<int>(key).append_once("k" + std::to_string(random() % 50), {1, 2});
                break;
            default:
                node.map<int, int>(key).put(field, int(random() % 9));
        }
    };
    for (int step = 0; step < 400; ++step) {
        write(step % 2 == 0 ? nodes.a : nodes.b);
        if (random() % 8 == 0) {
            CHECK_FALSE(here.look());
        }
        if (random() % 8 == 0) {
            CHECK_FALSE(there.look());
        }
    }
    nodes.settle();
    CHECK_FALSE(here.look());
    CHECK_FALSE(there.look());
    CHECK(here.right());
    CHECK(there.right());
}

TEST_CASE("changes are those under a prefix, each place once, and none twice from the next cursor on") {
    const auto node = lone();
    const auto first = node.changes({});
    CHECK(first.resync);  // that it is a member the node wrote before
    CHECK(first.list.empty());
    const auto joined = Pair::joined_to(node);
    REQUIRE(node.wait_until(joined.version(), patience));
    CHECK(node.changes(first.next).list.empty());  // the mesh's own is told where it is asked for
    CHECK(node.changes(first.next, "$mesh/").list.size() == 1);
    node.counter("a/x").add(1);
    node.counter("a/x").add(1);
    node.journal<int>("a/j").append_once("k", {1, 2});
    node.journal<int>("a/j").append(3);
    node.counter("b/x").add(1);
    const auto news = node.changes(first.next, "a/");
    REQUIRE(news.list.size() == 2);
    CHECK(news.list[0].key == "a/x");
    CHECK(news.list[0].value == Value(2));
    CHECK(news.list[1].type == Type::journal);
    CHECK_FALSE(news.list[1].value.has_value());
    CHECK(node.changes(news.next).list.empty());
    CHECK(node.changes(first.next).list.size() == 3);
    CHECK(code_of([&] { node.transact([&](Tx&) { (void)node.changes({}); }); }) == Errc::nested_transaction);
}

TEST_CASE("what is too long ago is said, and what is not is still told") {
    const auto node = lone();
    node.changes({});
    node.counter("early").add(1);
    const Cursor old = node.version();
    const auto map = node.map<std::string, int>("map");
    const std::string padding(4'000, 'x');
    const auto fields = int(change_log_bytes_max / padding.size()) + 50;
    Cursor recent;
    for (int at = 0; at < fields; at += 50) {
        recent = node.version();
        node.transact([&](Tx& tx) {
            for (int one = at; one < at + 50; ++one) tx.put(map, padding + std::to_string(one), one);
        });
    }
    const auto news = node.changes(old);
    CHECK(news.resync);
    CHECK(news.list.empty());
    CHECK(news.next.version() == node.version());
    CHECK(node.changes(recent).list.size() == 50);
    CHECK(node.changes(news.next).list.empty());
}
