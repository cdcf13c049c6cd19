// Three acceptors and proposers, with every message in the hands of the test.
#include "agree/proposer.hpp"

#include <doctest/doctest.h>

#include "tests/agree/three_voters.hpp"

using namespace starling;
using namespace starling::agree;
using starling::agree_trial::ThreeVoters;

namespace {

Operation writing(const char* value) {
    return {.key = "k", .change = [value](const auto&) { return write(value); }, .deadline_us = 1'000'000};
}
Operation reading() {
    return {.key = "k", .deadline_us = 1'000'000};
}

}  // namespace

TEST_CASE("who changes a register alone needs one round trip, and two after another's change") {
    ThreeVoters mesh;
    auto one = mesh.proposer(1), two = mesh.proposer(2);
    REQUIRE(one.submit(writing("a"), 0));
    mesh.deliver(one, {0, 1, 2});
    CHECK(mesh.requests == 6);  // prepare and accept
    REQUIRE(one.submit(writing("b"), 0));
    mesh.deliver(one, {0, 1, 2});
    CHECK(mesh.requests == 9);
    REQUIRE(two.submit(reading(), 0));
    mesh.deliver(two, {0, 1, 2});
    CHECK(mesh.requests == 12);
    REQUIRE(one.submit(writing("c"), 0));  // a read took nothing from it
    mesh.deliver(one, {0, 1, 2});
    CHECK(mesh.requests == 15);
    CHECK(one.take_results().size() == 3);
    CHECK(two.take_results().at(0).value == "b");
    REQUIRE(two.submit(writing("d"), 0));
    mesh.deliver(two, {0, 1, 2});
    two.tick(10'000);  // its first ballot was too low
    mesh.deliver(two, {0, 1, 2});
    CHECK(two.take_results().at(0).revision == 4);
}

TEST_CASE("a ballot of an earlier life is never used again") {
    ThreeVoters mesh;
    auto dies = mesh.proposer(1);
    REQUIRE(dies.submit(writing("lost"), 0));
    mesh.deliver(dies, {0, 1}, 1);  // prepared
    mesh.deliver(dies, {0}, 1);     // and accepted by one
    auto lives = mesh.proposer(2);
    REQUIRE(lives.submit(writing("kept"), 0));
    mesh.deliver(lives, {1, 2});
    lives.tick(10'000);
    mesh.deliver(lives, {1, 2});
    CHECK(lives.take_results().at(0).outcome == Outcome::done);
    auto reads = mesh.proposer(3);
    REQUIRE(reads.submit(reading(), 0));
    mesh.deliver(reads, {0, 1});
    reads.tick(300'000);  // the two do not agree, and the third is silent
    mesh.deliver(reads, {0, 1});
    reads.tick(320'000);
    mesh.deliver(reads, {0, 1});
    const auto results = reads.take_results();
    REQUIRE(results.size() == 1);
    CHECK(results[0].value == "kept");
}

TEST_CASE("without a majority: nothing happened, or nobody knows; a retry is applied once") {
    ThreeVoters mesh;
    auto one = mesh.proposer(1);
    REQUIRE(one.submit(writing("a"), 0));
    mesh.deliver(one, {0});
    one.tick(1'000'000);
    CHECK(one.take_results().at(0).outcome == Outcome::no_majority);
    CHECK(one.due_us() == UINT64_MAX);

    REQUIRE(one.submit(writing("b"), 0));
    mesh.deliver(one, {1, 2}, 1);
    mesh.deliver(one, {1}, 1);
    one.tick(1'000'000);
    const auto unknown = one.take_results().at(0);
    CHECK(unknown.outcome == Outcome::outcome_unknown);
    auto again = writing("b");
    again.retry = unknown.retry;
    REQUIRE(one.submit(again, 0));
    mesh.deliver(one, {0, 1, 2});
    one.tick(10'000);
    mesh.deliver(one, {0, 1, 2});
    const auto known = one.take_results().at(0);
    CHECK(known.outcome == Outcome::done);
    CHECK(known.recovered);
    CHECK(known.revision == 1);
}

TEST_CASE("a voter whose store was set back is refused, by itself and by others") {
    ThreeVoters mesh;
    const auto backup = mesh.acceptors[0];
    auto one = mesh.proposer(1);
    REQUIRE(one.submit(writing("a"), 0));
    mesh.deliver(one, {0, 1, 2});
    mesh.acceptors[0] = backup;
    REQUIRE(one.submit(writing("b"), 0));
    mesh.deliver(one, {0, 1, 2});
    CHECK(one.went_back().contains(mesh.record.voters[0]));
    CHECK(mesh.acceptors[0].standpoint().went_back);
    CHECK(one.take_results().size() == 2);  // the other two are a majority
    // Whoever never spoke with it hears it from itself.
    auto two = mesh.proposer(2);
    REQUIRE(two.submit(reading(), 0));
    mesh.deliver(two, {0, 1, 2});
    CHECK(two.went_back().contains(mesh.record.voters[0]));
    CHECK(two.take_results().at(0).value == "b");
}

TEST_CASE("the promise of a voter that went back meanwhile is none") {
    ThreeVoters mesh;
    const auto backup = mesh.acceptors[0];
    auto one = mesh.proposer(1);
    auto other = reading();
    other.key = "other";
    REQUIRE(one.submit(writing("a"), 0));
    mesh.deliver(one, {0}, 1);  // one promise of the two that are needed
    const auto prepares = mesh.acceptors[0].standpoint().sync;
    CHECK(prepares == 1);
    mesh.acceptors[0] = backup;
    REQUIRE(one.submit(other, 0));
    mesh.deliver(one, {0}, 1);
    CHECK(one.went_back().contains(mesh.record.voters[0]));
    one.tick(300'000);
    mesh.deliver(one, {1});  // with the lost promise it would be a majority
    CHECK(mesh.acceptors[1].cells().at("k").accepted.none());
    one.tick(600'000);
    mesh.deliver(one, {1, 2});
    const auto results = one.take_results();
    REQUIRE(results.size() == 2);
    for (const auto& result : results) CHECK(result.outcome == Outcome::done);
}

TEST_CASE("with a voter that went back, promises for the next ballot are asked for anew") {
    ThreeVoters mesh;
    auto one = mesh.proposer(1);
    REQUIRE(one.submit(writing("a"), 0));
    mesh.deliver(one, {0, 1, 2});
    const auto requests = mesh.requests;
    mesh.acceptors[0] = Acceptor(mesh.record.voters[0].node, {mesh.record.voters[0].life, 0, false, mesh.record}, {});
    auto other = writing("b");
    other.key = "other";
    REQUIRE(one.submit(other, 0));
    mesh.deliver(one, {0, 1, 2});
    CHECK(mesh.requests == requests + 5);  // prepare at three, accept at two
    REQUIRE(one.submit(writing("c"), 0));
    mesh.deliver(one, {0, 1, 2});
    CHECK(mesh.requests == requests + 9);  // both at two
    CHECK(one.take_results().size() == 3);
}

TEST_CASE("an acceptor refuses lower epochs, other lives and whom the record does not name") {
    ThreeVoters mesh;
    auto& acceptor = mesh.acceptors[0];
    const auto refusal = [&](const Request& request) {
        const auto reply = acceptor.handle(request).reply;
        const auto* refused = std::get_if<Refused>(&reply.body);
        return refused == nullptr ? std::nullopt : std::optional(refused->why);
    };
    CHECK(refusal({1, 11, 1, 0, Read{"k"}}) == Refusal::no_voter);
    CHECK(refusal({1, 10, 2, 0, Read{"k"}}) == Refusal::new_epoch);
    CHECK(refusal({1, 10, 1, 0, Read{"k"}}) == std::nullopt);
    auto later = mesh.record;
    later.epoch = 2;
    CHECK(refusal({1, 10, 0, 0, Install{later}}) == std::nullopt);
    CHECK(refusal({1, 10, 0, 0, Install{mesh.record}}) == std::nullopt);
    CHECK(acceptor.standpoint().record == later);
    CHECK(refusal({1, 10, 1, 0, Read{"k"}}) == Refusal::old_epoch);
    later.epoch = 3;
    later.voters[0].life = 12;
    CHECK(refusal({1, 10, 0, 0, Install{later}}) == std::nullopt);
    CHECK(refusal({1, 10, 3, 0, Read{"k"}}) == Refusal::no_voter);
}
