// Writes that queue, beside the same writes each of which is looked at before the next.
#include <random>

#include <doctest/doctest.h>

#include "crdt/clock.hpp"
#include "crdt/codec.hpp"
#include "crdt/views.hpp"

using namespace starling::crdt;

namespace {

/// One of the operations, on few slots so that they meet.
void operate(Transaction& tx, std::uint64_t draw) {
    const auto field = pack_int(std::int64_t(draw / 16 % 12));
    switch (draw % 8) {
        case 0:
            return Set::remove(tx, "set", field);
        case 1:
            return Map::erase(tx, "map", field);
        case 2:
            return Counter::add(tx, "counter", 1);
        case 3:
            return Journal::append(tx, "journal", field);
        case 4:
            return Set::add(tx, "set", field);
        case 5:
            return MultiValue::set(tx, "many", field);
        default:
            return Map::put(tx, "map", field, pack_int(std::int64_t(draw % 1000)));
    }
}

struct Author {
    Replica replica{1};
    Clock clock;
    explicit Author(const ReplicaId& id) { replica.begin_life(id); }
};

}  // namespace

TEST_CASE("a transaction whose writes queue is the one whose writes do not") {
    std::mt19937_64 random(1);
    for (int round = 0; round < 40; ++round) {
        Author queued({{1}, 1}), looked_at({{1}, 1}), other({{9}, 9});
        for (int step = 0; step < 60; ++step) {
            const bool rolled_back = random() % 4 == 0;
            const bool cut = random() % 2 == 0;
            Transaction tx(queued.replica, queued.clock.next(1)), twin(looked_at.replica, looked_at.clock.next(1));
            for (auto left = random() % 50; left > 0; --left) {
                const auto draw = random();
                operate(tx, draw);
                operate(twin, draw);
                (void)twin.state();  // runs what is queued
            }
            CHECK(twin.wrote() == tx.wrote());
            if (rolled_back) {
                tx.rollback();
                twin.rollback();
            } else {
                CHECK(*tx.commit() == *twin.commit());
            }
            if (!cut) continue;
            const auto changeset = queued.replica.cut();
            REQUIRE(changeset == looked_at.replica.cut());
            queued.replica.check();
            CHECK(queued.replica.state().fingerprint() == looked_at.replica.state().fingerprint());
            // Another's entries in the same slots, some of them concurrent.
            if (changeset) (void)other.replica.apply(*changeset, decode_body(*changeset));
            if (random() % 3 != 0) continue;
            Transaction theirs(other.replica, other.clock.next(1));
            for (int i = 0; i < 5; ++i) operate(theirs, random());
            REQUIRE(theirs.commit());
            const auto from_other = *other.replica.cut();
            for (auto* to : {&queued.replica, &looked_at.replica}) (void)to->apply(from_other, decode_body(from_other));
        }
        other.replica.check();
    }
}

TEST_CASE("whoever reads inside a transaction finds all of its writes") {
    Author writer({{1}, 1});
    Transaction tx(writer.replica, writer.clock.next(1));
    for (std::int64_t i = 0; i < 40; ++i) {
        Map::put(tx, "map", pack_int(i), pack_int(i));
        CHECK(Map::get(writer.replica.state(), "map", pack_int(i)) == pack_int(i));
    }
    Map::erase(tx, "map", pack_int(3));
    CHECK(Map::items(tx.state(), "map").size() == 39);
    tx.rollback();
    CHECK(writer.replica.state().live_count() == 0);
    writer.replica.check();
}

TEST_CASE("what is too much only in sum fails the whole transaction, and what still queued is forgotten") {
    Author writer({{1}, 1});
    Transaction tx(writer.replica, writer.clock.next(1));
    const auto large = pack_str(Bytes(50'000, 'v'));
    for (std::int64_t i = 0; i < 10; ++i) Map::put(tx, "map", pack_int(i), large);
    CHECK(tx.commit().fault().code == FaultCode::too_large);
    CHECK(writer.replica.state().live_count() == 0);
    CHECK_FALSE(writer.replica.window_open());
    writer.replica.check();
}

TEST_CASE("a journal entry that moves when its window is cut loses nothing of the window") {
    // It is alone in its block of seqs, and enough older blocks are empty by then to be closed up.
    Author a({{1}, 1}), b({{2}, 2});
    Replica reader{1};
    const auto write = [](Author& author, const auto& operations) {
        Transaction tx(author.replica, author.clock.next(1));
        operations(tx);
        REQUIRE(tx.commit());
    };
    const auto send = [](Author& from, Replica& to, Replica* too) {
        const auto changeset = *from.replica.cut();
        (void)to.apply(changeset, decode_body(changeset));
        if (too != nullptr) (void)too->apply(changeset, decode_body(changeset));
    };
    const auto put = [](std::int64_t field) {
        return [field](Transaction& tx) { Map::put(tx, "m", pack_int(field), pack_int(1)); };
    };
    for (std::int64_t i = 0; i < 32 * 20 - 1; ++i) write(a, put(i / 32));
    send(a, reader, nullptr);
    write(a, [](Transaction& tx) { Journal::append(tx, "j", pack_int(1)); });
    for (int i = 0; i < 32; ++i) write(a, put(1000));
    write(a, put(1001));
    for (std::int64_t i = 0; i < 20; ++i) write(a, [i](Transaction& tx) { Map::erase(tx, "m", pack_int(i)); });
    for (int i = 0; i < 5; ++i) {  // deeper than the window began
        write(b, put(2000));
        send(b, a.replica, &reader);
    }
    send(a, reader, nullptr);
    CHECK(Map::items(reader.state(), "m") == Map::items(a.replica.state(), "m"));
    CHECK(reader.state().live_count() == a.replica.state().live_count());
    CHECK(reader.state().fingerprint() == a.replica.state().fingerprint());
    a.replica.check();
    reader.check();
}

TEST_CASE("a put of a journal's entry takes no other's place, and a journal is not erased") {
    Author writer({{1}, 1});
    const Slot slot{Type::journal, "j", pack_int(1)};
    const auto write = [&](const auto& operation) {
        Transaction tx(writer.replica, writer.clock.next(1));
        operation(tx);
        return tx.commit();
    };
    for (std::int64_t i = 0; i < 3; ++i) {
        REQUIRE(write([&](Transaction& tx) { tx.put(slot, pack_int(i)); }));
        writer.replica.check();
    }
    CHECK(writer.replica.state().journal("j").size() == 3);
    const auto dropped = write([&](Transaction& tx) { tx.drop(slot); });
    REQUIRE_FALSE(dropped);
    CHECK(dropped.fault().code == FaultCode::refused);
    CHECK(writer.replica.state().journal("j").size() == 3);
    writer.replica.check();
}
