#include "crdt/codec.hpp"

#include <random>

#include <doctest/doctest.h>

#include "crdt/changeset.hpp"
#include "crdt/limits.hpp"

using namespace starling::crdt;

TEST_CASE("integers come back whatever their size, and only in their shortest form") {
    for (std::int64_t value :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{127}, std::int64_t{128}, std::int64_t{255}, std::int64_t{256},
          std::int64_t{65535}, std::int64_t{65536}, std::int64_t{4294967295}, std::int64_t{4294967296}, INT64_MAX,
          std::int64_t{-1}, std::int64_t{-32}, std::int64_t{-33}, std::int64_t{-128}, std::int64_t{-129},
          std::int64_t{-32769}, std::int64_t{-2147483649}, INT64_MIN}) {
        CAPTURE(value);
        CHECK(integer_value(pack_int(value)) == value);
        CHECK(canonical_field(pack_int(value)));
    }
    CHECK_FALSE(canonical_field(BytesView("\xcc\x01", 2)));
    CHECK_FALSE(canonical_field(BytesView("\xd0\x01", 2)));
    CHECK_FALSE(canonical_field(BytesView("\xcd\x00\xff", 3)));
    CHECK_FALSE(canonical_field(BytesView("\xd9\x01x", 3)));
    CHECK_FALSE(canonical_field(BytesView("\x91\x01", 2)));
    CHECK_FALSE(canonical_field(BytesView("\xca\x00\x00\x00\x00", 5)));
    CHECK_FALSE(canonical_field("\x01\x01"));
    CHECK_FALSE(canonical_field(""));
}

TEST_CASE("a value is exactly one item, not too large and not too deep") {
    CHECK(valid_value(BytesView("\x93\x01\xc0\xa1x", 5)));
    CHECK(valid_value(BytesView("\x81\xa1k\x92\x01\x02", 6)));
    CHECK_FALSE(valid_value(BytesView("\x01\x01", 2)));
    CHECK_FALSE(valid_value(""));
    CHECK_FALSE(valid_value(BytesView("\xc1", 1)));
    CHECK_FALSE(valid_value(BytesView("\xdd\xff\xff\xff\xff", 5)));
    CHECK_FALSE(valid_value(BytesView("\xdb\xff\xff\xff\xff", 5)));
    CHECK(valid_value(Bytes(value_nesting_max, '\x91') + '\x01'));
    CHECK_FALSE(valid_value(Bytes(value_nesting_max + 1, '\x91') + '\x01'));
    CHECK_FALSE(valid_value(Bytes(8'000'000, '\x91')));
}

namespace {

ReplicaId replica(int i) {
    return {{std::uint8_t(i)}, std::uint64_t(i)};
}

Changeset header() {
    Changeset changeset;
    changeset.origin = replica(5);
    changeset.first = 1000;
    changeset.count = 10;
    changeset.depth = 7;
    changeset.deps = {{replica(1), 4}, {replica(9), 2}};
    changeset.refs = {replica(1), replica(7)};
    return changeset;
}

Body body() {
    Body body;
    body.add_put(1000, {Type::map, "m", pack_str("key-0000001")}, 5, pack_int(1000));
    body.add_put(1001, {Type::map, "m", pack_str("key-0000002")}, 5, pack_int(1001));
    body.add_put(1003, {Type::map, "m", pack_str("other")}, 9, pack_int(1003));
    body.add_put(1007, {Type::map, "n", pack_int(3)}, 9, pack_int(1007));
    body.add_put(1008, {Type::counter, "n", packed_nil()}, 1'000'000, pack_int(1008));
    body.add_removal(0, false, DotRuns{{3, 2}, {998, 2}});
    body.add_removal(2, false, DotRuns{{1, 1}, {5, 100}});
    body.add_removal(1, true, DotRuns{{9, 1}});
    return body;
}

}  // namespace

TEST_CASE("a body and a changeset come back as they were") {
    auto changeset = header();
    changeset.body = encode_body(changeset, body());
    auto decoded = decode_body(changeset);
    REQUIRE(decoded);
    CHECK(*decoded == body());
    auto again = decode_changeset(encode_changeset(changeset));
    REQUIRE(again);
    CHECK(*again == changeset);
}

TEST_CASE("front coding keeps a hundred puts small") {
    auto changeset = header();
    changeset.count = 100;
    Body many;
    for (int i = 0; i < 100; ++i) {
        char field[16];
        std::snprintf(field, sizeof field, "key-%07d", i);
        many.add_put(1000 + Seq(i), {Type::map, "map", pack_str(field)}, 0, pack_int(i % 100));
    }
    CHECK(encode_body(changeset, many).size() <= 100 * 10);
    many.puts.resize(1);
    CHECK(encode_body(changeset, many).size() <= 32);
}

TEST_CASE("no prefix and no changed byte of a body is read wrongly: a fault, or a body that encodes to these bytes") {
    auto changeset = header();
    changeset.body = encode_body(changeset, body());
    const auto whole = changeset.body;
    std::mt19937_64 random(7);
    for (int i = 0; i < 20'000; ++i) {
        changeset.body = whole.substr(0, i % 3 == 0 ? random() % whole.size() : whole.size());
        if (i % 3 != 0) changeset.body[random() % whole.size()] = char(random());
        const auto decoded = decode_body(changeset);
        if (decoded) CHECK(encode_body(changeset, *decoded) == changeset.body);
    }
}

TEST_CASE("a short body that unfolds into much more than a body may hold is void") {
    auto changeset = header();
    changeset.count = changeset_dots_max;
    const auto field_bytes = [](std::size_t puts) { return changeset_texts_bytes_max / puts - 16; };
    const auto folded = [&](const Bytes& first_value) {
        Body body;
        for (std::size_t i = 0; i < 256; ++i) {
            auto field = Bytes(field_bytes(256), 'f');
            field.replace(field.size() - 3, 3, {char('0' + i / 100), char('0' + i / 10 % 10), char('0' + i % 10)});
            body.add_put(changeset.first + i, {Type::map, "m", pack_str(field)}, 0, i == 0 ? first_value : pack_int(1));
        }
        return body;
    };
    changeset.body = encode_body(changeset, folded(pack_int(1)));
    CHECK(changeset.body.size() < changeset_texts_bytes_max / 50);
    CHECK(decode_body(changeset));
    changeset.body = encode_body(changeset, folded(pack_str(Bytes(256 * 16, 'v'))));
    CHECK(changeset.body.size() < changeset_texts_bytes_max / 25);
    CHECK(decode_body(changeset).fault().code == FaultCode::malformed);
}

TEST_CASE("a key that stays and a beginning that is shared are not written again") {
    const auto reads = [](auto second_put) {
        Writer body;
        body.uint(1).uint(0).uint(std::uint64_t(Type::map)).uint(0).str("m").uint(0).str("\x01").sint(1);
        second_put(body);
        auto changeset = header();
        changeset.body = body.take();
        return bool(decode_body(changeset));
    };
    const auto other_field = [](Writer& body) { body.uint(0).str("\x02").sint(1); };
    const auto with_key = [&](std::uint64_t shared, BytesView suffix) {
        return [=](Writer& body) {
            body.uint(0).uint(std::uint64_t(Type::map)).uint(shared).str(suffix);
            other_field(body);
        };
    };
    CHECK(reads([&](Writer& body) { other_field(body.uint(1)); }));
    CHECK_FALSE(reads(with_key(1, "")));
    CHECK_FALSE(reads(with_key(0, "m")));
    CHECK(reads(with_key(1, "n")));
    CHECK_FALSE(reads(with_key(0, "mn")));
}

TEST_CASE("a newer format or operation is told apart from garbage") {
    auto changeset = header();
    changeset.body = Bytes("\x02", 1);
    CHECK(decode_body(changeset).fault().code == FaultCode::unknown_kind);
    changeset.body = Bytes("\x01\x0a", 2);
    CHECK(decode_body(changeset).fault().code == FaultCode::unknown_kind);
    changeset.body = Bytes("\x01\xc0", 2);
    CHECK(decode_body(changeset).fault().code == FaultCode::malformed);
}

TEST_CASE("headers out of bounds are refused") {
    const auto refused = [](auto change) {
        auto changeset = header();
        change(changeset);
        return !valid_header(changeset);
    };
    CHECK(valid_header(header()));
    CHECK(refused([](auto& c) { c.first = 0; }));
    CHECK(refused([](auto& c) { c.count = 0; }));
    CHECK(refused([](auto& c) { c.count = changeset_dots_max + 1; }));
    CHECK(refused([](auto& c) { c.first = seq_max; }));
    CHECK(refused([](auto& c) { c.depth = 0; }));
    CHECK(refused([](auto& c) { std::swap(c.deps[0], c.deps[1]); }));
    CHECK(refused([](auto& c) { c.deps[0] = c.deps[1]; }));
    CHECK(refused([](auto& c) { c.deps[0].replica = c.origin; }));
    CHECK(refused([](auto& c) { c.refs[0] = c.origin; }));
    CHECK(refused([](auto& c) { c.body = Bytes(changeset_bytes_max + 1, 'x'); }));
}
