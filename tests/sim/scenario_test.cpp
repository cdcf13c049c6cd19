#include "sim/scenario.hpp"

#include <set>
#include <sstream>

#include <doctest/doctest.h>

#include "crdt/views.hpp"
#include "gossip/wire.hpp"
#include "sim/command.hpp"

using namespace starling;
using namespace starling::sim;

namespace {

/// A relay that understands what passes and changes it: each changeset that removes something loses one removal.
/// Works while every link lives once, because it keeps the numbers of each link.
class ForgetfulRelay {
  public:
    crdt::Bytes operator()(Place from, Place to, crdt::Bytes frame) {
        auto& [in, out] = links_[{from, to}];
        auto message = gossip::decode(0, frame, in);
        if (!message) return frame;
        if (auto* changesets = std::get_if<gossip::Changesets>(&*message)) {
            for (auto& changeset : changesets->changesets) forget(changeset);
        }
        return gossip::encode(0, *message, out);
    }

  private:
    static void forget(crdt::Changeset& changeset) {
        auto body = crdt::decode_body(changeset);
        if (!body || body->removals.empty()) return;
        body->removals.pop_back();
        changeset.body = crdt::encode_body(changeset, *body);
    }

    std::map<std::pair<Place, Place>, std::pair<gossip::RefReceiver, gossip::RefSender>> links_;
};

Config calm(std::uint64_t seed) {
    Config config;
    config.nodes = 3;
    config.seed = seed;
    config.steps = 60;
    config.rates = {0, 0, 0, 0, 0, 0};
    config.network.straggler_permille = 0;
    return config;
}

}  // namespace

TEST_CASE("the same seed is the same run, event for event; another seed is another run") {
    std::set<std::uint64_t> hashes;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const auto config = Config::drawn(2 + seed % 5, seed);
        const auto once = run(config), twice = run(config);
        CHECK(once.trace_hash == twice.trace_hash);
        CHECK(once.events == twice.events);
        CHECK(once.rounds == twice.rounds);
        CHECK(once.faults == twice.faults);
        hashes.insert(once.trace_hash);
    }
    CHECK(hashes.size() == 20);
}

TEST_CASE("without faults nothing fires, and every node is level soon after the last write") {
    const auto outcome = run(calm(1));
    CHECK_MESSAGE(outcome.good(), outcome.violation.value_or(""));
    CHECK(outcome.faults.empty());
    CHECK(outcome.transactions > 60);
    CHECK(outcome.rounds <= 3);
    CHECK(outcome.diffs == 0);
}

TEST_CASE("what overtakes its causes waits for them: hardly anything is pulled where nothing is lost") {
    std::uint64_t waited = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        auto config = calm(seed);
        config.nodes = 4;
        config.limits.flush_window_us = 0;
        config.network.delay_us_max = 60'000;  // a write comes over a fast link before its causes over a slow one
        const auto outcome = run(config);
        CHECK_MESSAGE(outcome.good(), outcome.violation.value_or(""));
        waited += outcome.waited;
        CHECK(outcome.pulls < outcome.transactions / 10);  // writes from before the links came up
        CHECK(outcome.diffs == 0);
    }
    CHECK(waited > 100);
}

TEST_CASE("frames that overtake each other on one link, which no transport lets happen, cost pulls and nothing else") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        auto config = calm(seed);
        config.nodes = 4;
        config.limits.flush_window_us = 0;
        config.network.reorder_permille = 500;
        config.network.jitter_us_max = 10'000;
        const auto outcome = run(config);
        CHECK_MESSAGE(outcome.good(), outcome.violation.value_or(""));
        CHECK(outcome.faults.at("reordered") > 0);
        CHECK(outcome.pulls < outcome.transactions / 3);  // frames that overtook the numbers and bodies they build on
        CHECK(outcome.diffs == 0);
    }
}

TEST_CASE("along a path a write is forwarded at once, long before digests would show it; nobody hears it twice") {
    constexpr std::uint64_t hop_us = 12'000;
    WorldOptions options;
    options.nodes = 6;
    Random random(1);
    options.edges = edges_of(Topology::path, options.nodes, random);
    options.network.straggler_permille = 0;
    options.limits.flush_window_us = 0;
    World world(options, random);
    world.start();
    const auto run_until = [&](std::uint64_t until_us) {
        while (world.step(until_us)) {
        }
    };
    run_until(2'000'000);
    const auto begin_us = world.now_us();
    world.write(
        0, [](crdt::Transaction& tx) { crdt::Counter::add(tx, "n", 1); },
        [](const crdt::Result<peer::Commit>& commit) { REQUIRE(bool(commit)); });
    run_until(begin_us + hop_us * (options.nodes - 1));
    for (Place place = 0; place < options.nodes; ++place) {
        CHECK(crdt::Counter::read(world.peer(place)->state(), "n") == 1);
        CHECK(world.peer(place)->status().counters.changesets_redundant == 0);
        CHECK(world.peer(place)->status().counters.pulls == 0);
    }
}

TEST_CASE("one node alone is level with itself") {
    auto config = Config::drawn(1, 3);
    CHECK(run(config).good());
}

TEST_CASE("planted: a relay that drops removals is found, and the story tells where") {
    int found = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        auto config = calm(seed);
        config.tamper = ForgetfulRelay{};
        const auto outcome = run(config);
        if (outcome.good()) continue;
        ++found;
        REQUIRE(outcome.violation);
        CHECK(outcome.violation->find("risen") != std::string::npos);
        CHECK(outcome.violation->find("hears") != std::string::npos);
    }
    CHECK(found == 10);
}

TEST_CASE("a relay that only re-encodes changes nothing that matters") {
    auto config = calm(2);
    std::map<std::pair<Place, Place>, std::pair<gossip::RefReceiver, gossip::RefSender>> links;
    config.tamper = [&](Place from, Place to, const crdt::Bytes& frame) {
        auto& [in, out] = links[{from, to}];
        auto message = gossip::decode(0, frame, in);
        REQUIRE(bool(message));
        const auto again = gossip::encode(0, *message, out);
        CHECK(again == frame);
        return again;
    };
    CHECK(run(config).good());
}

TEST_CASE("the command prints one object a seed and says by its status whether all is well") {
    std::ostringstream out, err;
    Command command;
    command.nodes = 2;
    command.seed = 5;
    command.seeds = 3;
    command.json = true;
    CHECK(run_command(command, out, err) == 0);
    CHECK(err.str().empty());
    std::istringstream lines(out.str());
    std::string line;
    for (int seed = 5; seed < 8; ++seed) {
        REQUIRE(std::getline(lines, line));
        CHECK(line.starts_with("{\"seed\": " + std::to_string(seed) + ", \"nodes\": 2, \"trace_hash\": \""));
        CHECK(line.find("\"converged\": true, \"rounds\": ") != std::string::npos);
        CHECK(line.find("\"faults\": {") != std::string::npos);
        CHECK(line.ends_with("}}"));
    }
    CHECK_FALSE(std::getline(lines, line));
    command.nodes = 0;
    CHECK(run_command(command, out, err) == 2);
    command.nodes = 2;
    command.seeds = 0;
    CHECK(run_command(command, out, err) == 2);
}
