// Lives, awake and asleep, and counters that many lives added to, beside naive twins, over seeded operations.
#include <algorithm>
#include <map>
#include <memory>
#include <random>

#include <doctest/doctest.h>

#include "crdt/clock.hpp"
#include "crdt/codec.hpp"
#include "crdt/difference.hpp"
#include "crdt/export.hpp"
#include "crdt/views.hpp"

using namespace starling::crdt;

namespace {

bool same(const DormantLives& lives, const std::map<Life, DormantLife>& twin) {
    auto at = twin.begin();
    bool equal = lives.size() == twin.size();
    lives.each([&](const DormantLife& line) { equal = equal && at != twin.end() && (at++)->second == line; });
    return equal && at == twin.end();
}

/// A number of any width.
std::uint64_t any_number(std::mt19937_64& random) {
    return random() >> random() % 64;
}

struct TwinLine {
    Seq seen = 0;
    Stamp last_stamp = 0;
    std::uint32_t stored = 0;
    bool operator==(const TwinLine&) const = default;
};
using TwinLines = std::map<ReplicaId, TwinLine>;

/// A state whose lives come, write, die and sleep, beside the map that it stands for.
struct Lived {
    explicit Lived(std::uint64_t seed) : random(seed) {}

    ReplicaId some_id() {
        if (twin.empty() || random() % 8 == 0) return {{std::uint8_t(random() % 5), 1}, random() % 400};
        return std::next(twin.begin(), std::ptrdiff_t(random() % twin.size()))->first;
    }
    void step() {
        const auto id = some_id();
        auto& line = twin[id];
        switch (random() % 6) {
            case 0:
                line.seen += 1 + random() % 1'000;
                line.last_stamp = any_number(random);
                return state.raise(id, line.seen, line.last_stamp);
            case 1:
                line.stored = std::uint32_t(any_number(random));
                state.touch(id);
                return state.set_stored(id, line.stored);
            case 2:
            case 3: {
                auto& origin = state.touch(id);
                const Slot slot{Type::map, "m", pack_int(std::int64_t(random() % 50))};
                state.insert(origin, ++line.seen, state.hashed(slot), 1, 1, pack_int(1), true);
                return state.raise(origin, line.seen, line.last_stamp);
            }
            case 4: {
                const auto* origin = state.origin(id);
                if (origin == nullptr) return static_cast<void>(state.touch(id));
                const auto top = origin->live.top();
                return top == 0 ? state.rest(true) : state.remove(origin->live.find(top));
            }
            default:
                state.touch(id);
                return state.rest(random() % 2 == 0);
        }
    }

    std::mt19937_64 random;
    State state;
    TwinLines twin;
};

TwinLines lines_of(const State& state) {
    TwinLines lines;
    state.life_table().each([&](const LifeLine& line) {
        CHECK((lines.empty() || lines.rbegin()->first < line.id));
        lines[line.id] = {line.seen, line.last_stamp, line.stored};
    });
    return lines;
}

void check_nodes(const State& state, const TwinLines& twin) {
    std::map<NodeKey, std::pair<Fingerprint, std::size_t>> nodes;
    Fingerprint whole;
    for (const auto& [id, line] : twin) {
        nodes[id.node].first += version_line_hash(id, line.seen);
        whole += version_line_hash(id, line.seen);
        ++nodes[id.node].second;
    }
    CHECK(state.version_hash() == whole);
    auto at = nodes.begin();
    state.each_node([&](const NodeKey& key, const Fingerprint& lines, std::size_t lives) {
        REQUIRE(at != nodes.end());
        CHECK(key == at->first);
        CHECK(std::pair(lines, lives) == at->second);
        CHECK(state.node_lines(key) == lines);
        std::size_t visited = 0;
        state.each_life_of(key, [&](const ReplicaId& id, Seq seen, Stamp last_stamp) {
            CHECK(twin.at(id).seen == seen);
            CHECK(twin.at(id).last_stamp == last_stamp);
            ++visited;
        });
        CHECK(visited == lives);
        ++at;
    });
    CHECK(at == nodes.end());
}

std::size_t awake(const State& state) {
    std::size_t many = 0;
    state.each_origin([&](const Origin&) { ++many; });
    return many;
}

}  // namespace

TEST_CASE("dormant lives are a map from life to line") {
    std::mt19937_64 random(1);
    for (int round = 0; round < 40; ++round) {
        DormantLives lives;
        std::map<Life, DormantLife> twin;
        const auto among = round % 2 == 0 ? 200 : 2'000;
        for (int step = 0; step < 3'000; ++step) {
            const Life life = (random() % std::uint64_t(among)) * 0x9e3779b97f4a7c15ULL;
            if (random() % 5 < (step < 2'000 ? 3U : 1U)) {
                const DormantLife line{life, any_number(random) >> 11, any_number(random),
                                       std::uint32_t(any_number(random) >> 32 >> random() % 32)};
                lives.put(line);
                twin[life] = line;
            } else {
                const auto taken = lives.take(life);
                CHECK(taken.has_value() == twin.contains(life));
                if (taken) CHECK(*taken == twin.at(life));
                twin.erase(life);
            }
            const Life probe = (random() % std::uint64_t(among)) * 0x9e3779b97f4a7c15ULL;
            CHECK(lives.find(probe).has_value() == twin.contains(probe));
            if (step % 100 == 0) lives.check();
        }
        CHECK(same(lives, twin));
    }
}

TEST_CASE("dormant lives that come in order, and go in any") {
    DormantLives lives;
    std::map<Life, DormantLife> twin;
    for (Life life = 1; life <= 1'000; ++life) lives.put(twin[life] = {life, life, UINT64_MAX - life, 7});
    lives.check();
    CHECK(same(lives, twin));
    std::mt19937_64 random(2);
    while (!twin.empty()) {
        const auto at = std::next(twin.begin(), std::ptrdiff_t(random() % twin.size()));
        CHECK(lives.take(at->first) == at->second);
        twin.erase(at);
        lives.check();
    }
    CHECK(same(lives, twin));
}

TEST_CASE("lives, awake or asleep, are a map from replica to what the version says of it") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Lived lived(seed);
        for (int step = 0; step < 2'000; ++step) {
            lived.step();
            const auto probe = lived.some_id();
            const auto known = lived.twin.find(probe);
            CHECK(lived.state.knows(probe) == (known != lived.twin.end()));
            const auto line = known == lived.twin.end() ? TwinLine() : known->second;
            CHECK(lived.state.seen(probe) == line.seen);
            CHECK(lived.state.last_stamp(probe) == line.last_stamp);
            if (step % 200 == 0) lived.state.check();
        }
        lived.state.check();
        CHECK(lived.state.lives() == lived.twin.size());
        CHECK(lines_of(lived.state) == lived.twin);
        check_nodes(lived.state, lived.twin);
        lived.state.rest(true);
        lived.state.check();
        CHECK(lines_of(lived.state) == lived.twin);
        lived.state.each_origin([](const Origin& origin) { CHECK(origin.live.size() > 0); });
    }
}

TEST_CASE("a life sleeps when nothing of it lives and nobody points at it") {
    State state;
    state.track(true);
    const ReplicaId id{{1}, 1};
    const Slot slot{Type::map, "m", packed_nil()};
    state.insert(state.touch(id), 1, state.hashed(slot), 1, 1, pack_int(1), true);
    state.raise(state.touch(id), 1, 5);
    state.rest(true);
    CHECK(state.origin(id) != nullptr);
    state.remove(state.origin(id)->live.find(1));
    state.rest(true);
    REQUIRE(state.origin(id) != nullptr);  // what it touched is to be stored
    for (const auto& touched : state.take_touched()) state.unpin(*touched.origin);
    state.check();
    state.rest(true);
    CHECK(state.origin(id) == nullptr);
    CHECK(state.last_stamp(id) == 5);
    // A life of which the store has an older line wakes, so that it is told.
    state.raise(id, 2, 6);
    CHECK(state.origin(id) == nullptr);
    state.set_stored(id, 40);
    state.raise(id, 3, 7);
    REQUIRE(state.origin(id) != nullptr);
    CHECK(state.origin(id)->stored == 40);
    CHECK(state.take_touched().size() == 1);
}

TEST_CASE("many lives that are idle go to sleep by themselves, and their next changeset wakes them") {
    Replica writer(0), reader(0);
    Stamp stamp = 1'000;
    std::vector<Changeset> written;
    const auto write = [&](auto&& with) {
        Transaction tx(writer, ++stamp);
        with(tx);
        REQUIRE(bool(tx.commit()));
        written.push_back(*writer.cut());
        (void)reader.apply(written.back(), decode_body(written.back()));
    };
    for (Life life = 1; life <= 500; ++life) {
        writer.begin_life({{1}, life * 77});
        write([&](auto& tx) { Register::set(tx, "r", pack_int(std::int64_t(life))); });
    }
    reader.check();
    CHECK(reader.state().lives() == 500);
    CHECK(awake(reader.state()) <= LifeTable::idle_max + 2);
    CHECK(awake(writer.state()) <= LifeTable::idle_max + 2);
    CHECK(reader.state().version_hash() == version_hash(reader.state().version()));
    CHECK(encode_state(reader) == encode_state(writer));
    // One that sleeps writes again: its stamps go on from its last.
    const auto& late = written[20];
    Changeset next;
    next.origin = late.origin;
    next.first = late.last() + 1;
    next.count = 1;
    next.depth = reader.depth() + 1;
    BodyWriter body(next.first);
    body.put(next.first, slot_of(Type::register_, "late"), 4, pack_int(1));
    next.body = body.take();
    const auto before = reader.state().last_stamp(late.origin);
    CHECK(before == 1'021);
    CHECK(reader.state().origin(late.origin) == nullptr);
    (void)reader.apply(next, decode_body(next));
    CHECK(reader.state().last_stamp(late.origin) == before + 4);
    CHECK(Register::get(reader.state(), "late") == pack_int(1));
    reader.check();
    // An export and a diff carry the lives that sleep.
    Replica imported(0), asked(0);
    REQUIRE(bool(decode_state(encode_state(reader), imported)));
    imported.check();
    CHECK(encode_state(imported) == encode_state(reader));
    CHECK(awake(imported.state()) == 2);
    const auto difference = answer(reader, {}, {});
    REQUIRE(bool(valid_difference(asked, difference)));
    (void)apply_difference(asked, difference);
    asked.check();
    CHECK(encode_state(asked) == encode_state(reader));
    CHECK(awake(asked.state()) <= 2);
}

namespace {

/// Replicas that add to a few counters, and one that hears of all of them.
struct Adders {
    explicit Adders(std::size_t many) {
        for (std::size_t i = 0; i < many; ++i) {
            all.push_back(std::make_unique<Replica>(0));
            all.back()->begin_life({{std::uint8_t(i)}, i + 1});
        }
    }
    void hear(const Changeset& changeset) { (void)all[0]->apply(changeset, decode_body(changeset)); }
    void add(Replica& by, std::int64_t amount) {
        Transaction tx(by, ++stamp);
        Counter::add(tx, key, amount);
        if (!tx.commit()) return;
        if (const auto cut = by.cut(); cut && &by != all[0].get()) hear(*cut);
    }
    void check() const {
        all[0]->check();
        const auto& state = all[0]->state();
        std::int64_t sum = 0, mine = 0;
        for (const auto* entry : state.entries(slot_of(Type::counter, key))) {
            sum += *integer_value(entry->value());
            if (entry->origin->id == all[0]->self()) mine = *integer_value(entry->value());
        }
        CHECK(Counter::read(state, key) == sum);
        const auto own = state.own_counter(state.hashed(slot_of(Type::counter, key)));
        CHECK((own == 0 ? 0 : *integer_value(state.at(own).value())) == mine);
    }

    Bytes key = "c";
    Stamp stamp = 1;
    std::vector<std::unique_ptr<Replica>> all;
};

}  // namespace

TEST_CASE("a counter that many lives added to is the sum of its entries, also where a transaction is given up") {
    std::mt19937_64 random(4);
    for (std::size_t many : {4U, 12U, 60U}) {
        Adders adders(many);
        auto& own = *adders.all[0];
        for (int step = 0; step < 600; ++step) {
            adders.key = random() % 3 == 0 ? "d" : "c";
            const auto amount = std::int64_t(random() % 1'000) - 500;
            if (random() % 3 == 0) {
                Transaction given_up(own, ++adders.stamp);
                Counter::add(given_up, adders.key, amount);
                Counter::add(given_up, "e", amount);
            }
            adders.add(*adders.all[random() % many], amount);
            if (random() % 100 == 0) own.begin_life({{200}, std::uint64_t(step) + 1'000});
            if (random() % 10 == 0) own.bookkeeping().rest(true);
            if (step % 20 == 0) adders.check();
        }
        adders.check();
        adders.key = "c";
        adders.check();
    }
}

TEST_CASE("the sum of a counter goes when its entries do, and comes again") {
    Adders adders(30);
    for (int round = 0; round < 3; ++round) {
        for (const auto& by : adders.all) adders.add(*by, 3);
        adders.check();
        // Each life takes its own entry away, which nobody else may.
        for (std::size_t i = 1; i < adders.all.size(); ++i) {
            auto& by = *adders.all[i];
            const auto own = by.state().own_counter(by.state().hashed(slot_of(Type::counter, adders.key)));
            REQUIRE(own != 0);
            Changeset changeset;
            changeset.origin = *by.self();
            changeset.first = by.state().seen(*by.self()) + 1;
            changeset.count = 1;
            changeset.depth = by.depth() + 1;
            BodyWriter body(changeset.first);
            body.removal(0, false, DotRuns{{by.state().at(own).seq, 1}});
            changeset.body = body.take();
            (void)by.apply(changeset, decode_body(changeset));
            adders.hear(changeset);
            adders.check();
        }
        CHECK(Counter::read(adders.all[0]->state(), adders.key) == 3 * (round + 1));
    }
}

TEST_CASE("a counter of many entries saturates as one of few does") {
    Adders adders(20);
    for (std::size_t i = 0; i < 20; ++i) {
        adders.add(*adders.all[i], i % 2 == 0 ? INT64_MAX : INT64_MIN);
        if (i % 2 == 1) CHECK(Counter::read(adders.all[0]->state(), "c") == -1);
    }
    for (std::size_t i = 2; i < 20; i += 2) adders.add(*adders.all[i], -INT64_MAX);
    CHECK(Counter::read(adders.all[0]->state(), "c") == -1);
    adders.all[0]->check();
}
