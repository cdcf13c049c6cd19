// Engines that seal: what is applied was signed by its origin, whoever handed it on.
#include <doctest/doctest.h>

#include "gossip/wire.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::testing;

namespace {

/// The newest few changesets.
gossip::Limits logs_of_the_newest() {
    gossip::Limits limits;
    limits.log_bytes_max = 1'000;
    return limits;
}

/// Who writes by hand, with a key of its own.
class Author {
  public:
    explicit Author(const NodeKey& key) : id_{key, 1}, sealing_(std::make_shared<const sim::FakeSealer>(key), {}, 0) {}

    /// The next changeset of its chain, a put of this value.
    Changeset write(std::int64_t value) {
        Changeset changeset;
        changeset.origin = id_;
        changeset.first = ++seq_;
        changeset.count = 1;
        changeset.depth = seq_;
        Body body;
        const auto field = pack_str("f"), text = pack_int(value);
        body.add_put(seq_, {Type::map, "m", field}, 1, text);
        changeset.body = encode_body(changeset, body);
        return changeset;
    }
    /// Signs them: one seal, in a frame's form.
    gossip::SealedRun seal(const std::vector<Changeset>& changesets) {
        gossip::SealedRun run{id_, head_, {}};
        gossip::Seal seal{id_, changesets.front().first, changesets.back().last(), head_, {}, {}};
        for (const auto& changeset : changesets) head_ = sealing_.next(head_, changeset);
        seal.after = head_;
        sealing_.sign(seal);
        run.lines.push_back({seal.first, seal.last, {}, seal.signature});
        return run;
    }
    gossip::Changesets frame(std::vector<Changeset> changesets) {
        auto run = seal(changesets);
        return {0, {}, std::move(changesets), {std::move(run)}};
    }
    const ReplicaId& id() const { return id_; }

  private:
    ReplicaId id_;
    gossip::Sealing sealing_;
    gossip::ChainHead head_{};
    Seq seq_ = 0;
};

/// A peer that seals, and one link to whoever says what a test says.
struct Listener {
    Listener() { handle(gossip::LinkUp{teller}); }

    gossip::Effects handle(const gossip::Input& input) {
        auto effects = peer.handle(input, {now_us += 1'000, 1'700'000'000'000'000 + now_us});
        disconnects += effects.disconnect.size();
        for (const auto& send : effects.sends) {
            auto message = gossip::decode(0, send.bytes, their_refs);
            REQUIRE(bool(message));
            if (auto* changesets = std::get_if<gossip::Changesets>(&*message)) told.push_back(std::move(*changesets));
        }
        peer.check();
        return effects;
    }
    gossip::Effects hear(const gossip::Message& message) {
        return handle(gossip::Received{teller, gossip::encode(0, message, refs)});
    }
    static peer::Options options() {
        peer::Options made;
        made.node = {1};
        made.random = [n = std::uint64_t(0)]() mutable { return ++n; };
        made.sealer = std::make_shared<const sim::FakeSealer>(made.node);
        return made;
    }

    NodeKey teller{50};
    std::uint64_t now_us = 1'000'000;
    gossip::RefSender refs;
    gossip::RefReceiver their_refs;
    std::vector<gossip::Changesets> told;  ///< by the peer
    std::size_t disconnects = 0;
    peer::Peer peer{options()};
};

}  // namespace

TEST_CASE("sealed changesets pass along a path, by pushes and by pulls, and nothing is found wrong") {
    gossip::Limits limits;
    SUBCASE("at once") {}
    SUBCASE("gathered") {
        limits.push_window_us = 20'000;
    }
    SUBCASE("each transaction a changeset") {
        limits.flush_window_us = 0;
    }
    Mesh mesh(4, limits, true);
    for (std::size_t i = 0; i < 3; ++i) mesh.link(i, i + 1);
    mesh.run();
    for (int i = 0; i < 20; ++i) {
        (void)mesh.write(std::size_t(i) % 4, put("a", i));
        mesh.run(i % 3 == 0 ? 10'000 : 1'000);
    }
    mesh.run();
    const auto late = mesh.add();
    mesh.link(3, late);
    mesh.run();
    CHECK(mesh.equal());
    for (std::size_t i = 0; i < 5; ++i) {
        const auto counters = mesh[i].status().counters;
        CHECK(counters.unsealed + counters.seals_failed + counters.forks + counters.refused == 0);
        if (i < 4) CHECK(counters.diffs == 0);
    }
}

TEST_CASE("one signature for what leaves together") {
    gossip::Limits limits;
    limits.flush_window_us = 0;
    Mesh mesh(2, limits, true);
    mesh.link_all();
    mesh.run();
    for (int i = 0; i < 50; ++i) REQUIRE(bool(mesh[0].write(mesh.now(), put("a", i))));
    mesh.handle(0, gossip::Written{});
    mesh.run();
    CHECK(mesh.equal());
    CHECK(mesh.sealers[0]->signed_count == 1);
    CHECK(mesh.sealers[1]->verified_count == 1);
    CHECK(mesh[0].counters().changesets_sent == 50);
}

TEST_CASE("what comes without a seal, or is not what its origin signed, is not applied") {
    Author author({9});
    Listener here;
    const auto seen = [&] { return here.peer.state().seen(author.id()); };
    auto frame = author.frame({author.write(1), author.write(2)});
    SUBCASE("without") {
        frame.runs.clear();
        here.hear(frame);
        CHECK(here.peer.counters().unsealed == 2);
    }
    SUBCASE("another seal of it") {
        frame.runs[0].lines[0].last = 1;
        here.hear(frame);
        CHECK(here.peer.counters().seals_failed == 1);
    }
    SUBCASE("other content") {
        frame.changesets[1].body.back() ^= 1;
        here.hear(frame);
        CHECK(here.peer.counters().seals_failed == 1);
    }
    SUBCASE("in the name of somebody else") {
        const ReplicaId other{{8}, 1};
        for (auto& changeset : frame.changesets) changeset.origin = other;
        frame.runs[0].origin = other;
        here.hear(frame);
        CHECK(here.peer.counters().seals_failed == 1);
        CHECK(here.peer.state().seen(other) == 0);
    }
    SUBCASE("a part of what was signed") {
        frame.changesets.pop_back();
        here.hear(frame);
        CHECK(here.peer.counters().seals_failed == 1);
    }
    CHECK(seen() == 0);
    CHECK(here.peer.status().waiting == 0);
    CHECK(here.disconnects == 0);
    // It comes from somebody honest.
    Author again({9});
    here.hear(again.frame({again.write(1), again.write(2)}));
    CHECK(seen() == 2);
    // And what is here already is not verified once more.
    Author third({9});
    here.hear(third.frame({third.write(1), third.write(2)}));
    CHECK(here.peer.counters().changesets_redundant == 2);
    CHECK(here.peer.counters().forks == 0);
}

TEST_CASE("who hands on what does not verify is hung up on, and costs few verifications") {
    Listener here;
    for (int i = 0; i < 20; ++i) {
        gossip::Changesets frame;
        for (std::uint8_t j = 0; j < 20; ++j) {
            Author author({std::uint8_t(100 + j)});
            auto one = author.frame({author.write(i)});
            one.runs[0].lines[0].signature[0] ^= 1;
            frame.changesets.push_back(one.changesets[0]);
            frame.runs.push_back(one.runs[0]);
        }
        here.hear(frame);
    }
    CHECK(here.disconnects == 1);
    CHECK(here.peer.counters().seals_failed < 20);
}

TEST_CASE("an origin that signs two histories is named, the proof is kept, and nothing more of it is applied") {
    Author first({9}), second({9}), bystander({10});
    Listener here;
    here.hear(first.frame({first.write(1)}));
    const auto other = second.frame({second.write(2)});
    SUBCASE("in the same place") {
        here.hear(other);
    }
    SUBCASE("later") {
        here.hear(second.frame({second.write(3)}));
    }
    SUBCASE("while the first one waits for what it depends on") {
        auto waits = first.write(5);
        waits.deps = {{bystander.id(), 1}};
        here.hear(first.frame({waits}));
        CHECK(here.peer.status().waiting == 1);
        here.hear(second.frame({second.write(3)}));
    }
    CHECK(here.peer.counters().forks >= 1);
    const auto status = here.peer.status();
    REQUIRE(status.forks.size() == 1);
    CHECK(status.forks[0].here.replica == first.id());
    CHECK(status.forks[0].conclusive());
    CHECK(status.faults.back().find("two histories") != std::string::npos);
    here.hear(first.frame({first.write(4)}));
    CHECK(here.peer.state().seen(first.id()) == 1);
    here.hear(bystander.frame({bystander.write(1)}));
    CHECK(here.peer.state().seen(bystander.id()) == 1);
    CHECK(here.disconnects == 0);
}

TEST_CASE("a state diff brings the seals of what it raises, so that the chain goes on from there") {
    Mesh mesh(3, logs_of_the_newest(), true);
    mesh.link(0, 1);
    mesh.run();
    for (int i = 0; i < 10; ++i) {
        (void)mesh.write(0, put("a", i));
        mesh.run(10'000);
    }
    mesh.run();
    mesh.link(1, 2);
    mesh.run(3'000'000);
    CHECK(mesh.equal());
    CHECK(mesh[2].counters().diffs > 0);
    CHECK(mesh.sealers[2]->verified_count == 1);
    (void)mesh.write(0, put("a", 9));
    mesh.run(3'000'000);
    CHECK(mesh.equal());
    for (std::size_t i = 0; i < 3; ++i) CHECK(mesh[i].counters().seals_failed + mesh[i].counters().forks == 0);
}

TEST_CASE("an answer to a pull ends with a seal, also where the pull does not") {
    Listener here;
    Author author({9});
    std::vector<Changeset> many;
    for (int i = 0; i < 10; ++i) many.push_back(author.write(i));
    here.hear(author.frame(many));
    for (const auto& [from, to] : std::vector<std::pair<Seq, Seq>>{{1, 10}, {3, 5}, {10, 10}, {1, 1}}) {
        here.told.clear();
        here.hear(gossip::Pull{7, {{author.id(), from, to}}});
        REQUIRE(here.told.size() == 1);
        const auto& answer = here.told.front();
        REQUIRE(!answer.changesets.empty());
        CHECK(answer.changesets.front().first == from);
        CHECK(answer.changesets.back().last() == 10);
        REQUIRE(answer.runs.size() == 1);
        CHECK(answer.runs[0].lines.back().last == 10);
        Listener other;
        other.hear(answer);
        CHECK(other.peer.counters().seals_failed == 0);
        CHECK((from == 1 ? other.peer.state().seen(author.id()) == 10 : other.peer.status().waiting > 0));
    }
}

TEST_CASE("in the midst of a seal, what was applied is served when the rest was") {
    Listener here;
    Author author({9}), bystander({10});
    std::vector<Changeset> many;
    for (int i = 0; i < 5; ++i) many.push_back(author.write(i));
    many[3].deps = {{bystander.id(), 1}};
    here.hear(author.frame(many));
    CHECK(here.peer.state().seen(author.id()) == 3);
    const auto pulled = [&] {
        here.told.clear();
        here.hear(gossip::Pull{7, {{author.id(), 1, 5}}});
        REQUIRE(here.told.size() == 1);
        CHECK(here.told[0].gone.empty());
        return here.told[0].changesets.size();
    };
    CHECK(pulled() == 0);
    here.hear(bystander.frame({bystander.write(1)}));
    CHECK(here.peer.state().seen(author.id()) == 5);
    CHECK(pulled() == 5);
}

TEST_CASE("a long log costs one verification for each 64 KiB, and serves others as well") {
    constexpr std::size_t changesets = 300, value_bytes = 1'000;
    Mesh mesh(2, {}, true);
    mesh.link_all();
    for (std::size_t i = 0; i < changesets; ++i) {
        const auto value = pack_str(Bytes(value_bytes, 'v'));
        (void)mesh.write(0, [&](Transaction& tx) { Map::put(tx, "m", pack_int(std::int64_t(i)), value); });
        mesh.run(4'000);
    }
    mesh.run();
    REQUIRE(mesh[0].counters().changesets_sent == changesets);
    CHECK(mesh.sealers[1]->verified_count == changesets);  // one by one, as they came
    for (std::size_t i = 2; i < 4; ++i) {
        mesh.link(i - 1, mesh.add());
        mesh.run(5'000'000);
        CHECK(mesh.equal());
        CHECK(mesh[i].counters().diffs == 0);
        CHECK(mesh.sealers[i]->verified_count >= changesets * value_bytes / gossip::seal_stretch_bytes);
        CHECK(mesh.sealers[i]->verified_count <= 3 * changesets * value_bytes / gossip::seal_stretch_bytes);
    }
}

TEST_CASE("a wrong seal in a state diff refuses it") {
    Mesh mesh(2, logs_of_the_newest(), true);
    for (int i = 0; i < 10; ++i) {
        (void)mesh.write(0, put("a", i));
        mesh.run(10'000);
    }
    mesh.tamper = [](std::size_t from, Bytes frame) {
        // A seal that is in a part: its signature ends the frame.
        if (from == 0 && std::uint8_t(frame[3]) == 6) frame.back() ^= 1;
        return frame;
    };
    mesh.link(0, 1);
    mesh.run(2'000'000);
    CHECK(mesh[1].counters().seals_failed > 0);
    CHECK(mesh.state(1).live_count() == 0);
    mesh.tamper = nullptr;
    mesh.run(5'000'000);
    CHECK(mesh.equal());
}
