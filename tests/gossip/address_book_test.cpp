#include "gossip/address_book.hpp"

#include <algorithm>
#include <random>
#include <set>

#include <doctest/doctest.h>

using namespace starling::crdt;
using namespace starling::gossip;

namespace {

NodeKey booked(std::uint64_t i) {
    NodeKey key{};
    for (std::size_t byte = 0; byte < 8; ++byte) key.at(byte) = std::uint8_t(i >> (8 * byte));
    return key;
}

constexpr HashKey secret{1, 2};
const BookLimits small{8, 4, 1000, 8000};

AddressBook book_of(const BookLimits& limits, AddressBook::Pinned pinned = [](const NodeKey&) { return false; }) {
    return {booked(0), limits, secret, std::move(pinned)};
}

std::uint64_t rank(const NodeKey& key) {
    return siphash128({reinterpret_cast<const char*>(key.data()), key.size()}, secret).low;
}

}  // namespace

TEST_CASE("what cannot be dialled is not written down") {
    auto book = book_of(small);
    CHECK_FALSE(book.hear({booked(0), "a"}, 1));  // this node itself
    CHECK_FALSE(book.hear({booked(1), ""}, 1));
    CHECK_FALSE(book.hear({booked(1), Bytes(address_bytes_max + 1, 'a')}, 1));
    CHECK(book.entries().empty());
    CHECK(book.hear({booked(1), "a"}, 1));
    book.check();
}

TEST_CASE("no failure and no age removes an entry; each failure doubles the wait") {
    auto book = book_of(small);
    book.hear({booked(1), "a"}, 1);
    std::uint64_t wait_us = 1000;
    for (int failure = 1; failure <= 100; ++failure) {
        book.failed(booked(1), 10'000, 0);
        REQUIRE(book.find(booked(1)) != nullptr);
        CHECK(book.find(booked(1))->not_before_us == 10'000 + wait_us * 3 / 4);
        wait_us = std::min<std::uint64_t>(2 * wait_us, 8000);
    }
    book.linked({booked(1), "a"}, 20'000);
    CHECK(book.find(booked(1))->failures == 0);
    CHECK(book.find(booked(1))->not_before_us == 0);
}

TEST_CASE("hearsay does not take the place of an address that worked") {
    auto book = book_of(small);
    book.hear({booked(1), "first"}, 1);
    book.linked({booked(1), "worked"}, 2);
    book.hear({booked(1), "lie"}, 3);
    CHECK(book.find(booked(1))->address() == "worked");
    book.failed(booked(1), 4, 0);
    CHECK(book.find(booked(1))->address() == "lie");  // it may have moved
    book.failed(booked(1), 5, 0);
    CHECK(book.find(booked(1))->address() == "worked");
}

TEST_CASE("a full book keeps a sample by lot, those that were linked first, and of the others the latest alive") {
    // The naive twin: everybody, sorted anew with each newcomer.
    struct Known {
        bool linked;
        std::uint64_t alive_us;
    };
    std::map<NodeKey, Known> twin;
    const auto room = [&] {
        if (twin.size() <= 8) return;
        std::vector<NodeKey> by_lot;
        for (const auto& [key, known] : twin) by_lot.push_back(key);
        std::sort(by_lot.begin(), by_lot.end(), [&](const auto& a, const auto& b) {
            return std::pair(!twin[a].linked, rank(a)) < std::pair(!twin[b].linked, rank(b));
        });
        const auto oldest = std::min_element(by_lot.begin() + 4, by_lot.end(), [&](const auto& a, const auto& b) {
            return std::pair(twin[a].alive_us, a) < std::pair(twin[b].alive_us, b);
        });
        twin.erase(*oldest);
    };
    auto book = book_of(small);
    std::mt19937_64 random(1);
    for (std::uint64_t now_us = 1; now_us < 5000; ++now_us) {
        const auto key = booked(1 + random() % 60);
        const bool linked = random() % 10 == 0;
        if (linked) {
            book.linked({key, "a"}, now_us);
            const bool known = twin.contains(key);
            if (known) {
                twin[key] = {true, now_us};
            } else {
                // A newcomer is hearsay until it has a place.
                twin[key] = {false, now_us};
                room();
                if (twin.contains(key)) twin[key].linked = true;
            }
        } else {
            const auto alive_us = now_us - random() % std::min<std::uint64_t>(now_us, 100);
            book.hear({key, "a"}, alive_us);
            twin.try_emplace(key, Known{false, 0});
            twin[key].alive_us = std::max(twin[key].alive_us, alive_us);
            room();
        }
        book.check();
        REQUIRE(book.entries().size() == twin.size());
        for (const auto& [key_of, entry] : book.entries()) REQUIRE(twin.contains(key_of));
    }
}

TEST_CASE("whoever is in use keeps the entry") {
    std::set<NodeKey> used{booked(1), booked(2)};
    auto book = book_of(small, [&](const NodeKey& key) { return used.contains(key); });
    for (const auto& key : used) book.hear({key, "a"}, 0);
    for (std::uint64_t i = 3; i < 1000; ++i) book.hear({booked(i), "a"}, i);
    for (const auto& key : used) CHECK(book.find(key) != nullptr);
    CHECK(book.entries().size() == small.entries_max);
}

TEST_CASE("a flood of new names leaves the sample of those that were linked alone") {
    auto book = book_of(small);
    for (std::uint64_t i = 1; i <= 4; ++i) book.linked({booked(i), "a"}, i);
    for (std::uint64_t i = 100; i < 10'000; ++i) book.hear({booked(i), "b"}, i);
    for (std::uint64_t i = 1; i <= 4; ++i) CHECK(book.find(booked(i)) != nullptr);
}
