// Orders, event-sourced: commands append events on three nodes, and a projection on each keeps what screens show. One
// node dies in the middle; the node that takes its place learns the events from the others and rebuilds.
//
// What a command decides, it decides on what its node has seen. Two nodes that do not see each other may both take the
// last piece from the shelf: no order of events prevents that without asking the others first. So an event says what
// happened ("reserved"), and what does not work out is an event too ("short"), found by whoever folds the order of all.
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <starling/starling.hpp>

namespace {

using namespace std::chrono_literals;

constexpr auto patience = 60s;
constexpr int orders_each = 40;
constexpr std::int64_t on_shelf = 100;

}  // namespace

enum class What : std::uint8_t { placed, reserved, shipped };

struct OrderEvent {
    What what{};
    std::string item;
    std::int64_t pieces = 0;
};

template <>
struct starling::Codec<OrderEvent> {
    static constexpr bool scalar = false;
    static void encode(Encoder& out, const OrderEvent& event) {
        out.array(3);
        out.write(event.what);
        out.write(event.item);
        out.write(event.pieces);
    }
    static OrderEvent decode(Decoder& in) {
        in.array(3);
        return {in.read<What>(), in.read<std::string>(), in.read<std::int64_t>()};
    }
};

namespace {

/// The read model. Every node that holds the same events has the same.
struct Shelf {
    std::map<std::string, std::int64_t> left;   ///< of each item
    std::map<std::string, std::string> status;  ///< of each order
    std::int64_t short_of = 0;                  ///< orders that the shelf could not serve

    bool operator==(const Shelf&) const = default;
};

void fold(Shelf& shelf, const starling::Event<OrderEvent>& event) {
    const auto& [what, item, pieces] = event.value;
    auto& status = shelf.status[event.journal];
    if (what == What::placed) {
        status = "placed";
    } else if (what == What::shipped) {
        if (status == "reserved") status = "shipped";
    } else if (auto& left = shelf.left.try_emplace(item, on_shelf).first->second; left >= pieces) {
        left -= pieces;
        status = "reserved";
    } else {
        ++shelf.short_of;
        status = "short";
    }
}

/// A node with its read model.
class Shop {
  public:
    explicit Shop(const std::string& mesh) : node_(open(mesh)), shelf_(node_.events<OrderEvent>("orders/"), {}, fold) {}

    const starling::Node& node() const { return node_; }
    Shelf shelf() const {
        shelf_.update();
        return shelf_.state();
    }
    starling::ProjectionCounters counters() const { return shelf_.counters(); }

    /// A command: asked for twice, on whichever nodes, it happens once.
    starling::Commit place(int number, const std::string& item, std::int64_t pieces) const {
        const auto order = "orders/" + std::to_string(number);
        return node_.journal<OrderEvent>(order).append_once(
            "place", {{What::placed, item, pieces}, {What::reserved, item, pieces}});
    }
    /// A command that looks at the read model first.
    bool ship(int number) const {
        const auto order = "orders/" + std::to_string(number);
        const auto now = shelf();
        const auto status = now.status.find(order);
        if (status == now.status.end() || status->second != "reserved") return false;
        return node_.journal<OrderEvent>(order).append_once("ship", {{What::shipped, {}, 0}}).wrote();
    }

  private:
    static starling::Node open(const std::string& mesh) {
        starling::Options options;
        options.listen_address = "127.0.0.1";
        options.discovery = false;
        options.mesh = mesh;
        return starling::Node::open(options);
    }

    starling::Node node_;
    starling::Projection<Shelf, OrderEvent> shelf_;
};

bool fail(const std::string& what) {
    std::cerr << "orders: " << what << '\n';
    return false;
}

/// Waits until all hold the same events.
bool meet(const std::vector<std::unique_ptr<Shop>>& shops) {
    for (const auto& a : shops) {
        for (const auto& b : shops) {
            if (!a->node().wait_until(b->node().version(), patience)) return fail("the nodes do not meet");
        }
    }
    return true;
}

bool same(const std::vector<std::unique_ptr<Shop>>& shops) {
    for (const auto& shop : shops) {
        if (shop->shelf() != shops.front()->shelf()) return fail("two nodes read the orders differently");
    }
    return true;
}

void print(const char* when, const Shelf& shelf) {
    std::map<std::string, int> orders;
    for (const auto& [order, status] : shelf.status) ++orders[status];
    std::cout << when << ':';
    for (const auto& [status, count] : orders) std::cout << ' ' << count << ' ' << status;
    for (const auto& [item, left] : shelf.left) std::cout << ", " << left << ' ' << item << " left";
    std::cout << '\n';
}

bool run() {
    std::vector<std::unique_ptr<Shop>> shops;
    shops.push_back(std::make_unique<Shop>(""));
    const auto mesh = shops[0]->node().join_code();
    for (int more = 0; more < 2; ++more) shops.push_back(std::make_unique<Shop>(mesh));
    if (!shops[0]->node().wait_synced(patience)) return fail("the nodes do not find each other");

    // All three sell at once from one shelf; order 0 is placed everywhere, by a customer who presses the button again.
    for (int at = 0; at < orders_each; ++at) {
        for (int shop = 0; shop < 3; ++shop) {
            shops[std::size_t(shop)]->place(3 * at + shop, "lamps", 1);
            shops[std::size_t(shop)]->place(0, "lamps", 1);
        }
    }
    if (!meet(shops) || !same(shops)) return false;
    const auto sold = shops[0]->shelf();
    print("sold", sold);
    if (sold.status.size() != 3 * orders_each) return fail("not every order is there once");
    if (sold.left.at("lamps") != 0 || sold.short_of != 3 * orders_each - on_shelf)
        return fail("the shelf was not sold out exactly");

    // One dies. The others go on; the new one, with nothing in memory, reads and rebuilds.
    shops.pop_back();
    int shipped = 0;
    for (int number = 0; number < 3 * orders_each; ++number) shipped += shops[number % 2]->ship(number) ? 1 : 0;
    const auto join = shops[0]->node().join_code();
    shops.push_back(std::make_unique<Shop>(join));
    if (!meet(shops) || !same(shops)) return false;
    print("shipped, and rebuilt on a new node", shops.back()->shelf());
    if (shipped != on_shelf) return fail("what was reserved was not shipped, or twice");
    const auto counters = shops[0]->counters();
    std::cout << "the first node folded " << counters.folded << " events, and went back " << counters.went_back
              << " times for late ones\n";
    return true;
}

}  // namespace

int main() {
    try {
        return run() ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception& error) {
        std::cerr << "orders: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
