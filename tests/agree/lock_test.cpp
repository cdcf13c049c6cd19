// Locks by hand: whom they exclude, and until when a holder believes.
#include "agree/lock.hpp"

#include <doctest/doctest.h>

#include "tests/agree/three_voters.hpp"

using namespace starling;
using namespace starling::agree;
using starling::agree_trial::ThreeVoters;

namespace {

constexpr std::uint64_t ttl_of_test_us = 1'000'000;

struct LockMesh : ThreeVoters {
    Proposer proposing = proposer(1);
    std::vector<std::size_t> all{0, 1, 2};

    Lock lock(Proposer& at, crdt::Life life = 1) {
        return {at, "lock", {{99}, life}, LockLimits{}, [this] { return ++draws; }};
    }
    LockWish wish(bool once) const {
        return {.ttl_us = ttl_of_test_us, .deadline_us = now_us + 10'000'000, .once = once};
    }
    gossip::Now now() const { return {now_us, 0}; }
    void run(Proposer& at, Lock& one, int rounds = 12) {
        for (; rounds > 0; --rounds) step(at, std::vector<Lock*>{&one}, all);
    }
    /// What came of a wish, told by the one event there is.
    template <class Event>
    static bool only(Lock& lock) {
        const auto events = lock.take_events();
        return events.size() == 1 && std::holds_alternative<Event>(events[0]);
    }
};

}  // namespace

TEST_CASE("two locks of one node exclude each other, and one that is gone does not hand on its token") {
    LockMesh mesh;
    std::uint64_t first = 0;
    {
        auto holder = mesh.lock(mesh.proposing);
        holder.acquire(mesh.wish(false), mesh.now());
        mesh.run(mesh.proposing, holder);
        REQUIRE(mesh.only<LockAcquired>(holder));
        first = holder.token();
        auto other = mesh.lock(mesh.proposing);
        other.acquire(mesh.wish(true), mesh.now());
        mesh.run(mesh.proposing, other);
        const auto events = other.take_events();
        REQUIRE(events.size() == 1);
        CHECK(std::get<LockFailed>(events[0]).why == LockFailure::held);
    }
    // The holder is destroyed, and did not release.
    auto next = mesh.lock(mesh.proposing);
    next.acquire(mesh.wish(false), mesh.now());
    for (const auto end = mesh.now_us + 2 * ttl_of_test_us; mesh.now_us < end && !next.holds(mesh.now());) {
        mesh.now_us += 10'000;
        mesh.run(mesh.proposing, next, 1);
    }
    CHECK(mesh.only<LockAcquired>(next));
    CHECK(mesh.now_us >= ttl_of_test_us);
    CHECK(next.token() == first + 1);
}

TEST_CASE("a holder believes from the send of its last confirmed renewal, less the margin") {
    LockMesh mesh;
    auto lock = mesh.lock(mesh.proposing);
    const auto believes_us = ttl_of_test_us * (1000 - drift_margin_permille) / 1000;
    lock.acquire(mesh.wish(false), mesh.now());
    mesh.run(mesh.proposing, lock, 4);  // a look, then prepare and accept
    REQUIRE(mesh.only<LockAcquired>(lock));
    CHECK(lock.holds({believes_us - 1, 0}));
    CHECK_FALSE(lock.holds({believes_us, 0}));

    const auto renewed_us = mesh.now_us = ttl_of_test_us / 3;
    mesh.proposing.tick(mesh.now_us);
    lock.tick(mesh.now());  // the renewal is sent, and answered 200 ms later
    mesh.now_us += 200'000;
    mesh.run(mesh.proposing, lock, 2);
    CHECK(lock.holds({renewed_us + believes_us - 1, 0}));
    CHECK_FALSE(lock.holds({renewed_us + believes_us, 0}));

    mesh.now_us = renewed_us + believes_us;  // nobody answers any more
    lock.tick(mesh.now());
    CHECK(mesh.only<LockLost>(lock));
    CHECK(lock.idle());
}

TEST_CASE("a contender waits for the time to live from its first sight of each renewal, whatever its wall clock says") {
    LockMesh mesh;
    auto holding = mesh.lock(mesh.proposing);
    holding.acquire(mesh.wish(false), mesh.now());
    mesh.run(mesh.proposing, holding);
    REQUIRE(mesh.only<LockAcquired>(holding));

    auto other = mesh.proposer(2);
    auto contender = mesh.lock(other, 2);
    contender.acquire(mesh.wish(false), mesh.now());
    mesh.now_us += 400'000;
    mesh.run(other, contender, 2);         // sees it first now
    mesh.run(mesh.proposing, holding, 4);  // and the holder renews, for the last time
    std::uint64_t seen_us = 0;
    while (mesh.now_us < 10 * ttl_of_test_us && !contender.holds(mesh.now())) {
        mesh.now_us += 10'000;
        const auto before = mesh.requests;
        mesh.run(other, contender, 1);
        if (seen_us == 0 && mesh.requests != before) seen_us = mesh.now_us;  // the renewal
    }
    REQUIRE(mesh.only<LockAcquired>(contender));
    CHECK(mesh.now_us >= seen_us + ttl_of_test_us);
    CHECK(mesh.now_us <= seen_us + ttl_of_test_us + 600'000);  // a poll and its answer
    CHECK(contender.token() == holding.token() + 1);
}
