#include <random>

#include <doctest/doctest.h>

#include "agree/lock_record.hpp"
#include "agree/wire.hpp"
#include "crdt/codec.hpp"

using namespace starling;
using namespace starling::agree;

namespace {

crdt::NodeKey voter_node(int i) {
    return {std::uint8_t(i)};
}
Ballot ballot_of(std::uint64_t counter, int node = 1) {
    return {counter, {voter_node(node), 7}};
}
VoterRecord joint_record() {
    return {3, {{voter_node(1), 11}}, {{voter_node(1), 11}, {voter_node(2), 22}, {voter_node(3), 33}}};
}
crdt::Bytes some_register() {
    Register held;
    apply(held, {5, 1}, "one");
    apply(held, {6, 1}, std::nullopt);
    return encode(held);
}

std::vector<Message> all_messages() {
    const auto request = [](RequestBody body) { return Request{9, 0x0102'0304'0506'0708, 3, 300, std::move(body)}; };
    const auto reply = [](ReplyBody body) { return Reply{9, 0x0102'0304'0506'0708, 301, std::move(body)}; };
    return {request(Prepare{"key", ballot_of(4)}),
            request(Accept{"key", ballot_of(4), true, some_register()}),
            request(Read{"key"}),
            request(ListKeys{"key"}),
            request(Install{joint_record()}),
            request(Identify{}),
            reply(Promised{}),
            reply(Promised{ballot_of(2), some_register()}),
            reply(Accepted{}),
            reply(Held{ballot_of(2), some_register()}),
            reply(Keys{{"a", "b"}, true}),
            reply(Identity{joint_record()}),
            reply(Identity{}),
            reply(Refused{Refusal::ballot, ballot_of(8), {}}),
            reply(Refused{Refusal::old_epoch, {}, joint_record()}),
            reply(Refused{Refusal::went_back, {}, {}})};
}

std::string hex_of_bytes(const crdt::Bytes& bytes) {
    return crdt::to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

TEST_CASE("every message about registers comes back as it was") {
    for (const auto& message : all_messages()) {
        const auto again = decode(encode(message));
        REQUIRE(again);
        CHECK(*again == message);
    }
}

// docs/wire.md shows these bytes.
TEST_CASE("golden bytes of messages about registers") {
    CHECK(hex_of_bytes(encode(Request{1, 7, 2, 0, Read{"k"}})) ==
          "920102"
          "01"
          "07"
          "02"
          "00"
          "c4016b");
    CHECK(hex_of_bytes(encode(Reply{1, 7, 5, Held{}})) ==
          "920112"
          "01"
          "07"
          "05"
          "00");
    Register held;
    apply(held, {5, 1}, "v");
    CHECK(hex_of_bytes(encode(held)) ==
          "94"
          "01"
          "00"
          "c40176"
          "93"
          "05"
          "01"
          "01");
    CHECK(hex_of_bytes(encode(Reply{1, 7, 5, Refused{Refusal::went_back, {}, {}}})) ==
          "920115"
          "01"
          "07"
          "05"
          "04"
          "00"
          "90");
}

TEST_CASE("changed and cut messages about registers never do more than fail, and have one form") {
    std::mt19937_64 random(1);
    std::size_t read = 0;
    for (int round = 0; round < 2000; ++round) {
        for (const auto& message : all_messages()) {
            auto bytes = encode(message);
            if (random() % 3 == 0) bytes.resize(random() % bytes.size());
            for (auto flips = random() % 3; flips > 0 && !bytes.empty(); --flips)
                bytes[random() % bytes.size()] = char(random());
            const auto maybe = decode(bytes);
            if (!maybe) continue;
            ++read;
            CHECK(encode(*maybe) == bytes);
        }
    }
    CHECK(read > 1000);
}

TEST_CASE("messages about registers are bounded") {
    const crdt::Bytes longest(register_key_bytes_max, 'k');
    CHECK(decode(encode(Request{1, 1, 1, 0, Read{longest}})));
    CHECK_FALSE(decode(encode(Request{1, 1, 1, 0, Read{longest + "k"}})));
    CHECK_FALSE(decode(encode(Request{1, 1, 1, 0, Prepare{"k", {}}})));                        // the zero ballot
    CHECK_FALSE(decode(encode(Request{1, 1, 1, 0, Accept{"k", ballot_of(1), false, "no"}})));  // no register
    CHECK(decode(encode(Request{1, 1, 1, 0, Accept{"k", ballot_of(count_max), false, encode(Register{})}})));
    CHECK_FALSE(decode(encode(Request{1, 1, 1, 0, Accept{"k", ballot_of(count_max), true, encode(Register{})}})));
    CHECK_FALSE(decode(encode(Reply{1, 1, 1, Keys{{"b", "a"}, false}})));  // not ascending
    CHECK_FALSE(decode(encode(Reply{1, 1, 1, Keys{{}, true}})));           // more, but none here
    CHECK_FALSE(decode(encode(Request{1, 1, 1, 0, Install{{1, {}, {}}}})));
    CHECK_FALSE(
        decode(encode(Request{1, 1, 1, 0, Install{{1, {{voter_node(1), 1}, {voter_node(2), 1}}, {}}}})));  // even
    CHECK_FALSE(decode(
        encode(Request{1, 1, 1, 0, Install{{1, {{voter_node(1), 1}, {voter_node(1), 2}, {voter_node(2), 1}}, {}}}})));
    CHECK_FALSE(decode(encode(Request{count_max + 1, 1, 1, 0, Identify{}})));
}

TEST_CASE("a register remembers a bounded number of ids, and says when one may be forgotten") {
    Register held;
    for (std::uint64_t number = 1; number <= applied_ids_max; ++number) apply(held, {1, number}, "v");
    held.check();
    CHECK(standing(held, {1, 1}, 0) == Standing::applied);
    CHECK(standing(held, {2, 1}, 0) == Standing::not_applied);
    apply(held, {1, 99}, "v");
    held.check();
    CHECK(held.applied.size() == applied_ids_max);
    CHECK(standing(held, {1, 1}, 0) == Standing::forgotten);
    CHECK(standing(held, {2, 1}, 0) == Standing::forgotten);
    CHECK(standing(held, {2, 1}, 1) == Standing::not_applied);  // it was first sent after what was forgotten
    CHECK(standing(held, {2, 1}, std::nullopt) == Standing::not_applied);
    CHECK(*decode_register(encode(held)) == held);
}

TEST_CASE("moves on a lock: one holder, tokens that grow, a line in order") {
    const auto contender = [](int node) { return Contender{{{voter_node(node), 1}, 1}, 1'000'000}; };
    LockRecord lock;
    CHECK(take(lock, contender(1), "one", {}, false));
    CHECK(lock.token == 1);
    CHECK_FALSE(take(lock, contender(2), "", {}, false));
    const auto seen = lock.sighting();
    CHECK(take(lock, contender(2), "", {}, true));  // stands in line,
    CHECK(take(lock, contender(3), "", {}, true));
    CHECK(lock.sighting() == seen);  // which is no sign of life of the holder
    CHECK(renew(lock, contender(1).claim));
    CHECK_FALSE(take(lock, contender(2), "", seen, true));  // it lives: what was seen is not so any more
    CHECK(release(lock, contender(1).claim));
    CHECK_FALSE(release(lock, contender(1).claim));
    CHECK_FALSE(take(lock, contender(4), "", {}, false));  // not past the line
    CHECK_FALSE(take(lock, contender(3), "", {}, true));
    CHECK(take(lock, contender(3), "", lock.sighting(), true));  // the first in line was silent for its turn
    CHECK(lock.held_by(contender(3).claim));
    CHECK(lock.token == 2);
    CHECK(lock.waiting.empty());
    lock.check();
    CHECK(*decode_lock(encode(lock)) == lock);
    CHECK_FALSE(decode_lock(crdt::Bytes("else")));
}
