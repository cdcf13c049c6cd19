#include <random>

#include <doctest/doctest.h>

#include "gossip/wire.hpp"

using namespace starling::crdt;
using namespace starling::gossip;

namespace {

NodeKey overlay_node(int i) {
    return {std::uint8_t(i)};
}

std::vector<OverlayMessage> overlay_messages() {
    const Sample sample{{overlay_node(1), "10.0.0.1:27465", 0}, {overlay_node(2), "[fe80::2%eth0]:27465", 599}};
    return {Ask{AskPurpose::probe, {0xfedc'ba98'7654'3210, 170'000'000}},
            Answer{AskVerdict::refused, true, sample},
            ForwardJoin{sample[0], 5},
            Shuffle{{overlay_node(3), overlay_node(4)}, "10.0.0.3:27465", 4, sample},
            ShuffleReply{{overlay_node(3)}, sample},
            Pulse{{7, 9}},
            Farewell{{sample[1]}}};
}

Bytes framed(const OverlayMessage& message) {
    RefSender none;
    return encode(0, message, none);
}

Result<Message> read(BytesView frame) {
    RefReceiver none;
    return decode(0, frame, none);
}

std::string hex_of(const Bytes& bytes) {
    return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

}  // namespace

TEST_CASE("every message about links comes back as it was") {
    for (const auto& message : overlay_messages()) {
        const auto again = read(framed(message));
        REQUIRE(again);
        CHECK(std::get<OverlayMessage>(*again) == message);
    }
}

// docs/wire.md shows these bytes.
TEST_CASE("golden bytes of messages about links") {
    const std::string frame =
        "9501000d"
        "90";
    const std::string node1 = "c42001" + std::string(62, '0');
    CHECK(hex_of(framed(Ask{AskPurpose::join, {}})) == frame + "9400000000");
    CHECK(hex_of(framed(Pulse{{0x0102'0304'0506'0708, 170'000'000}})) == frame +
                                                                             "9305"
                                                                             "cf0102030405060708"
                                                                             "ce0a21fe80");
    CHECK(hex_of(framed(Answer{AskVerdict::refused, true, {{overlay_node(1), "a:1", 9}}})) == frame +
                                                                                                  "940101c3"
                                                                                                  "93" +
                                                                                                  node1 +
                                                                                                  "c403613a31"
                                                                                                  "09");
    CHECK(hex_of(framed(Farewell{})) == frame + "920690");
}

TEST_CASE("lists, paths and addresses of messages about links are bounded") {
    const auto many = [](std::size_t peers) { return Sample(peers, KnownPeer{overlay_node(1), "a", 0}); };
    CHECK(read(framed(Answer{AskVerdict::accepted, false, many(sample_peers_max)})));
    CHECK_FALSE(read(framed(Answer{AskVerdict::accepted, false, many(sample_peers_max + 1)})));
    CHECK(read(framed(Farewell{many(1)})));
    CHECK_FALSE(read(framed(Farewell{many(2)})));
    CHECK(read(framed(Shuffle{std::vector<NodeKey>(walk_hops_max + 1), {}, walk_hops_max, {}})));
    CHECK_FALSE(read(framed(Shuffle{std::vector<NodeKey>(walk_hops_max + 2), {}, 1, {}})));
    CHECK_FALSE(read(framed(Shuffle{{}, {}, 1, {}})));
    CHECK_FALSE(read(framed(Shuffle{{overlay_node(1)}, {}, walk_hops_max + 1, {}})));
    CHECK(read(framed(ForwardJoin{{overlay_node(1), Bytes(address_bytes_max, 'a'), 0}, 1})));
    CHECK_FALSE(read(framed(ForwardJoin{{overlay_node(1), Bytes(address_bytes_max + 1, 'a'), 0}, 1})));
}

TEST_CASE("changed and cut frames about links never do more than fail") {
    std::mt19937_64 random(1);
    for (int round = 0; round < 300; ++round) {
        for (const auto& message : overlay_messages()) {
            auto frame = framed(message);
            if (random() % 3 == 0) frame.resize(random() % frame.size());
            for (auto flips = random() % 3; flips > 0 && !frame.empty(); --flips)
                frame[random() % frame.size()] = char(random());
            const auto maybe = read(frame);
            if (!maybe || !std::holds_alternative<OverlayMessage>(*maybe)) continue;
            const auto again = read(framed(std::get<OverlayMessage>(*maybe)));
            REQUIRE(again);
            CHECK(*again == *maybe);
        }
    }
}
