#include "crdt/found_last.hpp"

#include <map>
#include <random>

#include <doctest/doctest.h>

using namespace starling::crdt;

namespace {

using FoundTable = std::map<ReplicaId, int>;
using Found = FoundLast<FoundTable::value_type, KeyOf>;

/// Few ids, half of which want the same place.
ReplicaId drawn_id(std::mt19937_64& random) {
    ReplicaId id;
    const auto number = random() % 64;
    id.node[0] = std::uint8_t(number % 2 == 0 ? number : 1);
    id.node[31] = std::uint8_t(number);
    return id;
}

}  // namespace

TEST_CASE("what was found last is what the table has, also when entries leave it") {
    std::mt19937_64 random(7);
    FoundTable table;
    Found found;
    int hits = 0;
    for (int step = 0; step < 20'000; ++step) {
        const auto id = drawn_id(random);
        const auto at = table.find(id);
        auto* entry = found.find(id);
        if (entry != nullptr) {
            ++hits;
            REQUIRE(at != table.end());
            REQUIRE(entry == &*at);
        }
        if (at == table.end()) {
            found.keep(*table.emplace(id, step).first, table.size());
        } else if (random() % 4 == 0) {
            found.drop(*at);
            table.erase(at);
        } else {
            found.keep(*at, table.size());
        }
    }
    CHECK(hits > 5'000);
}

TEST_CASE("a copy of a table has found nothing yet, and a table that is moved all it had") {
    std::mt19937_64 random(7);
    FoundTable table;
    Found found;
    while (table.size() < 16) found.keep(*table.emplace(drawn_id(random), 1).first, table.size() + 1);
    const auto& [last, value] = *table.begin();
    found.keep(*table.begin(), table.size());
    REQUIRE(found.find(last) == &*table.begin());
    const Found copy(found);
    CHECK(copy.find(last) == nullptr);
    Found assigned;
    assigned.keep(*table.begin(), table.size());
    assigned = copy;
    CHECK(assigned.find(last) == nullptr);
    const auto moved = std::move(found);
    CHECK(moved.find(last) == &*table.begin());
}
