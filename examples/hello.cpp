// Two nodes in one process find each other, exchange what each has written, and agree.
//
//     g++ hello.cpp $(pkg-config --cflags --libs starling) -o hello && ./hello
#include <chrono>
#include <iostream>
#include <string>

#include <starling/starling.hpp>

int main() try {
    using namespace std::chrono_literals;

    // No directory: data and keys live in memory. Loopback only, so that nothing leaves this machine.
    auto shop = starling::Node::open({.listen_address = "127.0.0.1", .discovery = false});
    // A join code holds an invitation to the mesh and where to find the node that gave it.
    auto depot = starling::Node::open({.mesh = shop.join_code(), .listen_address = "127.0.0.1", .discovery = false});

    auto watching = depot.watch("stock/", [](const starling::Changes& changes) {
        for (const auto& change : changes)
            std::cout << (changes.local ? "depot wrote " : "depot hears ") + change.key + " is now " +
                             (change.value ? change.value->to_string() : "gone") + '\n';
    });

    // Each writes on its own. Both additions count, and neither asked the other.
    shop.counter("stock/bolts").add(-3);
    depot.counter("stock/bolts").add(100);

    // Several writes that everybody sees as one.
    auto tags = shop.set<std::string>("tags");
    auto owner = shop.reg<std::string>("owner");
    const auto commit = shop.transact([&](auto& tx) {
        tx.insert(tags, "steel");
        tx.insert(tags, "low");
        tx.set(owner, "shop");
    });

    if (!depot.wait_until(commit.version(), 10s) || !shop.wait_synced(10s) || !depot.wait_synced(10s)) {
        std::cerr << "the nodes did not find each other\n";
        return 1;
    }
    watching.reset();

    for (const auto* node : {&shop, &depot}) {
        std::cout << node->id().short_name() << ": " << node->counter("stock/bolts").value() << " bolts, tags";
        for (const auto& tag : node->set<std::string>("tags").elements()) std::cout << ' ' << tag;
        std::cout << ", owner " << node->reg<std::string>("owner").get().value_or("nobody") << ", data "
                  << node->status().fingerprint << '\n';
    }
    return shop.version() == depot.version() ? 0 : 1;
} catch (const starling::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
