// Signed chains by themselves: the bytes, a naive twin, what passes and what does not.
#include "gossip/seal.hpp"

#include <doctest/doctest.h>

#include "gossip/wire.hpp"
#include "sim/fake_sealer.hpp"
#include "sim/random.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::testing;

namespace {

const NodeKey author{7};

gossip::Sealing sealing_of(const NodeKey& node, SpaceId space = 0, const gossip::MeshId& mesh = {}) {
    return {std::make_shared<const sim::FakeSealer>(node), mesh, space};
}

/// Some changesets of one replica that follow each other.
std::vector<Changeset> some(std::size_t many, sim::Random& random, std::size_t body_max = 100) {
    std::vector<Changeset> made;
    Seq next = 1;
    for (std::size_t i = 0; i < many; ++i) {
        Changeset changeset;
        changeset.origin = {author, 1};
        changeset.first = next;
        changeset.count = random.between(1, 3);
        changeset.depth = 1 + i;
        changeset.body = Bytes(random.between(1, body_max), char('a' + i % 26));
        next = changeset.last() + 1;
        made.push_back(std::move(changeset));
    }
    return made;
}

std::vector<const Changeset*> pointers(const std::vector<Changeset>& changesets, std::size_t begin = 0) {
    std::vector<const Changeset*> all;
    for (auto i = begin; i < changesets.size(); ++i) all.push_back(&changesets[i]);
    return all;
}

/// The origin signs after each of these places.
std::vector<gossip::Seal> signed_at(const std::vector<Changeset>& changesets, const std::vector<std::size_t>& ends) {
    const auto sealing = sealing_of(author);
    const auto proofs = sealing.chain({}, pointers(changesets));
    std::vector<gossip::Seal> seals;
    std::size_t begin = 0;
    for (const auto end : ends) {
        seals.push_back({changesets[begin].origin,
                         changesets[begin].first,
                         changesets[end].last(),
                         proofs[begin].before,
                         proofs[end].after,
                         {}});
        sealing.sign(seals.back());
        begin = end + 1;
    }
    return seals;
}

gossip::SealedRun run_of(const gossip::ChainHead& before, const std::vector<gossip::Seal>& seals, Seq first) {
    gossip::SealedRun run{{author, 1}, before, {}};
    for (const auto& seal : seals) {
        if (seal.last < first) continue;
        run.lines.push_back({seal.first, seal.last, {}, seal.signature});
        if (seal.first < first) run.lines.back().before = seal.before;
    }
    return run;
}

bool proven(const gossip::SealedRun& run, const std::vector<const Changeset*>& changesets) {
    const auto sealing = sealing_of({99});
    auto proofs = sealing.chain(run.before, changesets);
    return sealing.prove(run, changesets, proofs);
}

}  // namespace

TEST_CASE("the bytes that are hashed and signed") {
    Changeset changeset;
    changeset.origin = {{1}, 1};
    changeset.first = changeset.count = changeset.depth = 1;
    changeset.body = Bytes(1, '\x01');
    struct Telling final : gossip::Sealer {
        mutable Bytes hashed;
        gossip::ChainHead hash(std::span<const BytesView> parts) const override {
            for (const auto part : parts) hashed.append(part);
            return {};
        }
        gossip::SealSignature sign(BytesView) const override { return {}; }
        bool verify(const NodeKey&, BytesView, const gossip::SealSignature&) const override { return true; }
    };
    const auto telling = std::make_shared<const Telling>();
    const gossip::Sealing sealing(telling, {0xaa}, 3);
    (void)sealing.next({0xbb}, changeset);
    CHECK(telling->hashed == "starling-changeset-1" + Bytes("\xbb") + Bytes(31, '\0') + encode_changeset(changeset));
    gossip::Seal seal{changeset.origin, 1, 2, {0xbb}, {0xcc}, {}};
    const auto text = sealing.text_of(seal);
    Writer replica;
    replica.replica(changeset.origin);
    const auto zeros = [](char first, std::size_t size) { return Bytes(1, first) + Bytes(size - 1, '\0'); };
    CHECK(text == Bytes("\x98\xaf") + "starling-seal-1" + "\xc4\x10" + zeros('\xaa', 16) + "\x03" + replica.take() +
                      "\x01\x02" + "\xc4\x20" + zeros('\xbb', 32) + "\xc4\x20" + zeros('\xcc', 32));
    CHECK(gossip::decode_seal(gossip::encode_seal(seal)) == seal);
    CHECK(!gossip::decode_seal(gossip::encode_seal(seal) + "x"));
    CHECK(!gossip::decode_seal(""));
}

TEST_CASE("a chain is what a naive twin of it comes to, and one signature proves all that leads to it") {
    sim::Random random(1);
    const sim::FakeSealer naive(author);
    for (int round = 0; round < 50; ++round) {
        const auto changesets = some(random.between(1, 20), random);
        gossip::ChainHead head{};
        const auto proofs = sealing_of(author).chain({}, pointers(changesets));
        for (std::size_t i = 0; i < changesets.size(); ++i) {
            CHECK(proofs[i].before == head);
            const auto text = "starling-changeset-1" + Bytes(gossip::view_of(head)) + encode_changeset(changesets[i]);
            head = naive.hash(std::array{BytesView(text)});
            CHECK(proofs[i].after == head);
        }
        std::vector<std::size_t> ends;
        for (std::size_t i = 0; i < changesets.size(); ++i) {
            if (random.chance(400) || i + 1 == changesets.size()) ends.push_back(i);
        }
        auto seals = signed_at(changesets, ends);
        // From any changeset on, also in the midst of what a seal is of; and with seals left out on the way.
        const auto begin = random.below(changesets.size());
        auto run = run_of(proofs[begin].before, seals, changesets[begin].first);
        CHECK(proven(run, pointers(changesets, begin)));
        if (run.lines.size() > 1) run.lines.erase(run.lines.begin());
        CHECK(proven(run, pointers(changesets, begin)));
    }
}

TEST_CASE("nothing but what the origin signed is proven") {
    sim::Random random(2);
    const auto changesets = some(6, random);
    const auto seals = signed_at(changesets, {2, 5});
    const auto run = run_of({}, seals, 1);
    REQUIRE(proven(run, pointers(changesets)));
    const auto rejects = [&](auto change) {
        auto other = run;
        auto content = changesets;
        change(other, content);
        return !proven(other, pointers(content));
    };
    CHECK(rejects([](auto&, auto& content) { content[4].body[0] ^= 1; }));
    CHECK(rejects([](auto&, auto& content) { content[0].body += 'x'; }));
    CHECK(rejects([](auto&, auto& content) { ++content[5].depth; }));
    CHECK(rejects([](auto&, auto& content) { content[3].deps.push_back({{{9}, 9}, 1}); }));
    CHECK(rejects([](auto& other, auto&) { other.before[0] = 1; }));
    CHECK(rejects([](auto& other, auto&) { other.lines.clear(); }));
    CHECK(rejects([](auto& other, auto&) { other.lines.pop_back(); }));  // the end is not covered
    CHECK(rejects([](auto& other, auto&) { other.lines.back().signature[7] ^= 1; }));
    CHECK(rejects([](auto& other, auto&) { other.lines.back().first = 1; }));
    CHECK(rejects([](auto& other, auto&) { other.lines.back().last += 1; }));
    CHECK(rejects([&](auto& other, auto&) { other.lines.back() = other.lines.front(); }));
    CHECK(rejects([](auto&, auto& content) { content.erase(content.begin() + 2); }));
    CHECK(rejects([](auto&, auto& content) { content.clear(); }));
    // For another mesh, another space, or by somebody else, it is another text.
    auto proofs = sealing_of({99}).chain({}, pointers(changesets));
    CHECK(!sealing_of({99}, 1).prove(run, pointers(changesets), proofs));
    CHECK(!sealing_of({99}, 0, {1}).prove(run, pointers(changesets), proofs));
    auto other = run;
    sealing_of({8}).sign(const_cast<gossip::Seal&>(seals.back()));
    other.lines.back().signature = seals.back().signature;
    CHECK(!proven(other, pointers(changesets)));
}

TEST_CASE("signatures are kept one for each 64 KiB, and a run without one for too long is not taken") {
    sim::Random random(3);
    const auto changesets = some(400, random, 2'000);
    std::vector<std::size_t> ends(changesets.size());
    for (std::size_t i = 0; i < ends.size(); ++i) ends[i] = i;
    const auto kept = gossip::thinned(pointers(changesets), ends);
    REQUIRE(kept.back() == changesets.size() - 1);
    CHECK(kept.size() > 3);
    std::size_t begin = 0;
    for (const auto end : kept) {
        std::size_t bytes = 0;
        for (auto i = begin; i <= end; ++i) bytes += gossip::wire_bytes(changesets[i]);
        CHECK(bytes <= gossip::seal_stretch_bytes);
        if (end + 1 < changesets.size())
            CHECK(bytes + gossip::wire_bytes(changesets[end + 1]) > gossip::seal_stretch_bytes);
        begin = end + 1;
    }
    const auto verifier = std::make_shared<const sim::FakeSealer>(NodeKey{99});
    const gossip::Sealing sealing(verifier, {}, 0);
    const auto run = run_of({}, signed_at(changesets, ends), 1);
    auto proofs = sealing.chain({}, pointers(changesets));
    CHECK(sealing.prove(run, pointers(changesets), proofs));
    CHECK(verifier->verified_count == kept.size());  // whatever else is there to be verified
    for (const auto& proof : proofs) CHECK(proof.by);
    CHECK(!proven(run_of({}, signed_at(changesets, {changesets.size() - 1}), 1), pointers(changesets)));
}

TEST_CASE("two seals contradict each other where no chain has both") {
    sim::Random random(4);
    const auto changesets = some(6, random);
    const auto seals = signed_at(changesets, {1, 3, 5});
    for (const auto& a : seals) {
        for (const auto& b : seals) CHECK(!gossip::contradict(a, b));
    }
    auto other = seals[1];
    other.after[0] ^= 1;
    CHECK(gossip::contradict(seals[1], other));
    CHECK(gossip::contradict(other, seals[2]));
    CHECK(gossip::contradict(seals[2], other));
    CHECK(!gossip::contradict(seals[0], other));
    other.replica.life = 2;
    CHECK(!gossip::contradict(seals[1], other));
    const auto longer = signed_at(changesets, {1, 5});
    CHECK(gossip::contradict(seals[1], longer[1]));
}
