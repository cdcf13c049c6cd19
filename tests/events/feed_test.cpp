#include "crdt/feed.hpp"

#include "crdt/export.hpp"
#include "tests/events/story.hpp"

using namespace starling;
using namespace starling::testing;

namespace {

/// Reads on from a cursor, and remembers what it was given.
struct FeedReader {
    FeedQuery query;
    std::vector<Told> read;
    std::set<Dot> dots;

    explicit FeedReader(BytesView key, bool prefix) {
        query.key = key;
        query.prefix = prefix;
        query.unseen_copies = true;
    }
    void turn(const State& state, std::size_t limit) {
        query.limit = limit;
        const auto page = read_feed(state, query);
        const auto shown = told(page.entries);
        auto expected = naive_feed(state, query);
        const bool more = shown.size() < expected.size();
        if (expected.size() > limit) {
            auto end = expected.begin() + std::ptrdiff_t(limit);
            const auto last = *(end - 1);
            while (end != expected.end() && end->depth == last.depth && end->dot.replica == last.dot.replica) ++end;
            expected.erase(end, expected.end());
        }
        CHECK(shown == expected);
        CHECK((page.more || !more));
        for (const auto& one : shown) {
            CHECK(dots.insert(one.dot).second);
            CHECK(covers(page.next, one.dot));
            read.push_back(one);
        }
        CHECK(covers(page.next, query.from));
        CHECK(covers(state.version(), page.next));
        if (!page.more) CHECK(page.next == state.version());
        query.from = page.next;
    }
    void drain(const State& state) {
        for (auto before = query.from; !covers(query.from, state.version());) {
            before = query.from;
            turn(state, 3);
            REQUIRE(query.from != before);
        }
    }
};

/// In whatever pieces they were read: every entry without a key once, and of every key one copy, whole.
void check_complete(const FeedReader& reader, const State& state) {
    std::map<Slot, std::map<ReplicaId, std::size_t>> copies, given;
    state.each_live([&](const Dot& dot, const LooseEntry& entry) {
        if (!in_feed(reader.query, entry.slot)) return;
        if (entry.slot.field == packed_nil()) {
            CHECK(reader.dots.contains(dot));
        } else {
            ++copies[entry.slot][dot.replica];
        }
    });
    for (const auto& one : reader.read) {
        if (one.slot.field != packed_nil()) ++given[one.slot][one.dot.replica];
    }
    CHECK(given.size() == copies.size());
    for (const auto& [slot, batches] : given) {
        REQUIRE(batches.size() == 1);
        CHECK(batches.begin()->second == copies[slot][batches.begin()->first]);
    }
}

}  // namespace

TEST_CASE("a reader of a cursor gets what a naive reader would, here and elsewhere, each event once") {
    std::size_t refused = 0, concurrent = 0, diffs = 0;
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
        CAPTURE(seed);
        Story story(seed);
        std::vector<FeedReader> readers{FeedReader("orders/", true), FeedReader("orders/1", false),
                                        FeedReader("", true)};
        for (int step = 0; step < 120; ++step) {
            story.go_on();
            auto& reader = readers[story.pick(readers.size())];
            const auto i = story.pick(Story::peers);
            story.settle(i);
            const auto& state = story.mesh.state(i);
            if (covers(state.version(), reader.query.from)) reader.turn(state, 1 + story.pick(6));
        }
        story.meet();
        for (auto& reader : readers) {
            reader.drain(story.mesh.state(story.pick(Story::peers)));
            check_complete(reader, story.mesh.state(0));
        }
        refused += story.refused;
        FeedQuery all{"orders/", true, {}, 1'000'000, false};
        const auto shown = told(read_feed(story.mesh.state(0), all).entries);
        for (std::size_t i = 0; i < Story::peers; ++i) {
            CHECK(told(read_feed(story.mesh.state(i), all).entries) == shown);
            CHECK(naive_feed(story.mesh.state(i), all) == shown);
        }
        for (std::size_t i = 0; i < Story::peers; ++i) diffs += story.mesh[i].counters().diffs;
        Replica read_back(0);
        REQUIRE(bool(decode_state(encode_state(story.mesh[0].replica()), read_back)));
        CHECK(told(read_feed(read_back.state(), all).entries) == shown);
        read_back.check();
        std::map<Slot, std::set<ReplicaId>> writers;
        story.mesh.state(0).each_live([&](const Dot& dot, const LooseEntry& entry) {
            if (entry.slot.type == Type::journal && entry.slot.field != packed_nil())
                writers[entry.slot].insert(dot.replica);
        });
        for (const auto& [slot, who] : writers) concurrent += who.size() - 1;
    }
    CHECK(refused > 100);  // keys that were known
    CHECK(diffs > 10);
    CHECK(concurrent > 25);  // and that two did not know of
}

TEST_CASE("a key that was seen appends nothing, also within its own transaction; another journal does not know it") {
    Mesh mesh(2);
    mesh.link_all();
    const auto once = [&](std::size_t i, BytesView journal) {
        bool appended = false;
        const auto commit = mesh.write(i, [&](Transaction& tx) {
            appended = Journal::append_once(tx, journal, pack_str("k"), {pack_int(1), pack_int(2)});
        });
        REQUIRE(bool(commit));
        CHECK(commit->wrote == appended);
        return appended;
    };
    CHECK(once(0, "j"));
    CHECK_FALSE(once(0, "j"));
    mesh.run();
    CHECK_FALSE(once(1, "j"));
    CHECK(once(1, "j2"));
    REQUIRE(bool(mesh.write(0, [](Transaction& tx) {
        CHECK(Journal::append_once(tx, "j", pack_str("k2"), {pack_int(3)}));
        CHECK_FALSE(Journal::append_once(tx, "j", pack_str("k2"), {pack_int(4)}));
        Journal::append(tx, "j", pack_int(5));
        Journal::append(tx, "j", pack_int(5));
    })));
    mesh.run();
    for (std::size_t i = 0; i < 2; ++i) CHECK(Journal::read(mesh.state(i), "j").size() == 5);
    CHECK(mesh.equal());
}

TEST_CASE("a transaction that is rolled back leaves its key free") {
    Mesh mesh(1);
    CHECK_FALSE(bool(mesh.write(0, [](Transaction& tx) {
        CHECK(Journal::append_once(tx, "j", pack_str("k"), {pack_int(1)}));
        tx.fail({FaultCode::refused, "on purpose"});
    })));
    CHECK(mesh.state(0).keys(Type::journal, "").empty());
    REQUIRE(bool(
        mesh.write(0, [](Transaction& tx) { CHECK(Journal::append_once(tx, "j", pack_str("k"), {pack_int(2)})); })));
    mesh[0].check();
}

TEST_CASE("a few events among very many other writes are found in the journals") {
    Mesh mesh(1);
    for (int round = 0; round < 60; ++round) {
        REQUIRE(bool(mesh.write(0, [&](Transaction& tx) {
            for (int at = 0; at < 200; ++at) Map::put(tx, "map", pack_int(round * 200 + at), pack_int(at));
            if (round % 10 == 3) Journal::append(tx, round % 20 == 3 ? "j/a" : "j/b", pack_int(round));
        })));
    }
    mesh.run(100'000);
    for (const bool prefix : {true, false}) {
        FeedQuery query{prefix ? "j/" : "j/a", prefix, {}, 2, true};
        std::vector<Told> read;
        for (bool more = true; more;) {
            const auto page = read_feed(mesh.state(0), query);
            for (const auto* entry : page.entries) read.push_back(told(*entry));
            more = page.more;
            query.from = page.next;
        }
        CHECK(query.from == mesh.state(0).version());
        query.from = {};
        CHECK(read.size() == (prefix ? 6 : 3));
        CHECK(read == naive_feed(mesh.state(0), query));
    }
}

TEST_CASE("entries of a replica that claims falling depths come once each, in the order of their seqs") {
    State state;
    auto& origin = state.touch(ReplicaId{{1}, 1});
    auto& honest = state.touch(ReplicaId{{2}, 1});
    const Slot slot{Type::journal, "j", packed_nil()};
    const auto insert = [&](Origin& by, Seq seq, Depth depth) {
        state.insert(by, seq, state.hashed(slot), 1, depth, pack_int(1), true);
        state.raise(by, seq, 1);
    };
    insert(origin, 1, 9);
    insert(origin, 2, 5);
    insert(origin, 3, 7);
    insert(honest, 1, 6);
    FeedQuery query{"j", false, {}, 1, true};
    std::vector<Seq> seqs;
    for (bool more = true; more;) {
        const auto page = read_feed(state, query);
        for (const auto* entry : page.entries) seqs.push_back(entry->origin == &honest ? 0 : entry->seq);
        REQUIRE(seqs.size() <= 4);
        more = page.more;
        query.from = page.next;
    }
    CHECK(seqs == std::vector<Seq>{0, 1, 2, 3});
}
