// Changes of voters by hand: what one finds that was overtaken by others.
#include "agree/transition.hpp"

#include <doctest/doctest.h>

#include "tests/agree/three_voters.hpp"

using namespace starling;
using namespace starling::agree;
using starling::agree_trial::ThreeVoters;
using Stage = Transition::Stage;

namespace {

const std::vector<std::size_t> everybody{0, 1, 2, 3, 4};

std::vector<Voter> voters_at(const std::vector<std::size_t>& places) {
    std::vector<Voter> voters;
    for (const auto place : places) voters.push_back(ThreeVoters::voter(place));
    return voters;
}
Operation late_write() {
    return {.key = "late", .change = [](const auto&) { return write("late"); }, .deadline_us = 1'000'000'000};
}

}  // namespace

TEST_CASE("voters change by a joint epoch, one transition at a time") {
    ThreeVoters mesh(5);
    auto one = mesh.proposer(1), two = mesh.proposer(2);
    REQUIRE(one.submit(late_write(), 0));
    mesh.deliver(one, {0, 1});
    CHECK(one.take_results().at(0).outcome == Outcome::done);

    Transition first(one, voters_at({2, 3, 4}), {}, mesh.now_us);
    while (first.stage() == Stage::agreeing && mesh.now_us < 10'000'000) mesh.step(one, first, everybody);
    CHECK(one.record().joint());
    // Another one finds it under way, brings it to its end, and only then begins.
    Transition second(two, voters_at({0, 1, 2}), {}, mesh.now_us);
    std::vector<VoterRecord> seen;
    for (int rounds = 0; rounds < 500 && second.stage() != Stage::done; ++rounds) {
        mesh.step(two, second, everybody);
        if (seen.empty() || seen.back() != two.record()) seen.push_back(two.record());
    }
    REQUIRE(second.stage() == Stage::done);
    CHECK(two.record() == VoterRecord{5, voters_at({0, 1, 2}), {}});
    for (std::size_t i = 1; i < seen.size(); ++i) CHECK(seen[i].epoch == seen[i - 1].epoch + 1);
    for (const auto& record : seen) CHECK(record.joint() == (record.epoch % 2 == 0));
    REQUIRE(two.submit({.key = "late", .deadline_us = mesh.now_us + 1'000'000}, mesh.now_us));
    mesh.deliver(two, {1, 2});
    CHECK(two.take_results().at(0).value == "late");
}

TEST_CASE("a change of voters that was overtaken lists the keys of the epoch it finds") {
    ThreeVoters mesh(5);
    auto one = mesh.proposer(1), two = mesh.proposer(2);
    Transition overtaken(one, voters_at({0, 1, 3}), {}, mesh.now_us);
    while (overtaken.stage() != Stage::closing && mesh.now_us < 10'000'000) mesh.step(one, overtaken, everybody);
    REQUIRE(overtaken.stage() == Stage::closing);
    (void)one.take_sends();  // what it sends is lost, for a while

    // Others end that change, write a register that only two voters hold, and begin another change.
    Transition ends(two, voters_at({0, 1, 3}), {}, mesh.now_us);
    for (int rounds = 0; rounds < 500 && ends.stage() != Stage::done; ++rounds) mesh.step(two, ends, everybody);
    REQUIRE(two.record() == VoterRecord{3, voters_at({0, 1, 3}), {}});
    REQUIRE(two.submit(late_write(), mesh.now_us));
    mesh.deliver(two, {0, 1});
    CHECK(two.take_results().at(0).outcome == Outcome::done);
    Transition begins(two, voters_at({2, 3, 4}), {}, mesh.now_us);
    for (int rounds = 0; rounds < 500 && begins.stage() == Stage::agreeing; ++rounds) mesh.step(two, begins, everybody);
    REQUIRE(two.record() == VoterRecord{4, voters_at({0, 1, 3}), voters_at({2, 3, 4})});

    for (int rounds = 0; rounds < 500 && one.record().epoch < 5; ++rounds) mesh.step(one, overtaken, everybody);
    REQUIRE(one.record() == VoterRecord{5, voters_at({2, 3, 4}), {}});
    mesh.record = one.record();
    auto reads = mesh.proposer(3);
    REQUIRE(reads.submit({.key = "late", .deadline_us = mesh.now_us + 10'000'000}, mesh.now_us));
    mesh.deliver(reads, {2, 3, 4});
    for (int rounds = 0; rounds < 10; ++rounds) {
        reads.tick(mesh.now_us += 300'000);
        mesh.deliver(reads, {2, 3, 4});
    }
    const auto results = reads.take_results();
    REQUIRE(results.size() == 1);
    CHECK(results[0].value == "late");
}

TEST_CASE("a change of voters may be given up while its proposer still works on it") {
    ThreeVoters mesh(5);
    auto one = mesh.proposer(1);
    {
        const Transition given_up(one, voters_at({0, 1, 3}), {}, mesh.now_us);
    }
    mesh.deliver(one, everybody);  // the change function outlives it
    CHECK(one.take_results().at(0).outcome == Outcome::done);
    Transition again(one, voters_at({0, 1, 3}), {}, mesh.now_us);
    for (int rounds = 0; rounds < 500 && again.stage() != Stage::done; ++rounds) mesh.step(one, again, everybody);
    CHECK(one.record() == VoterRecord{3, voters_at({0, 1, 3}), {}});
}
