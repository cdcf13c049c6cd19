#include "sim/network.hpp"

#include <doctest/doctest.h>

using namespace starling::sim;

namespace {

/// Runs a network alone and writes down what each end sees.
class Bench {
  public:
    explicit Bench(const Edges& edges, std::size_t nodes, const NetworkOptions& options = {}, std::uint64_t seed = 1)
        : network(queue, edges, nodes, options, Random(seed)) {
        network.start();
    }

    void run_until(std::uint64_t until_us) {
        while (queue.next_us() && *queue.next_us() <= until_us) {
            const auto event = queue.pop();
            if (event.kind != Event::Kind::tick && network.happens(event)) see(event);
            network.check();
        }
    }
    void run_for(std::uint64_t us) {
        const auto until_us = queue.now_us() + us;
        queue.at(until_us, {Event::Kind::tick, 0, 0, 0, 0, {}});  // time passes, whatever happens
        run_until(until_us);
    }

    Queue queue;
    Network network;
    std::vector<std::string> heard;
    std::map<std::pair<Place, Place>, std::uint64_t> up;  ///< ends that are up, in which incarnation
    int downs = 0;

  private:
    void see(const Event& event) {
        const auto end = std::pair(event.to, event.from);
        if (event.kind == Event::Kind::link_up) {
            CHECK(up.emplace(end, event.incarnation).second);
            const auto other = up.find({event.from, event.to});
            if (other != up.end()) CHECK(other->second == event.incarnation);
        } else if (event.kind == Event::Kind::link_down) {
            CHECK(up.erase(end) == 1);
            ++downs;
        } else {
            REQUIRE(up.contains(end));
            CHECK(up[end] == event.incarnation);
            heard.push_back(event.bytes);
        }
    }
};

constexpr std::uint64_t second_us = 1'000'000;

bool connected(const Edges& edges, std::size_t nodes) {
    std::set<Place> reached{0};
    for (std::size_t round = 0; round < nodes; ++round) {
        for (const auto& [a, b] : edges) {
            if (reached.contains(a)) reached.insert(b);
            if (reached.contains(b)) reached.insert(a);
        }
    }
    return reached.size() == nodes;
}

}  // namespace

TEST_CASE("every topology is connected, and has the links that its name says") {
    Random random(1);
    for (std::size_t nodes = 1; nodes < 10; ++nodes) {
        for (std::size_t topology = 0; topology < topologies; ++topology)
            CHECK(connected(edges_of(Topology(topology), nodes, random), nodes));
    }
    CHECK(edges_of(Topology::full, 5, random).size() == 10);
    CHECK(edges_of(Topology::path, 5, random).size() == 4);
    CHECK(edges_of(Topology::ring, 5, random).size() == 5);
    CHECK(edges_of(Topology::star, 5, random).size() == 4);
    CHECK(edges_of(Topology::regular, 7, random).size() == 21);
    const auto regular = edges_of(Topology::regular, 200, random);
    CHECK(connected(regular, 200));
    CHECK((regular.size() > 590 && regular.size() <= 600));
    for (std::size_t topology = 0; topology < topologies; ++topology)
        CHECK(topology_of(name_of(Topology(topology))) == Topology(topology));
    CHECK_FALSE(topology_of("torus"));
}

TEST_CASE("a link without faults carries everything once and in order") {
    NetworkOptions options;
    options.straggler_permille = 100;
    Bench bench({{0, 1}}, 2, options);
    bench.run_for(second_us);
    std::vector<std::string> sent;
    for (int i = 0; i < 200; ++i) {
        sent.push_back(std::to_string(i));
        bench.network.send(0, 1, sent.back());
        if (i % 3 == 0) bench.run_for(500);
    }
    bench.run_for(second_us);
    CHECK(bench.heard == sent);
}

TEST_CASE("loss, duplicates and reordering happen at about their rates and are counted") {
    NetworkOptions options;
    options.loss_permille = options.duplicate_permille = options.reorder_permille = 200;
    Bench bench({{0, 1}}, 2, options);
    bench.run_for(second_us);
    for (int i = 0; i < 1'000; ++i) bench.network.send(0, 1, std::to_string(i));
    bench.run_for(second_us);
    auto faults = bench.network.faults();
    CHECK((faults["lost"] > 150 && faults["lost"] < 250));
    CHECK((faults["duplicated"] > 110 && faults["duplicated"] < 210));
    CHECK(faults["reordered"] > 50);
    CHECK(bench.heard.size() == 1'000 - faults["lost"] + faults["duplicated"]);
}

TEST_CASE("a silent partition swallows what is under way, each end notices on its own, and the link comes back") {
    Bench bench({{0, 1}}, 2);
    bench.run_for(second_us);
    bench.network.send(0, 1, "under way");
    bench.network.block(0, 1);
    bench.network.send(1, 0, "into the hole");
    bench.run_for(second_us / 2);
    CHECK(bench.downs == 0);
    bench.run_for(second_us);
    CHECK(bench.downs == 2);
    bench.run_for(10 * second_us);
    CHECK(bench.up.empty());
    CHECK(bench.heard.empty());
    bench.network.unblock(0, 1);
    bench.run_for(second_us);
    CHECK(bench.up.size() == 2);
}

TEST_CASE("a silence shorter than the heartbeats loses messages and not the link") {
    Bench bench({{0, 1}}, 2);
    bench.run_for(second_us);
    bench.network.block(0, 1);
    bench.network.send(0, 1, "lost");
    bench.run_for(second_us / 4);
    bench.network.unblock(0, 1);
    bench.network.send(0, 1, "carried");
    bench.run_for(5 * second_us);
    CHECK(bench.downs == 0);
    CHECK(bench.heard == std::vector<std::string>{"carried"});
}

TEST_CASE("a node that went down is noticed by its peers, sees nothing itself, and is dialled when it is back") {
    Bench bench({{0, 1}, {1, 2}}, 3);
    bench.run_for(second_us);
    bench.network.node_down(1);
    bench.up.erase({1, 0});
    bench.up.erase({1, 2});
    bench.run_for(3 * second_us);
    CHECK(bench.downs == 2);
    CHECK(bench.up.empty());
    bench.network.node_up(1);
    bench.run_for(second_us);
    CHECK(bench.up.size() == 4);
}

TEST_CASE("whatever happens to links, ends see up and down in turn and nothing crosses incarnations") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        Random random(seed);
        const auto edges = edges_of(Topology::full, 4, random);
        Bench bench(edges, 4, {}, seed);
        std::vector<bool> alive(4, true);
        for (int step = 0; step < 150; ++step) {
            const auto& [a, b] = *std::next(edges.begin(), std::ptrdiff_t(random.below(edges.size())));
            switch (random.below(8)) {
                case 0:
                    bench.network.cut(a, b);
                    break;
                case 1:
                    bench.network.block(a, b);
                    break;
                case 2:
                    bench.network.unblock(a, b);
                    break;
                case 3:
                    if (alive[a] && bench.network.up(a, b)) bench.network.hang_up(a, b);
                    break;
                case 4:
                    if (alive[a]) {
                        bench.network.node_down(a);
                        for (Place other = 0; other < 4; ++other) bench.up.erase({a, other});
                    } else {
                        bench.network.node_up(a);
                    }
                    alive[a] = !alive[a];
                    break;
                default:
                    if (alive[a]) bench.network.send(a, b, "x");
            }
            bench.run_for(random.below(300'000));
        }
        for (const auto& [a, b] : edges) bench.network.unblock(a, b);
        for (Place place = 0; place < 4; ++place) {
            if (!alive[place]) bench.network.node_up(place);
        }
        bench.run_for(10 * second_us);
        CHECK(bench.up.size() == 12);
    }
}

TEST_CASE("what a link has to send again comes late and in order, and nothing is lost") {
    NetworkOptions options;
    options.straggler_permille = 0;
    options.resend_permille = 100;
    Bench bench({{0, 1}}, 2, options);
    bench.run_for(second_us);
    std::vector<std::string> sent;
    for (int i = 0; i < 500; ++i) {
        sent.push_back(std::to_string(i));
        bench.network.send(0, 1, sent.back());
    }
    bench.run_for(options.resend_us / 2);
    CHECK(bench.heard.size() < 100);
    bench.run_for(60 * second_us);
    CHECK(bench.heard == sent);
    auto faults = bench.network.faults();
    CHECK((faults["resent"] > 30 && faults["resent"] < 90));
}

TEST_CASE("a partition in one direction swallows that direction, and then both ends lose the link") {
    Bench bench({{0, 1}}, 2);
    bench.run_for(second_us);
    bench.network.block_way(0, 1);
    bench.network.send(0, 1, "into the hole");
    bench.network.send(1, 0, "carried");
    bench.run_for(second_us / 2);
    CHECK(bench.heard == std::vector<std::string>{"carried"});
    bench.run_for(10 * second_us);
    CHECK(bench.up.empty());
    bench.network.unblock(0, 1);
    bench.run_for(second_us);
    CHECK(bench.up.size() == 2);
}

TEST_CASE("a split parts the marked nodes from the others, also on links dialled meanwhile, until it ends") {
    Bench bench({{0, 1}, {1, 2}}, 4);
    bench.run_for(second_us);
    bench.network.split({false, false, true, true});
    bench.run_for(3 * second_us);
    CHECK(bench.network.up(0, 1));
    CHECK_FALSE(bench.network.up(1, 2));
    bench.network.dial(0, 3);
    bench.network.dial(2, 3);
    bench.run_for(second_us);
    CHECK_FALSE(bench.network.up(0, 3));
    CHECK(bench.network.up(2, 3));
    bench.network.rejoin();
    bench.run_for(second_us);
    CHECK(bench.up.size() == 8);
}

TEST_CASE("without redials a lost link is forgotten, and a new one can be dialled") {
    NetworkOptions options;
    options.redials = false;
    Bench bench({{0, 1}}, 3, options);
    bench.run_for(second_us);
    bench.network.hang_up(0, 1);
    bench.run_for(10 * second_us);
    CHECK(bench.up.empty());
    CHECK(bench.network.edges().empty());
    bench.network.dial(0, 2);
    bench.network.dial(1, 0);
    bench.network.dial(0, 1);
    bench.run_for(second_us);
    CHECK(bench.up.size() == 4);
    CHECK(bench.network.neighbours(0) == std::vector<Place>{1, 2});
    bench.network.node_down(0);
    bench.up.erase({0, 1});
    bench.up.erase({0, 2});
    bench.network.dial(0, 1);
    bench.run_for(3 * second_us);
    CHECK(bench.network.edges().empty());
    bench.network.dial(1, 0);
    CHECK(bench.network.edges().empty());
    CHECK(bench.network.faults().at("unreachable") > 0);
}

TEST_CASE("a narrow upload sends one message after another, over all its links together") {
    NetworkOptions options;
    options.delay_us_min = options.delay_us_max = 10'000;
    options.jitter_us_max = options.straggler_permille = 0;
    Bench bench({{0, 1}, {0, 2}}, 3, options);
    bench.run_for(second_us);
    bench.network.set_upload(0, 1'000);
    for (int i = 0; i < 5; ++i) {
        bench.network.send(0, 1, std::string(50, 'a'));
        bench.network.send(0, 2, std::string(50, 'b'));
    }
    bench.run_for(260'000);
    CHECK(bench.heard.size() == 5);
    bench.run_for(second_us);
    CHECK(bench.heard.size() == 10);
}
