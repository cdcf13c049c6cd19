// A member that writes without end, big and small: its writes and those of others share every link, every queue and
// every node's time. Others' writes still arrive, and in most cases hardly later. In virtual time, so that the figures
// are the same on every machine.
#include <algorithm>
#include <map>

#include <doctest/doctest.h>

#include "crdt/views.hpp"
#include "sim/topology.hpp"
#include "sim/world.hpp"

using namespace starling;
using namespace starling::sim;

namespace {

constexpr std::size_t nodes = 6;
constexpr Place spammer = 0;
constexpr std::uint64_t everybody = (std::uint64_t{1} << nodes) - 2;  // but the spammer
constexpr std::uint64_t input_us = 100;                               // that handling one takes a node
constexpr std::uint64_t upload_bytes_per_s = 12'500'000;
constexpr std::uint64_t round_us = 25'000;
constexpr int rounds = 400;
constexpr std::uint64_t worlds = 3;
constexpr int small_writes = 20;             // a round: 800 a second, where all others together make 40
constexpr std::size_t large_bytes = 30'000;  // a round: 1.2 MB a second

/// When each honest write was at every honest node, after it was made.
class Arrivals final : public Observer {
  public:
    explicit Arrivals(World& world) : world_(world) {}
    void wrote(Place place, const crdt::Dot& dot) { open_[dot] = {world_.now_us(), std::uint64_t{1} << place}; }
    void handled(Place place, const gossip::Effects&) override {
        if (place == spammer) return;
        const auto& state = world_.peer(place)->state();
        for (auto at = open_.begin(); at != open_.end();) {
            auto& write = at->second;
            if ((write.places >> place & 1) == 0 && state.seen(at->first.replica) >= at->first.seq)
                write.places |= std::uint64_t{1} << place;
            if (write.places == everybody) {
                took_us.push_back(world_.now_us() - write.begun_us);
                at = open_.erase(at);
            } else {
                ++at;
            }
        }
    }
    std::size_t missing() const { return open_.size(); }
    std::vector<std::uint64_t> took_us;

  private:
    struct Write {
        std::uint64_t begun_us, places;
    };
    World& world_;
    std::map<crdt::Dot, Write> open_;
};

enum class Spam { none, large, small };

/// Honest nodes write in turns, meanwhile node 0 writes what it likes. How long each honest write took to be at all
/// honest nodes.
void run(Spam spam, std::uint64_t seed, std::vector<std::uint64_t>& took_us) {
    Random random(seed);
    WorldOptions options;
    options.nodes = nodes;
    options.edges = edges_of(Topology::full, nodes, random);
    options.sealed = true;
    World world(options, random.fork());
    Arrivals arrivals(world);
    world.attach(arrivals);
    world.start();
    for (Place place = 0; place < nodes; ++place) {
        world.slow_down(place, input_us);
        world.network().set_upload(place, upload_bytes_per_s);
    }
    const auto pass = [&](std::uint64_t us) {
        const auto until_us = world.now_us() + us;
        world.at(until_us, [] {});
        while (world.step(until_us)) {
        }
    };
    const auto put = [&](Place place, std::int64_t field, std::size_t bytes) {
        crdt::Dot last;
        world.write(
            place,
            [&](crdt::Transaction& tx) {
                crdt::Map::put(tx, "m", crdt::pack_int(field), crdt::pack_str(crdt::Bytes(bytes, 'v')));
            },
            [&](const auto& committed) { last = committed->last; });
        REQUIRE(last.seq > 0);
        return last;
    };
    pass(3'000'000);
    for (int round = 0; round < rounds; ++round) {
        if (spam == Spam::large) put(spammer, round % 7, large_bytes);
        for (int many = 0; spam == Spam::small && many < small_writes; ++many) {
            put(spammer, many, 20);
            world.flush(spammer);
        }
        const Place place = 1 + Place(round) % (nodes - 1);
        arrivals.wrote(place, put(place, 1'000 + round, 20));
        pass(round_us);
    }
    pass(20'000'000);
    world.check();
    CHECK(arrivals.missing() == 0);
    took_us.insert(took_us.end(), arrivals.took_us.begin(), arrivals.took_us.end());
}

/// Of all worlds together.
std::uint64_t percentile_99(Spam spam) {
    std::vector<std::uint64_t> took_us;
    for (std::uint64_t seed = 1; seed <= worlds; ++seed) run(spam, seed, took_us);
    REQUIRE(took_us.size() == worlds * rounds);
    std::sort(took_us.begin(), took_us.end());
    return took_us[took_us.size() * 99 / 100];
}

}  // namespace

TEST_CASE("who writes without end delays the writes of others no more than twofold, while nodes and links carry it") {
    const auto alone_us = percentile_99(Spam::none);
    for (const auto spam : {Spam::large, Spam::small}) {
        INFO((spam == Spam::large ? "large" : "small"));
        const auto beside_us = percentile_99(spam);
        CHECK(beside_us <= 2 * alone_us);
    }
}
