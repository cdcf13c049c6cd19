// A member that forges: what one node hands on is changed, stripped of its seals, sealed by itself or by what was
// signed before, in frames that are otherwise in order. Nothing of it is ever applied anywhere, which the judge of the
// history sees to, and all that was written arrives. STARLING_FORGER_SEEDS=N runs N worlds.
#include <algorithm>
#include <map>
#include <memory>

#include <doctest/doctest.h>

#include "crdt/codec.hpp"
#include "crdt/views.hpp"
#include "gossip/wire.hpp"
#include "sim/fake_sealer.hpp"
#include "sim/scenario.hpp"
#include "sim/world.hpp"
#include "tests/environment.hpp"

using namespace starling;
using namespace starling::sim;

namespace {

constexpr std::uint64_t forger_seeds_default = 60;

/// Reads what the forger's honest engine sends, and writes it as it likes.
class Forger {
  public:
    explicit Forger(std::uint64_t seed) : random_(seed) {}

    crdt::Bytes operator()(Place from, Place to, crdt::Bytes frame) {
        if (from != 0) return frame;
        auto message = read(to, frame);
        if (!message) return undefined_number();
        if (auto* changesets = std::get_if<gossip::Changesets>(&*message)) {
            const auto honest = changesets->runs;
            if (random_.chance(600)) forge(*changesets);
            for (const auto& run : honest) before_[run.origin] = run;
        }
        auto& refs = out_[to];
        refs.begin_anew();  // every number is defined in every frame
        return gossip::encode(0, *message, refs);
    }
    std::uint64_t forged = 0;

  private:
    /// A frame that makes its receiver ask for all numbers anew, as the forger would.
    static crdt::Bytes undefined_number() {
        crdt::Writer out;
        out.array(5).uint(gossip::wire_version).uint(0).uint(4).array(0);
        out.array(2).uint(1).array(3).uint(gossip::link_refs_max).uint(1).uint(1);
        return out.take();
    }

    /// A link that came up anew numbers anew; what was defined on it before that was noticed is missing then.
    std::optional<gossip::Message> read(Place to, const crdt::Bytes& frame) {
        for (int tries = 0; tries < 2; ++tries) {
            auto message = gossip::decode(0, frame, in_[to]);
            if (message) return std::move(*message);
            in_[to] = {};
        }
        return {};
    }

    void forge(gossip::Changesets& message) {
        if (message.changesets.empty() || message.runs.empty()) return;
        ++forged;
        auto& changeset = message.changesets[random_.below(message.changesets.size())];
        auto& run = message.runs[random_.below(message.runs.size())];
        auto& line = run.lines[random_.below(run.lines.size())];
        switch (random_.below(9)) {
            case 0:
                changeset.body[random_.below(changeset.body.size())] ^= char(1 + random_.below(255));
                break;
            case 1:
                message.runs.clear();
                break;
            case 2:
                line.signature[random_.below(line.signature.size())] ^= 1;
                break;
            case 3:
                if (before_.contains(run.origin)) run.lines = before_[run.origin].lines;
                break;
            case 4:
                ++changeset.depth;
                break;
            case 5:
                message.changesets.pop_back();
                break;
            case 6:
                run.before[3] ^= 1;
                break;
            case 7:
                changeset.count += 1;
                break;
            default:
                seal_myself(message, run);
        }
    }

    /// Another value in another's name, sealed as well as the forger can.
    void seal_myself(gossip::Changesets& message, gossip::SealedRun& run) {
        const gossip::Sealing mine(std::make_shared<const FakeSealer>(crdt::NodeKey{0xee}), {}, 0);
        gossip::Seal seal{run.origin, 0, 0, run.before, run.before, {}};
        for (auto& changeset : message.changesets) {
            if (changeset.origin != run.origin) continue;
            changeset.deps.clear();
            if (seal.first == 0) seal.first = changeset.first;
            seal.last = changeset.last();
            seal.after = mine.next(seal.after, changeset);
        }
        mine.sign(seal);
        run.lines = {{seal.first, seal.last, {}, seal.signature}};
    }

    Random random_;
    std::map<Place, gossip::RefReceiver> in_;
    std::map<Place, gossip::RefSender> out_;
    std::map<crdt::ReplicaId, gossip::SealedRun> before_;
};

/// Tells one node another story of what it writes itself, as well sealed as the true one.
class TwoFaced {
  public:
    TwoFaced(const crdt::NodeKey& key, Place misled)
        : key_(key), misled_(misled), sealing_(std::make_shared<const FakeSealer>(key), gossip::MeshId{}, 0) {}

    crdt::Bytes operator()(Place from, Place to, crdt::Bytes frame) {
        if (from != 0 || to != misled_) return frame;
        auto message = gossip::decode(0, frame, in_);
        if (!message) return frame;
        if (auto* changesets = std::get_if<gossip::Changesets>(&*message)) {
            for (auto& run : changesets->runs) {
                if (run.origin.node == key_) retell(*changesets, run);
            }
        }
        out_.begin_anew();
        return gossip::encode(0, *message, out_);
    }

  private:
    void retell(gossip::Changesets& message, gossip::SealedRun& run) {
        gossip::Seal seal{run.origin, 0, 0, {}, {}, {}};
        auto head = run.before;
        for (auto& changeset : message.changesets) {
            if (changeset.origin != run.origin) continue;
            if (seal.first == 0) {
                const auto told = heads_.find({run.origin, changeset.first - 1});
                if (told != heads_.end()) head = told->second;
                seal.first = changeset.first;
                run.before = seal.before = head;
            }
            ++changeset.depth;
            head = heads_[{run.origin, changeset.last()}] = sealing_.next(head, changeset);
            seal.last = changeset.last();
        }
        seal.after = head;
        sealing_.sign(seal);
        run.lines = {{seal.first, seal.last, {}, seal.signature}};
    }

    crdt::NodeKey key_;
    Place misled_;
    gossip::Sealing sealing_;
    gossip::RefReceiver in_;
    gossip::RefSender out_;
    std::map<std::pair<crdt::ReplicaId, crdt::Seq>, gossip::ChainHead> heads_;
};

/// Four nodes that see each other write in turns; in the middle node 1 loses sight of node 0, and hears of what that
/// writes from the others.
void tell_two_stories(std::uint64_t seed) {
    Random random(seed);
    WorldOptions options;
    options.nodes = 4;
    options.edges = edges_of(Topology::full, options.nodes, random);
    options.sealed = true;
    World world(options, random.fork());
    world.tamper = TwoFaced(world.key(0), 1);
    world.start();
    const auto pass = [&](std::uint64_t us) {
        const auto until_us = world.now_us() + us;
        world.at(until_us, [] {});
        while (world.step(until_us)) {
        }
        world.check();
    };
    pass(1'000'000);
    for (int round = 0; round < 40; ++round) {
        if (round == 20) world.network().block(0, 1);
        world.write(
            round % 2 == 0 ? 0 : random.below(options.nodes),
            [&](crdt::Transaction& tx) { crdt::Map::put(tx, "m", crdt::pack_int(round), crdt::pack_int(round)); },
            [](const auto&) {});
        pass(random.below(300'000));
    }
    pass(10'000'000);
    std::size_t proofs = 0;
    for (Place place = 1; place < options.nodes; ++place) {
        const auto status = world.peer(place)->status();
        CHECK(status.counters.seals_failed + status.counters.malformed == 0);
        for (const auto& fork : status.forks) {
            CHECK(fork.here.replica.node == world.key(0));
            CHECK(fork.here != fork.there);
            ++proofs;
        }
    }
    CHECK(proofs > 0);
}

}  // namespace

TEST_CASE("who tells two stories is found out, and nobody else is blamed for it") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        INFO("seed " << seed);
        tell_two_stories(seed);
    }
}

TEST_CASE("nothing that a relay forges is ever applied, and what is honest arrives") {
    const auto seeds = starling::testing::number_from("STARLING_FORGER_SEEDS", forger_seeds_default);
    const auto begin = starling::testing::number_from("STARLING_SIM_FIRST", 1);
    std::uint64_t forged = 0;
    for (auto seed = begin; seed < begin + seeds; ++seed) {
        auto config = Config::drawn(3 + seed % 4, seed);
        config.topology = seed % 2 == 0 ? Topology::full : config.topology;
        config.sealed = config.liars = true;
        // Frames of one changeset, most of them forged, would take longer than the judge waits.
        config.limits.frame_changesets_bytes_max =
            std::max<std::size_t>(config.limits.frame_changesets_bytes_max, 3'000);
        const auto forger = std::make_shared<Forger>(seed);
        config.tamper = [forger](Place from, Place to, crdt::Bytes frame) {
            return (*forger)(from, to, std::move(frame));
        };
        const auto outcome = run(config);
        INFO("seed " << seed << ": " << outcome.violation.value_or("did not converge"));
        CHECK(outcome.good());
        forged += forger->forged;
    }
    CHECK(forged > seeds);
}

TEST_CASE("sealed worlds converge under all faults, with disks and without, and repeat") {
    const auto seeds = starling::testing::number_from("STARLING_FORGER_SEEDS", forger_seeds_default);
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        const auto nodes = 2 + seed % 5;
        auto config = seed % 2 == 0 ? Config::drawn_with_disks(nodes, seed) : Config::drawn(nodes, seed);
        config.sealed = true;
        const auto outcome = run(config);
        INFO("starling sim --sealed --nodes " << nodes << " --seed " << seed << (seed % 2 == 0 ? " --disks" : ""));
        CHECK_MESSAGE(outcome.good(), outcome.violation.value_or("did not converge"));
        if (seed < 4) CHECK(run(config).trace_hash == outcome.trace_hash);
    }
}
