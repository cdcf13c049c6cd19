#include "gossip/wire.hpp"

#include <algorithm>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "crdt/codec.hpp"
#include "crdt/limits.hpp"
#include "gossip/wire_diff.hpp"

using namespace starling::crdt;
using namespace starling::gossip;

namespace {

ReplicaId replica(int i) {
    return {{std::uint8_t(i)}, std::uint64_t(i)};
}

Changeset changeset() {
    Changeset changeset;
    changeset.origin = replica(1);
    changeset.first = 7;
    changeset.count = 1;
    changeset.depth = 9;
    changeset.deps = {{replica(2), 4}};
    Body body;
    body.add_put(7, {Type::map, "parts", pack_str("bolt")}, 1000, pack_int(12));
    body.add_removal(0, false, DotRuns{{3, 1}});
    changeset.body = encode_body(changeset, body);
    return changeset;
}

Difference difference() {
    Difference d;
    d.tops = {{replica(1), {100, 5}}, {replica(2), {9, 77}}};
    d.heads = {{replica(2), {9, 4}}};
    d.depth = 4;
    d.inside = {{replica(1), {{1, 3}, {10, 30}}}};
    d.outside = {{replica(2), {{8, 2}}}};
    d.entries = {{{replica(2), 8}, {{Type::set, "s", pack_int(1)}, 70, 3, packed_nil()}},
                 {{replica(2), 9}, {{Type::map, "m", pack_str("f")}, 77, 4, pack_int(1)}}};
    return d;
}

Difference of_many() {
    Difference d;
    for (int node = 1; node <= 3; ++node) {
        for (Life life = 0; life < 100; ++life) d.tops[{{std::uint8_t(node)}, life << 32}] = {1 + life, 1'000 + life};
    }
    d.inside = {{{{1}, Life{3} << 32}, {{1, 2}}}};
    d.entries = {{{{{2}, Life{4} << 32}, 8}, {{Type::set, "s", pack_int(1)}, 70, 3, packed_nil()}}};
    return d;
}

SealedRun sealed_run() {
    return {replica(1), {9}, {{3, 5, ChainHead{8}, {7}}, {6, 7, {}, {6}}}};
}

std::vector<Message> all_messages() {
    return {Hello{7, {{replica(1), 3}, {replica(2), 9}}, {1, 2}, 3, {4, 5}},
            Hello{8, {{replica(1), 4}}, {1, 2}, 3, {UINT32_MAX, 70}, 70, {5, 6}},
            Digest{8, {{replica(1), 1}, {replica(2), 9}}, {}, {}},
            Digest{127, {{replica(2), 4}}, {replica(1), replica(2)}, Summary{{1, 2}, {3, 4}, 5, {6, 7}}},
            HelloRequest{},
            HelloRequest{{5, 6}, true},
            Changesets{4, {replica(3)}, {changeset()}},
            Changesets{0, {}, {changeset()}, {sealed_run()}},
            DiffPart{6, false, 3, true, difference(), {}, {}, {}, {{replica(1), 1, 2, {3}, {4}, {5}}}},
            Pull{4, {{replica(1), 1, 9}}},
            DiffOpen{6, 77, {{replica(1), 3}}, {{replica(2), {{1, 4}}}}},
            DiffPart{6, true, 1, true, difference()},
            DiffPart{6, false, 0, false, {}, Comparison{5, 1, true, {8, 9}, "estimate", "of runs"}},
            DiffPart{6, false, 1, true, {}, {}, {{2, 1}, {5, 4}, {100, 1}, {1000, 7}}, Fingerprint{10, 11}},
            DiffPart{6, false, 2, true, of_many()},
            DiffOpen{6, 77, {{replica(1), 3}}, {}, Fingerprint{3, 4}},
            DiffBase{6, 3, {{replica(1), 3}, {{{1}, 9}, 4}, {replica(2), 5}}},
            Ranges{7, 0, GaveUp::no, {}, {}, RangesHead{1, {1, 2}, {3, 4}, 5, {6, 7}, 8}},
            Ranges{7,
                   3,
                   GaveUp::no,
                   {{{{}, {{{1}, 0}}}, true, 0},
                    {{{{1}, 0}, {{{1, 5, 6}, 0x0102'0000'0000'0000}}}, false, UINT64_MAX},
                    {{{{1, 5, 7}, 0}, {{{2}, 0}}}, true, 0},
                    {{{{3}, 0}, {}}, false, 9}},
                   {{{{0, 1}, 4}, 1}, {{{1, 5, 6}, UINT64_MAX}, 0}, {{{1, 5, 7}, 5}, 6}, {{{2}, 1}, 7}}},
            Ranges{7, 9, GaveUp::receiver_asks, {}, {}},
            DiffAck{6, false, 1},
            DiffEnd{6, DiffEndReason::busy},
            DiffSketch{6, CompareBy::transitions, {11, 500}, 3, {12, 13}, "sums"},
            DiffSketch{},
            DiffMore{6, 3, 5, {{1, 1}, {9, 2}}},
            DiffSums{6, "more sums"},
            DiffCells{6, {{4, 1}, {400, 2}}, "contents"}};
}

std::string hex(const Bytes& bytes) {
    return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

TEST_CASE("every message comes back as it was, also when its numbers are defined already") {
    RefSender out;
    RefReceiver in;
    for (int round = 0; round < 2; ++round) {
        for (const auto& message : all_messages()) {
            auto decoded = decode(0, encode(0, message, out), in);
            REQUIRE(decoded);
            CHECK(*decoded == message);
        }
    }
}

// docs/wire.md shows these bytes; an independent implementation checks itself against them.
TEST_CASE("golden bytes") {
    RefSender out;
    const std::string node1 = "01" + std::string(62, '0'), node2 = "02" + std::string(62, '0');
    CHECK(hex(encode(0, HelloRequest{{5, 6}, true}, out)) ==
          "9501000290"
          "930506c3");
    CHECK(hex(encode(0, Digest{1, {{replica(1), 3}, {replica(2), 7}}, {replica(2)}, Summary{{1, 2}, {3, 4}, 5, {6, 7}}},
                     out)) ==
          "9501000194"
          "00c428" +
              node1 +
              "0000000000000001"
              "01c428" +
              node2 +
              "0000000000000002"
              "98"
              "01"
              "93020303"
              "9101"
              "c41000000000000000010000000000000002"
              "c41000000000000000030000000000000004"
              "050607");
    Changeset first;
    first.origin = replica(1);
    first.first = first.count = first.depth = 1;
    first.body = "\x01";
    CHECK(hex(encode(0, Changesets{0, {}, {first}, {{replica(1), {}, {{1, 1, {}, {0x5a}}}}}}, out)) ==
          "9501000390"
          "940090"
          "919700010101"
          "9090c40101"
          "9300c420" +
              std::string(64, '0') +
              "940101c400"
              "c4405a" +
              std::string(126, '0'));
    CHECK(hex(encode(0, Ranges{7, 0, GaveUp::no, {}, {}, RangesHead{1, {1, 2}, {1, 2}, 5, {6, 7}, 5'000}}, out)) ==
          "9501000e90"
          "9d070000909090"
          "01"
          "c41000000000000000010000000000000002"
          "c41000000000000000010000000000000002"
          "050607cd1388");
    const ReplicaId from{{3}, 0}, to{{4}, 0};
    CHECK(hex(encode(0, Ranges{7, 3, GaveUp::no, {{{from, to}, true, 0}}, {{{{3}, 1}, 2}}}, out)) ==
          "9501000e90"
          "96070300"
          "91950300a10300a104"
          "92c42003" +
              std::string(62, '0') +
              "c4080000000000000001"
              "9102");
    CHECK(hex(encode(0, Changesets{0, {}, {changeset()}}, out)) ==
          "9501000390"
          "93"
          "00"
          "90"
          "91"
          "97"
          "00"
          "07"
          "01"
          "09"
          "920104"
          "90"
          "c41a"
          "01"
          "04"
          "03"
          "00a57061727473"
          "00a5a4626f6c74"
          "cd03e8"
          "0c"
          "08000104"
          "01");
    CHECK(hex(encode_body(changeset(), {})) == "01");
}

TEST_CASE("a number without a definition is told apart from garbage, and defining anew mends it") {
    RefSender out;
    RefReceiver in, fresh;
    const Message digest = Digest{1, {{replica(1), 7}}, {}, {}};
    REQUIRE(decode(0, encode(0, digest, out), in));
    CHECK(decode(0, encode(0, digest, out), fresh).fault().code == FaultCode::not_available);
    out.begin_anew();
    CHECK(decode(0, encode(0, digest, out), fresh));
}

namespace {

/// A changeset of one put by replica 1, whose bodies differ in few bytes from one to the next.
Changeset one_put(Seq seq, const Bytes& value) {
    Changeset changeset;
    changeset.origin = replica(1);
    changeset.first = seq;
    changeset.count = changeset.depth = 1;
    Body body;
    body.add_put(seq, {Type::map, "parts", pack_str("bolt")}, 1'000'000 + seq, value);
    changeset.body = encode_body(changeset, body);
    return changeset;
}
Message pushed(const Changeset& changeset) {
    return Changesets{0, {}, {changeset}};
}

}  // namespace

TEST_CASE("a body is sent as what is new against the one before it on the link") {
    RefSender out;
    RefReceiver in;
    const auto first = encode(0, pushed(one_put(1, pack_int(7))), out);
    const auto second = encode(0, pushed(one_put(2, pack_int(8))), out);
    REQUIRE(decode(0, first, in));
    CHECK(*decode(0, second, in) == pushed(one_put(2, pack_int(8))));
    CHECK(hex(second) ==
          "9501000390"
          "93"
          "00"
          "90"
          "91"
          "99"
          "00"
          "02"
          "01"
          "01"
          "90"
          "90"
          "15"
          "00"
          "a2"
          "4208");
    Seq seq = 2;
    for (const auto& value : {pack_int(8), pack_int(1'000'000), pack_str(""), pack_int(8)}) {
        ++seq;
        CHECK(*decode(0, encode(0, pushed(one_put(seq, value)), out), in) == pushed(one_put(seq, value)));
    }
}

TEST_CASE("a body that builds on one that never came is told apart from garbage, and beginning anew mends it") {
    RefSender out;
    RefReceiver in;
    REQUIRE(decode(0, encode(0, pushed(one_put(1, pack_int(7))), out), in));
    (void)encode(0, pushed(one_put(2, pack_int(7))), out);  // lost
    CHECK(decode(0, encode(0, pushed(one_put(3, pack_int(7))), out), in).fault().code == FaultCode::not_available);
    out.begin_anew();
    CHECK(decode(0, encode(0, pushed(one_put(4, pack_int(7))), out), in));
    CHECK(decode(0, encode(0, pushed(one_put(5, pack_int(7))), out), in));
}

TEST_CASE("a body never builds on another origin's, on one with a gap between, or on a long one") {
    RefSender out;
    const Bytes long_text(kept_body_bytes_max, 'x');
    const auto size = [&](const Changeset& changeset) { return encode(0, pushed(changeset), out).size(); };
    (void)size(one_put(1, pack_int(7)));
    const auto continued = size(one_put(2, pack_int(7)));
    const auto whole = size(one_put(4, pack_int(7)));  // 3 is missing
    CHECK(continued + 15 < whole);
    Version many;  // numbers for replicas 2 and up; the last of them has the place of replica 1
    for (int i = 2; i <= 1 + int(bodies_kept_max); ++i) many[{{std::uint8_t(i), std::uint8_t(i >> 8)}, 1}] = 1;
    (void)encode(0, Hello{1, many, {}, 0}, out);
    auto other = one_put(5, pack_int(7));
    for (const auto& [id, seq] : many) {
        if (out.number(id) == bodies_kept_max) other.origin = id;
    }
    CHECK(size(other) == whole + 2);  // its number is longer
    CHECK(size(one_put(6, pack_int(7))) == whole);
    other.first = 6;
    CHECK(size(other) == whole + 2);
    CHECK(size(one_put(4, pack_int(7))) == whole);
    CHECK(size(one_put(5, pack_str(long_text))) > long_text.size());
    CHECK(size(one_put(6, pack_str(long_text))) > long_text.size());
    CHECK(size(one_put(7, pack_int(7))) == whole);
}

TEST_CASE("what a body claims to share is held to what there is") {
    RefSender out;
    RefReceiver in;
    REQUIRE(decode(0, encode(0, pushed(one_put(1, pack_int(7))), out), in));
    auto frame = encode(0, pushed(one_put(2, pack_int(8))), out);
    const auto front = frame.size() - 5;
    REQUIRE(frame[front] == 0x15);
    frame[front] = 0x7f;
    CHECK(decode(0, frame, in).fault().code == FaultCode::malformed);
    frame[front] = 0x15;
    frame[front + 1] = 0x7f;
    CHECK(decode(0, frame, in).fault().code == FaultCode::malformed);
}

TEST_CASE("another space, another version and an unknown kind are refused") {
    RefSender out;
    RefReceiver in;
    CHECK(decode(1, encode(0, HelloRequest{}, out), in).fault().code == FaultCode::refused);
    auto frame = encode(0, HelloRequest{}, out);
    frame[1] = 2;
    CHECK(decode(0, frame, in).fault().code == FaultCode::unknown_kind);
    frame = encode(0, HelloRequest{}, out);
    frame[3] = 99;
    CHECK(decode(0, frame, in).fault().code == FaultCode::unknown_kind);
}

TEST_CASE("a pull names each replica once, so that a short message cannot ask for the log many times over") {
    RefSender out;
    RefReceiver in;
    CHECK(decode(0, encode(0, Pull{4, {{replica(1), 1, 9}, {replica(2), 1, 9}}}, out), in));
    const Pull twice{4, {{replica(1), 1, 9}, {replica(1), 10, 12}}},
        descending{4, {{replica(2), 1, 9}, {replica(1), 1, 9}}};
    for (const auto& wrong : {twice, descending}) {
        const auto read = decode(0, encode(0, wrong, out), in);
        REQUIRE_FALSE(read);
        CHECK(read.fault().code == FaultCode::malformed);
    }
}

TEST_CASE("changed, cut and random frames never do more than fail") {
    std::mt19937_64 random(3);
    std::size_t read = 0;
    for (int i = 0; i < 40'000; ++i) {
        RefSender out;
        RefReceiver in;
        auto frame = encode(0, all_messages()[std::size_t(i) % all_messages().size()], out);
        for (auto changes = random() % 4; changes > 0; --changes) frame[random() % frame.size()] = char(random());
        if (random() % 4 == 0) frame.resize(random() % frame.size());
        if (decode(0, frame, in)) ++read;
    }
    CHECK(read > 0);
}

TEST_CASE("sets of dots take the shortest of runs, bitmap and code, and come back from each") {
    std::mt19937_64 random(5);
    for (int i = 0; i < 300; ++i) {
        LiveDots dots;
        const auto density = 1 + random() % 20;
        Seq seq = random() % 1000;
        for (auto count = 1 + random() % 500; count > 0; --count)
            extend(dots[replica(1)], seq += 1 + (random() % 20 < density ? 0 : random() % 50));
        RefSender out;
        RefReceiver in;
        auto decoded = decode(0, encode(0, DiffOpen{1, 0, {}, dots}, out), in);
        REQUIRE(decoded);
        CHECK(std::get<DiffOpen>(*decoded).staged == dots);
    }
}

TEST_CASE("sets of dots reach up to the last seq, and not past it") {
    const auto travelled = [](const LiveDots& dots, auto change) {
        RefSender out;
        RefReceiver in;
        auto frame = encode(0, DiffOpen{1, 0, {}, dots}, out);
        change(frame);
        return decode(0, frame, in);
    };
    for (Seq back = 0; back < 40; ++back) {
        LiveDots dots;
        for (Seq seq = seq_max - 1 - 2 * back; seq < seq_max; seq += 2) extend(dots[replica(1)], seq);
        const auto decoded = travelled(dots, [](Bytes&) {});
        REQUIRE(decoded);
        CHECK(std::get<DiffOpen>(*decoded).staged == dots);
    }
    const LiveDots last{{replica(1), {{seq_max - 3, 1}, {seq_max - 1, 1}}}};
    const auto longer = travelled(last, [](Bytes& frame) {
        REQUIRE(frame.back() == 0b101);  // a bitmap
        frame.back() = 0b1101;
    });
    REQUIRE_FALSE(longer);
    CHECK(longer.fault().code == FaultCode::malformed);
}

TEST_CASE("the pieces of a difference make the difference again, whatever their size") {
    Difference whole = difference();
    for (Seq seq = 1; seq < 300; seq += 2) extend(whole.inside[replica(3)], seq);
    for (Seq seq = 10; seq < 60; ++seq) {
        extend(whole.outside[replica(4)], seq);
        whole.entries[{replica(4), seq}] = {{Type::map, "m", pack_int(std::int64_t(seq))}, seq, 2, pack_int(1)};
    }
    for (std::size_t bytes_max : {1UL, 50UL, 200UL, 1'000UL, 1'000'000UL}) {
        Difference joined;
        for (auto& piece : split(whole, bytes_max)) REQUIRE(add_piece(joined, std::move(piece)));
        CHECK(joined == whole);
    }
}

TEST_CASE("lists of origins come back in order, whatever their numbers, and none stands twice") {
    std::mt19937_64 random(11);
    for (int i = 0; i < 200; ++i) {
        RefSender out;
        RefReceiver in;
        std::set<ReplicaId> named;
        for (auto many = random() % 60; many > 0; --many) named.insert(replica(std::uint8_t(random() % 200)));
        std::vector<ReplicaId> shuffled(named.begin(), named.end());
        std::shuffle(shuffled.begin(), shuffled.end(), random);
        Digest first, digest;
        first.stop = shuffled;  // defines the numbers in another order
        for (const auto& id : named) digest.rises.push_back({id, 1 + (random() % 3 == 0 ? random() % 1000 : 0)});
        REQUIRE(decode(0, encode(0, first, out), in));
        CHECK(*decode(0, encode(0, digest, out), in) == Message(digest));
    }
    RefSender out;
    RefReceiver in;
    auto frame = encode(0, Digest{1, {}, {replica(1), replica(2)}, {}}, out);
    constexpr std::size_t first_id = 8, second_id = 51, id_bytes = 40;
    frame.replace(second_id, id_bytes, frame.substr(first_id, id_bytes));  // both numbers mean the first now
    const auto read = decode(0, frame, in);
    REQUIRE_FALSE(read);
    CHECK(read.fault().code == FaultCode::malformed);
}

TEST_CASE("ranges that overlap, or lines where they have no place, are refused") {
    const ReplicaId a{{1}, 0}, b{{2}, 0}, c{{3}, 0};
    const auto read = [](const Ranges& message) {
        RefSender out;
        RefReceiver in;
        return bool(decode(0, encode(0, message, out), in));
    };
    CHECK(read({1, 2, GaveUp::no, {{{a, b}, false, 1}, {{b, c}, true, 0}}, {{b, 1}, {c, 0}}}));
    CHECK_FALSE(read({1, 2, GaveUp::no, {{{a, a}, false, 1}}, {}}));
    CHECK_FALSE(read({1, 2, GaveUp::no, {{{b, a}, false, 1}}, {}}));
    CHECK_FALSE(read({1, 2, GaveUp::no, {{{a, c}, false, 1}, {{b, c}, false, 1}}, {}}));
    CHECK_FALSE(read({1, 2, GaveUp::no, {{{a, {}}, false, 1}, {{b, c}, false, 1}}, {}}));
    CHECK_FALSE(read({1, 2, GaveUp::no, {{{a, b}, false, 1}}, {{{{1}, 5}, 1}}}));  // a line of a sum
    CHECK_FALSE(read({1, 2, GaveUp::no, {{{a, b}, true, 0}}, {{{{1}, 5}, 0}}}));   // a line that is none
    CHECK_FALSE(read({1, 1, GaveUp::no, {}, {}}));                                 // nobody knows whose version
    const RangesHead head{1, {1, 2}, {3, 4}, 5, {6, 7}, 8};
    CHECK(read({1, 1, GaveUp::no, {{{a, b}, true, 0}}, {{{{1}, 5}, 1}}, head}));
    CHECK_FALSE(read({1, 0, GaveUp::no, {{{a, b}, false, 1}}, {}, head}));  // says a hash, and no more
    CHECK_FALSE(read({1, 0, GaveUp::no, {}, {{a, 1}}, head}));
    CHECK_FALSE(read({1, 0, GaveUp::sender_asks, {}, {}, head}));
    CHECK_FALSE(read({1, 0, GaveUp::sender_asks, {}, {}}));
    CHECK(read({1, 1, GaveUp::sender_asks, {}, {}}));
    CHECK_FALSE(read({1, 1, GaveUp::sender_asks, {}, {}, head}));
    CHECK_FALSE(read({1, 2, GaveUp::no, {}, {}, head}));  // said before
    CHECK_FALSE(read({1, 2, GaveUp::no, {}, {{a, seq_max + 1}}}));
    const std::vector<Range> too_many(ranges_max + 1, Range{{a, b}, false, 1});
    CHECK_FALSE(read({1, 2, GaveUp::no, too_many, {}}));
}

TEST_CASE("a part that lists its replicas leaves no numbers, and names no others") {
    RefSender out;
    RefReceiver in;
    const Message part = DiffPart{6, false, 2, true, of_many()};
    const auto frame = encode(0, part, out);
    CHECK(frame.size() < 300 * 20);
    CHECK(*decode(0, frame, in) == part);
    CHECK(in.find(0) == nullptr);
    CHECK(out.number(replica(1)) == 0);
    // A number past the list: malformed, and not for want of a definition.
    auto wrong = frame;
    const auto at = wrong.find(Bytes("\xcd\x01\x2b", 3));  // the last of the tops, 299
    REQUIRE(at != Bytes::npos);
    wrong[at + 2] = '\x2c';
    const auto read = decode(0, wrong, in);
    REQUIRE_FALSE(read);
    CHECK(read.fault().code == FaultCode::malformed);
}
