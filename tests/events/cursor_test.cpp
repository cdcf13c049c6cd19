#include <random>

#include <doctest/doctest.h>

#include <starling/events.hpp>

using namespace starling;

namespace {

Version some_version(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    Version::Lines lines;
    for (auto nodes = random() % 5; nodes > 0; --nodes) {
        ReplicaId id;
        for (auto& byte : id.node.bytes) byte = std::uint8_t(random());
        for (auto lives = 1 + random() % 3; lives > 0; --lives) {
            id.life = random();
            lines[id] = 1 + (random() >> random() % 64);
        }
    }
    return Version(std::move(lines));
}

}  // namespace

TEST_CASE("a cursor's text gives the cursor back") {
    CHECK(Cursor::parse(Cursor().to_string()) == Cursor());
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        const Cursor cursor(some_version(seed));
        const auto text = cursor.to_string();
        CHECK(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
              std::string::npos);
        CHECK(Cursor::parse(text) == cursor);
    }
    const Cursor largest(Version({{ReplicaId{{}, UINT64_MAX}, UINT64_MAX}}));
    CHECK(Cursor::parse(largest.to_string()) == largest);
}

TEST_CASE("a cursor's text is the same in every build") {
    const Cursor cursor(Version({{ReplicaId{NodeId{{1, 2, 3}}, 5}, 300}}));
    CHECK(cursor.to_string() == "AQECAwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAFrAJ7Kwjn");
}

TEST_CASE("what is no cursor's text, or only a part of one, is none") {
    const auto text = Cursor(some_version(7)).to_string();
    for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(Cursor::parse(text.substr(0, size)));
    for (std::size_t at = 0; at < text.size(); ++at) {
        auto other = text;
        other[at] = other[at] == 'A' ? 'B' : 'A';
        CHECK_FALSE(Cursor::parse(other));
    }
    CHECK_FALSE(Cursor::parse(text + "A"));
    CHECK_FALSE(Cursor::parse(text + "="));
    CHECK_FALSE(Cursor::parse("0"));
    CHECK_FALSE(Cursor::parse("no cursor"));
}
