#include <stdexcept>
#include <thread>

#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

TEST_CASE("a transaction reads its own writes and becomes visible as one") {
    const auto node = lone();
    const auto stock = node.counter("stock");
    const auto tags = node.set<std::string>("tags");
    const auto shelf = node.map<std::string, int>("shelf");
    const auto owner = node.reg<std::string>("owner");
    const auto open = node.flag("open");
    const auto done = node.transact([&](auto& tx) {
        tx.add(stock, 2);
        tx.add(stock, 3);
        tx.insert(tags, "low");
        tx.put(shelf, "a", 1);
        tx.set(owner, "me");
        tx.enable(open);
        CHECK(tx.value(stock) == 5);
        CHECK(stock.value() == 5);
        CHECK(tx.contains(tags, "low"));
        CHECK(tx.get(shelf, "a") == 1);
        CHECK(tx.get(owner) == "me");
        CHECK(tx.enabled(open));
        tx.erase(shelf, "a");
        CHECK_FALSE(tx.get(shelf, "a").has_value());
        CHECK(node.keys().size() == 4);
    });
    CHECK(done.wrote());
    CHECK(node.version() == done.version());
    CHECK(shelf.size() == 0);
    CHECK_FALSE(tags.remove("absent").wrote());
    CHECK_FALSE(stock.add(0).wrote());
    CHECK_FALSE(node.transact([](auto&) {}).wrote());
    CHECK(node.version() == done.version());
}

TEST_CASE("an exception rolls everything back and passes through") {
    const auto node = lone();
    const auto stock = node.counter("stock");
    const auto tags = node.set<std::string>("tags");
    stock.add(1);
    tags.insert("kept");
    const auto before = node.version();
    const auto print = node.status().fingerprint;
    CHECK_THROWS_AS(node.transact([&](auto& tx) {
        tx.add(stock, 10);
        tx.remove(tags, "kept");
        tx.insert(tags, "new");
        throw std::runtime_error("on purpose");
    }),
                    std::runtime_error);
    CHECK(stock.value() == 1);
    CHECK(tags.elements() == std::vector<std::string>{"kept"});
    CHECK(node.version() == before);
    CHECK(node.status().fingerprint == print);
    stock.add(1);  // the node is as usable as before
    CHECK(stock.value() == 2);
}

TEST_CASE("a fingerprint that is asked for counts what was written just now") {
    const auto node = lone();
    const auto before = node.status().fingerprint;
    node.counter("stock").add(1);
    const auto after = node.status();
    CHECK(after.fingerprint != before);
    CHECK(after.version == node.version());
    node.flush();
    CHECK(node.status().fingerprint == after.fingerprint);
    node.transact([&](auto& tx) {
        tx.add(node.counter("stock"), 1);
        CHECK(node.status().live_entries == 2);  // with that the node is a member; may be asked inside too
    });
}

TEST_CASE("what cannot be stored is refused and loses the transaction") {
    const auto node = lone();
    const auto text = node.reg<std::string>("text");
    const auto stock = node.counter("stock");
    text.set("old");
    CHECK(code_of([&] { text.set(std::string(300'000, 'x')); }) == Errc::too_large);
    CHECK(code_of([&] { node.set<std::string>("s").insert(std::string(5'000, 'x')); }) == Errc::too_large);
    CHECK(code_of([&] { node.counter("$mesh/x").add(1); }) == Errc::reserved_key);
    CHECK(code_of([&] { (void)node.counter(""); }) == Errc::invalid_argument);
    CHECK(code_of([&] { (void)node.counter(std::string(1025, 'k')); }) == Errc::invalid_argument);
    CHECK(code_of([&] { node.set<Value>("s").insert(Value::Array{1}); }) == Errc::invalid_argument);
    stock.add(std::numeric_limits<std::int64_t>::max());
    CHECK(code_of([&] { stock.add(1); }) == Errc::counter_overflow);

    // Caught inside, it is lost all the same.
    CHECK(code_of([&] {
              node.transact([&](auto& tx) {
                  tx.set(text, "new");
                  CHECK(code_of([&] { tx.add(stock, 1); }) == Errc::counter_overflow);
                  CHECK(code_of([&] { tx.set(text, "newer"); }) == Errc::counter_overflow);
              });
          }) == Errc::counter_overflow);
    CHECK(text.get() == "old");

    // Larger than a transaction may be, in pieces that are not.
    const auto fill = [&](Tx& tx) {
        for (int at = 0; at < 100; ++at) tx.put(node.map<int, std::string>("m"), at, std::string(10'000, 'x'));
    };
    CHECK(code_of([&] { node.transact(fill); }) == Errc::too_large);
    CHECK(node.map<int, std::string>("m").size() == 0);
}

TEST_CASE("transactions do not nest, and handles belong to their node") {
    const auto node = lone();
    const auto other = lone();
    const auto stock = node.counter("stock");
    const auto foreign = other.counter("stock");
    const auto nested = [&](auto call) {
        Errc code{};
        node.transact([&](auto&) { code = code_of(call); });
        return code;
    };
    CHECK(nested([&] { stock.add(1); }) == Errc::nested_transaction);
    CHECK(nested([&] { node.transact([](auto&) {}); }) == Errc::nested_transaction);
    CHECK(nested([&] { foreign.add(1); }) == Errc::nested_transaction);
    CHECK(nested([&] { (void)foreign.value(); }) == Errc::nested_transaction);
    CHECK(nested([&] { node.wait_synced(1ms); }) == Errc::would_deadlock);
    CHECK(nested([&] { node.wait_until(node.version(), 1ms); }) == Errc::would_deadlock);
    CHECK(nested([&] { Node(lone()).close(); }) == Errc::would_deadlock);
    CHECK(code_of([&] { node.transact([&](auto& tx) { tx.add(foreign, 1); }); }) == Errc::wrong_node);
    CHECK(stock.value() == 0);
    CHECK(stock.add(1).wrote());
}

TEST_CASE("errors go to an error code where one is given") {
    const auto node = lone();
    const auto stock = node.counter("stock");
    std::error_code error = make_error_code(Errc::closed);
    CHECK(node.transact([&](auto& tx) { tx.add(stock, 1); }, error).wrote());
    CHECK_FALSE(error);
    CHECK_FALSE(node.transact([&](auto& tx) { tx.add(node.counter("$mesh/x"), 1); }, error).wrote());
    CHECK(error == Errc::reserved_key);
    CHECK(error.category().name() == std::string("starling"));
    CHECK_THROWS_AS(node.transact([](auto&) { throw 5; }, error), int);
    CHECK_FALSE(node.wait_synced(1ms, error));
    CHECK_FALSE(error);
    node.add_peer("nowhere", error);
    CHECK(error == Errc::invalid_argument);
    stock.add(1).durable(error);
    CHECK(error == Errc::not_durable);
    CHECK(code_of([&] { stock.add(1).durable(); }) == Errc::not_durable);
    Options wrong = quiet();
    wrong.mesh = "not a code";
    CHECK_FALSE(Node::open(wrong, error));
    CHECK(error == Errc::join_code_malformed);
    for (int code = 1; code <= int(Errc::network_unavailable); ++code)
        CHECK(make_error_code(Errc(code)).message() != "unknown error");
}

TEST_CASE("a closed node still reads, and refuses the rest") {
    auto node = lone();
    const auto stock = node.counter("stock");
    stock.add(4);
    node.close();
    node.close();
    CHECK(stock.value() == 4);
    CHECK(code_of([&] { stock.add(1); }) == Errc::closed);
    CHECK(code_of([&] { (void)node.watch("", [](auto&) {}); }) == Errc::closed);
    CHECK(code_of([&] { node.wait_synced(1s); }) == Errc::closed);
    const Node moved = std::move(node);
    CHECK(code_of([&] { (void)node.counter("x"); }) == Errc::closed);  // NOLINT(bugprone-use-after-move)
    CHECK(moved.counter("stock").value() == 4);
    CHECK(code_of([] { Node().id(); }) == Errc::closed);
}

TEST_CASE("waiting ends when the node is closed") {
    auto node = lone();
    Errc code{};
    std::thread waiting([&] { code = code_of([&] { node.wait_synced(patience); }); });
    node.close();
    waiting.join();
    CHECK(code == Errc::closed);
}

TEST_CASE("explain says which of the concurrent values decides") {
    Pair nodes;
    nodes.a.reg<std::string>("owner").set("nobody");
    nodes.settle();
    nodes.a.block_peers({nodes.b.id()});
    nodes.a.map<std::string, int>("m").put("x", 1);
    nodes.b.map<std::string, int>("m").put("x", 2);
    nodes.a.block_peers({});
    nodes.settle();
    const auto reasons = nodes.a.explain(Type::map, "m", "x");
    REQUIRE(!reasons.empty());
    CHECK(reasons[0].decides);
    CHECK(reasons[0].value == Value(*nodes.a.map<std::string, int>("m").get("x")));
    CHECK(reasons[0].stamp.time_since_epoch().count() > 0);
    CHECK(nodes.a.explain(Type::map, "m", "y").empty());
    REQUIRE(nodes.b.explain(Type::register_, "owner").size() == 1);
    CHECK(nodes.b.explain(Type::register_, "owner")[0].dot.replica.node == nodes.a.id());
    CHECK(nodes.b.keys("m") == std::vector<KeyInfo>{{Type::map, "m"}});
}
