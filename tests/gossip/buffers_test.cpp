// The log and the waiting buffer against what they promise, and against naive twins.
#include <random>

#include <doctest/doctest.h>

#include "gossip/log.hpp"
#include "gossip/waiting.hpp"

using namespace starling::crdt;
using namespace starling::gossip;

namespace {

ReplicaId replica_named(std::uint64_t i) {
    return {{std::uint8_t(i)}, i};
}

ChangesetPtr changeset(std::uint64_t origin, Seq first, std::uint64_t count, std::size_t bytes = 10) {
    Changeset made;
    made.origin = replica_named(origin);
    made.first = first;
    made.count = count;
    made.depth = 1;
    made.body = Bytes(bytes, 'x');
    return std::make_shared<const Changeset>(std::move(made));
}

WaitingChangeset waiting(std::uint64_t origin, Seq first, std::size_t bytes = 10) {
    return {changeset(origin, first, 1, bytes), Body{}, std::nullopt};
}

constexpr std::size_t plenty = 1 << 30;

}  // namespace

TEST_CASE("the log serves from a seq on while it holds every changeset up to the top") {
    Log log;
    log.append(changeset(1, 1, 3), 0);
    log.append(changeset(2, 1, 1), 1);
    log.append(changeset(1, 4, 1), 2);
    CHECK(log.serves(replica_named(1), 1));
    CHECK_FALSE(log.serves(replica_named(3), 1));
    CHECK(log.range(replica_named(1), 1, 9, 100).size() == 2);
    CHECK(log.range(replica_named(1), 4, 9, 100).size() == 1);
    CHECK(log.range(replica_named(1), 2, 9, 100).size() == 1);  // who asks from 2 on gets what holds 2 from elsewhere
    CHECK(log.range(replica_named(1), 1, 9, 1).size() == 1);
    CHECK(log.range(replica_named(1), 1, 3, 100).size() == 1);
    log.trim(plenty, 100, 99);  // the oldest alone is too old
    CHECK_FALSE(log.serves(replica_named(1), 1));
    CHECK(log.serves(replica_named(1), 4));
    CHECK(log.serves(replica_named(2), 1));
    log.reset(replica_named(1));
    CHECK_FALSE(log.serves(replica_named(1), 4));
    log.append(changeset(1, 50, 1), 3);
    CHECK(log.serves(replica_named(1), 50));
    log.check();
    log.trim(0, 100, 1000);
    CHECK(log.bytes() == 0);
    log.check();
}

TEST_CASE("the log's bounds hold through random appends, trims and resets") {
    std::mt19937_64 random(11);
    Log log;
    Seq next[4] = {1, 1, 1, 1};
    for (std::uint64_t i = 0; i < 5'000; ++i) {
        const auto origin = random() % 4;
        const auto count = 1 + random() % 5;
        if (random() % 50 == 0) {
            log.reset(replica_named(origin));
            next[origin] += random() % 10;
        }
        log.append(changeset(origin, next[origin], count, random() % 200), i);
        next[origin] += count;
        log.trim(20'000, i, 300);
        CHECK(log.bytes() <= 20'000);
        CHECK((!log.serves(replica_named(origin), 1) || next[origin] < 300));
        log.check();
    }
}

TEST_CASE("what waits comes out when what it misses is covered, and once") {
    Waiting buffer;
    buffer.add(waiting(1, 5), {replica_named(1), 4}, 3, plenty);
    buffer.add(waiting(2, 1), {replica_named(1), 4}, 3, plenty);
    buffer.add(waiting(2, 1), {replica_named(1), 4}, 3, plenty);
    buffer.add(waiting(3, 1), {replica_named(1), 9}, 3, plenty);
    CHECK(buffer.size() == 3);
    CHECK(buffer.holds(replica_named(1), 5));
    CHECK(buffer.covered(replica_named(1), 3).empty());
    CHECK(buffer.covered(replica_named(2), 99).empty());
    CHECK(buffer.covered(replica_named(1), 8).size() == 2);
    CHECK(buffer.covered(replica_named(1), 9).size() == 1);
    CHECK(buffer.bytes() == 0);
    buffer.check();
}

TEST_CASE("a chain that waits is not asked for again") {
    Waiting buffer;
    for (Seq seq : {3, 4, 6}) buffer.add(waiting(1, seq), {replica_named(1), seq - 1}, 1, plenty);
    CHECK(buffer.continues(replica_named(1), 1) == 1);
    CHECK(buffer.continues(replica_named(1), 2) == 4);
    CHECK(buffer.continues(replica_named(1), 5) == 6);
}

TEST_CASE("when the buffer is full, what is farthest from delivery goes first") {
    Waiting buffer;
    for (Seq seq = 2; seq <= 101; ++seq) {
        buffer.add(waiting(1, seq, 100), {replica_named(1), seq - 1}, 0, 40 * 1024);
        buffer.check();
    }
    CHECK(buffer.bytes() <= 40 * 1024);
    CHECK(buffer.holds(replica_named(1), 2));
    CHECK_FALSE(buffer.holds(replica_named(1), 101));
}
