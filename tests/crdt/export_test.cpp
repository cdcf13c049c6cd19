#include "crdt/export.hpp"

#include <random>

#include <doctest/doctest.h>

#include "crdt/clock.hpp"
#include "crdt/codec.hpp"
#include "crdt/difference.hpp"
#include "crdt/views.hpp"

using namespace starling::crdt;

namespace {

ReplicaId nth(std::uint8_t number) {
    return {{number}, number};
}

/// Two replicas that have written all types, each some of it after the other's.
void fill(Replica& a, Replica& b, std::mt19937_64& random) {
    Clock clock;
    a.begin_life(nth(9));
    b.begin_life(nth(3));
    for (int i = 0; i < 200; ++i) {
        auto& from = i % 2 == 0 ? a : b;
        auto& to = i % 2 == 0 ? b : a;
        {
            Transaction tx(from, clock.next(random() % 1000));
            const auto field = pack_int(std::int64_t(random() % 20));
            Map::put(tx, "map", field, pack_str(Bytes(random() % 50, 'v')));
            Set::add(tx, "set/" + std::to_string(random() % 5), field);
            if (random() % 2 == 0) Set::remove(tx, "set/1", field);
            if (random() % 3 == 0) Map::erase(tx, "map", field);
            Counter::add(tx, "counter", std::int64_t(random() % 9));
            Journal::append(tx, "journal", pack_int(i));
            MultiValue::set(tx, "many", field);
            Flag::set(tx, "flag", random() % 2 == 0);
            REQUIRE(tx.commit());
        }
        const auto changeset = *from.cut();
        (void)to.apply(changeset, decode_body(changeset));
    }
}

/// The bytes of a state that claims another number of live entries.
Bytes with_live_count(const Bytes& bytes, std::uint64_t count) {
    Reader reader(bytes);
    Writer writer;
    for (int i = 0; i < 3; ++i) writer.uint(reader.uint());  // format, space, depth
    (void)reader.uint();
    return writer.uint(count).raw(BytesView(bytes).substr(reader.position())).take();
}

}  // namespace

TEST_CASE("a state comes back from its bytes, and both replicas that hold it export the same") {
    std::mt19937_64 random(1);
    Replica a(4), b(4), back(4);
    fill(a, b, random);
    const auto bytes = encode_state(a);
    CHECK(bytes == encode_state(b));
    REQUIRE(decode_state(bytes, back));
    back.check();
    CHECK(back.state().version() == a.state().version());
    CHECK(back.state().fingerprint() == a.state().fingerprint());
    CHECK(back.heads() == a.heads());
    CHECK(back.depth() == a.depth());
    CHECK(encode_state(back) == bytes);
    CHECK(Map::items(back.state(), "map") == Map::items(a.state(), "map"));
    back.begin_life(nth(5));
    Transaction tx(back, 1);
    Counter::add(tx, "counter", 1);
    REQUIRE(tx.commit());
    const auto changeset = *back.cut();
    REQUIRE_FALSE(a.missing(changeset, decode_body(changeset)));
    (void)a.apply(changeset, decode_body(changeset));
    CHECK(a.state().fingerprint() == back.state().fingerprint());
}

TEST_CASE("what an entry has from the one before it is not written again") {
    const auto reads = [](auto write_second) {
        Writer state;
        state.uint(1).uint(0).uint(1).uint(2).uint(1);  // format, space, depth, entries, origins
        state.replica(nth(1)).uint(2).uint(5);          // what was seen, the last stamp
        state.uint(12).uint(std::uint64_t(Type::map)).uint(0).str("m").uint(0).str("\x01").uint(5).sint(1).sint(7);
        write_second(state);
        state.uint(16).uint(1).uint(0).uint(0).uint(0);  // the end of the origin, one head
        const auto bytes = state.take();
        Replica into(0);
        if (!decode_state(bytes, into)) return false;
        CHECK(encode_state(into) == bytes);
        return true;
    };
    const auto field = [](Writer& state) -> Writer& { return state.uint(0).str("\x02"); };
    CHECK(reads([&](Writer& state) { field(state.uint(1)).sint(7); }));
    CHECK_FALSE(reads([&](Writer& state) {
        field(state.uint(0).uint(std::uint64_t(Type::map)).uint(1).str("")).sint(7);  // the key
    }));
    CHECK_FALSE(reads([&](Writer& state) { field(state.uint(1 + 4)).uint(0).sint(7); }));  // the stamp
    CHECK_FALSE(reads([&](Writer& state) { field(state.uint(1 + 8)).sint(0).sint(7); }));  // the depth
}

TEST_CASE("a state of nothing but removals is small, for sets and for maps") {
    for (const auto type : {Type::set, Type::map}) {
        Replica a(0);
        Clock clock;
        a.begin_life(nth(1));
        for (int i = 0; i < 2000; ++i) {
            Transaction tx(a, clock.next(1));
            const auto field = pack_int(i);
            const SlotView slot{type, "key", field};
            tx.put(slot, packed_nil());
            tx.drop(slot);
            REQUIRE(tx.commit());
            if (i % 100 == 0) (void)a.cut();
        }
        (void)a.cut();
        CHECK(encode_state(a).size() <= 100);
        CHECK(a.state().live_count() == 0);
    }
}

TEST_CASE("mangled bytes of a state are a fault, or a state that holds its invariants and has these bytes") {
    std::mt19937_64 random(2);
    Replica a(4), b(4);
    fill(a, b, random);
    const auto whole = encode_state(a);
    int read = 0;
    for (int i = 0; i < 3000; ++i) {
        auto bytes = whole.substr(0, i % 3 == 0 ? random() % whole.size() : whole.size());
        if (i % 3 != 0) bytes[random() % whole.size()] = char(random());
        Replica into(4);
        if (!decode_state(bytes, into)) continue;
        ++read;
        into.check();
        CHECK(encode_state(into) == bytes);
    }
    CHECK(read > 0);
    // One live entry more or less than there are: the count says how large the tables are made.
    Replica counted(4);
    CHECK_FALSE(decode_state(with_live_count(whole, a.state().live_count() + 1), counted));
    Replica other(5);
    CHECK(decode_state(whole, other).fault().code == FaultCode::refused);
}
