// An application in the simulator: workers that share a list of tasks. Each does what is meant for it and writes the
// answer; the mesh falls apart and a node crashes meanwhile. The same seed is the same run, so what goes wrong here can
// be looked at again. docs/simulator.md says more.
#include <functional>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "crdt/views.hpp"
#include "sim/world.hpp"

using namespace starling;

namespace {

constexpr std::size_t nodes = 12;
constexpr std::int64_t tasks = 60;
constexpr std::uint64_t second_us = 1'000'000;

/// The application, one for all places: it keeps what each would keep, and never lets one see what another knows.
class Workers final : public sim::Observer {
  public:
    explicit Workers(sim::World& world) : world_(world), looking_(world.nodes()) {}

    void stopped(sim::Place place) override { looking_[place] = false; }
    /// Something became known here. What follows is done right after, as an application's watcher would.
    void handled(sim::Place place, const gossip::Effects& effects) override {
        if (effects.delivered.empty() || looking_[place]) return;
        looking_[place] = true;
        world_.at(world_.now_us(), [this, place] {
            if (!looking_[place]) return;  // it crashed
            looking_[place] = false;
            work(place);
        });
    }

  private:
    void work(sim::Place place) {
        if (!world_.running(place)) return;
        const auto& state = world_.peer(place)->state();
        for (std::int64_t task = std::int64_t(place); task < tasks; task += std::int64_t(nodes)) {
            const auto name = crdt::pack_int(task);
            if (!crdt::Set::contains(state, "tasks", name) || crdt::Map::get(state, "answers", name)) continue;
            write(place, [&](crdt::Transaction& tx) {
                crdt::Map::put(tx, "answers", name, crdt::pack_int(task * task));
                crdt::Counter::add(tx, "work", 1);
            });
        }
    }
    void write(sim::Place place, const std::function<void(crdt::Transaction&)>& change) {
        world_.write(place, change, [](const crdt::Result<peer::Commit>& commit) {
            if (!commit) std::cerr << "a write failed: " << commit.fault().what << "\n";
        });
    }

    sim::World& world_;
    std::vector<bool> looking_;
};

void run_until(sim::World& world, std::uint64_t until_us) {
    world.at(until_us, [] {});  // time passes, whatever happens
    while (world.step(until_us)) {
    }
}

}  // namespace

int main() {
    sim::Random random(7);
    sim::WorldOptions options;
    options.nodes = nodes;
    options.edges = sim::edges_of(sim::Topology::regular, nodes, random, 4);
    options.network.delay_us_min = 10'000;
    options.network.delay_us_max = 100'000;
    sim::World world(options, random.fork());
    Workers workers(world);
    world.attach(workers);
    world.start();
    run_until(world, second_us);

    for (std::int64_t task = 0; task < tasks; ++task) {
        world.at(second_us + std::uint64_t(task) * 100'000, [&world, task] {
            world.write(
                0, [task](crdt::Transaction& tx) { crdt::Set::add(tx, "tasks", crdt::pack_int(task)); },
                [](const crdt::Result<peer::Commit>&) {});
        });
    }
    world.at(2 * second_us, [&world] {
        std::vector<bool> odd(nodes);
        for (sim::Place place = 1; place < nodes; place += 2) odd[place] = true;
        world.network().split(odd);
    });
    world.at(3 * second_us, [&world] { world.crash(5); });
    world.at(6 * second_us, [&world] { world.restart(5); });
    world.at(7 * second_us, [&world] { world.network().rejoin(); });
    run_until(world, 30 * second_us);

    std::set<std::size_t> answers;
    for (sim::Place place = 0; place < nodes; ++place)
        answers.insert(crdt::Map::items(world.peer(place)->state(), "answers").size());
    std::cout << "answers at every node: " << *answers.begin() << ", trace " << sim::hex(world.trace().hash()) << "\n";
    return answers == std::set<std::size_t>{std::size_t(tasks)} ? 0 : 1;
}
