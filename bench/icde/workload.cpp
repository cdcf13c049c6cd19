#include "workload.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "sim/random.hpp"

namespace starling::bench::icde {

using crdt::Bytes;
using crdt::pack_int;
using crdt::pack_str;
using sim::Random;

namespace {

constexpr std::uint64_t jitter_us_max = 20'000;            // timers of real nodes are never exact
constexpr std::uint64_t epoch_us = 1'700'000'000'000'000;  // virtual time 0, for the times of map writes
constexpr std::uint64_t map_keys = 1'000;
constexpr std::size_t users = 10'000;
constexpr std::size_t post_bytes = 270;
constexpr std::size_t post_id_bytes = 31;

std::string random_text(Random& random, std::size_t bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    while (text.size() < bytes) text += digits[random.below(16)];
    return text;
}

Workload empty(std::string name, const Shape& shape, Random& random) {
    Workload work{std::move(name), shape.topology, shape.nodes, {}, {}, {}, {}, 0, 0};
    STARLING_ASSERT(shape.topology != "tree" || shape.nodes == 15, "the paper has one tree");
    work.edges = shape.topology == "tree" ? tree_of_15() : mesh_of(shape.nodes);
    for (sim::Place node = 0; node < shape.nodes; ++node) {
        work.ids.push_back(random_text(random, 20));
        work.sync_at_us.push_back(start_us + random.below(period_us));
    }
    return work;
}

/// Every node's events, one a second from a phase of its own on; `fill` writes them, in the order of time.
template <class Fill>
void schedule(Workload& work, const Shape& shape, Random& random, const Fill& fill) {
    for (sim::Place node = 0; node < shape.nodes; ++node) {
        const auto phase_us = start_us + random.below(period_us);
        for (std::uint64_t k = 0; k < shape.events; ++k)
            work.events.push_back({phase_us + k * period_us + random.below(jitter_us_max + 1), node, {}});
    }
    std::sort(work.events.begin(), work.events.end(), [](const Event& a, const Event& b) {
        return std::pair(a.time_us, a.node) < std::pair(b.time_us, b.node);
    });
    std::vector<std::uint64_t> done(shape.nodes);
    for (auto& event : work.events) {
        fill(event, ++done[event.node]);
        work.updates += event.updates.size();
    }
    work.end_us = work.events.back().time_us;
}

/// Draws 1 … n with probabilities as 1 / rank^s.
class Zipf {
  public:
    Zipf(std::size_t n, double s) {
        double sum = 0;
        for (std::size_t rank = 1; rank <= n; ++rank) sums_.push_back(sum += std::pow(double(rank), -s));
    }
    std::size_t draw(Random& random) const {
        const auto unit = double(random.next() >> 11U) / double(std::uint64_t{1} << 53U);
        return std::size_t(std::lower_bound(sums_.begin(), sums_.end(), unit * sums_.back()) - sums_.begin()) + 1;
    }

  private:
    std::vector<double> sums_;
};

}  // namespace

// -- topologies
// ----------------------------------------------------------------------------------------------------------

sim::Edges tree_of_15() {
    return {{0, 1}, {0, 8},  {0, 13}, {1, 6}, {2, 5},  {3, 10},  {4, 5},
            {5, 6}, {6, 10}, {7, 13}, {8, 9}, {8, 14}, {10, 12}, {11, 13}};
}

sim::Edges mesh_of(std::size_t nodes) {
    sim::Edges edges;
    for (sim::Place a = 0; a < nodes; ++a) {
        for (const sim::Place step : {1, 4}) {
            const auto b = (a + step) % nodes;
            edges.insert({std::min(a, b), std::max(a, b)});
        }
    }
    return edges;
}

// -- workloads
// -----------------------------------------------------------------------------------------------------------

Workload gset(const Shape& shape) {
    Random random(shape.seed);
    auto work = empty("GSet", shape, random);
    schedule(work, shape, random, [&](Event& event, std::uint64_t k) {
        event.updates.push_back({"events", Kind::set, pack_str(work.ids[event.node] + "#" + std::to_string(k)), 0, {}});
    });
    return work;
}

Workload gcounter(const Shape& shape) {
    Random random(shape.seed);
    auto work = empty("GCounter", shape, random);
    schedule(work, shape, random, [&](Event& event, std::uint64_t k) {
        event.updates.push_back({"events", Kind::counter, pack_str(work.ids[event.node]), k, {}});
    });
    return work;
}

Workload gmap(const Shape& shape, unsigned percent) {
    Random random(shape.seed);
    auto work = empty("GMap " + std::to_string(percent) + " %", shape, random);
    const auto share = map_keys / shape.nodes + 1;
    schedule(work, shape, random, [&](Event& event, std::uint64_t) {
        std::vector<std::uint64_t> keys;
        for (auto key = event.node * share + 1; key <= std::min(map_keys, (event.node + 1) * share); ++key)
            keys.push_back(key);
        random.shuffle(keys);
        keys.resize(std::min<std::size_t>(keys.size(), percent * share / 100 + 1));
        for (const auto key : keys)
            event.updates.push_back(
                {"events", Kind::map, pack_int(std::int64_t(key)), epoch_us + event.time_us, pack_str("")});
    });
    return work;
}

Workload retwis(const Shape& shape, double zipf) {
    Random random(shape.seed);
    auto coefficient = std::to_string(zipf);
    coefficient.resize(4);
    auto work = empty("Retwis, Zipf " + coefficient, shape, random);
    const Zipf popular(users, zipf);
    std::map<std::size_t, std::set<std::size_t>> followers;
    const auto key_of = [](std::size_t user, const char* what) { return std::to_string(user) + what; };
    schedule(work, shape, random, [&](Event& event, std::uint64_t) {
        const auto draw = random.below(100);
        if (draw < 15) {
            const auto user = popular.draw(random);
            const auto followee = popular.draw(random);
            followers[followee].insert(user);
            event.updates.push_back({key_of(followee, "_followers"), Kind::set, pack_int(std::int64_t(user)), 0, {}});
        } else if (draw < 50) {
            const auto user = popular.draw(random);
            const auto time_us = epoch_us + event.time_us;
            const auto post_id = pack_str(random_text(random, post_id_bytes));
            event.updates.push_back(
                {key_of(user, "_posts"), Kind::map, post_id, time_us, pack_str(random_text(random, post_bytes))});
            for (const auto follower : followers[user])
                event.updates.push_back(
                    {key_of(follower, "_timeline"), Kind::map, pack_int(std::int64_t(time_us)), time_us, post_id});
        }
    });
    return work;
}

}  // namespace starling::bench::icde
