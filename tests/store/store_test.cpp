// What is committed is found again: states, logs, lives, items; at every instant of a fold.
#include <filesystem>
#include <fstream>
#include <sys/stat.h>

#include "tests/store/fixture.hpp"
#include "tests/temporary_directory.hpp"

using namespace starling;
using namespace starling::testing;
using store::StoreFaultCode;

namespace {

namespace fs = std::filesystem;

std::unique_ptr<Stored> opened(const store::StoreOptions& options, std::uint64_t seed = 1,
                               const store::RecorderLimits& limits = small_limits()) {
    auto stored = Stored::open(options, {1}, sim::Random(seed), limits);
    REQUIRE_MESSAGE(bool(stored), (stored ? "" : words_of(stored.fault())));
    return std::move(*stored);
}

void commit(Stored& stored) {
    if (auto batch = stored.recorder->take(stored.now_us())) {
        auto committed = stored.store->commit(*batch);
        REQUIRE_MESSAGE(bool(committed), (committed ? "" : words_of(committed.fault())));
    }
}

mode_t mode_of(const fs::path& path) {
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777;
}

}  // namespace

TEST_CASE("a store on the file system is its owner's alone, and nobody else opens it meanwhile") {
    const TemporaryDirectory temporary;
    const auto directory = temporary.path / "a" / "b";
    const store::StoreOptions options{directory.string()};
    auto first = opened(options);
    for (int i = 0; i < 20; ++i) {
        first->write();
        commit(*first);
    }
    CHECK(mode_of(directory) == 0700);
    for (const auto& file : fs::directory_iterator(directory)) CHECK(mode_of(file.path()) == 0600);
    auto second = store::Store::open(options);
    REQUIRE_FALSE(bool(second));
    CHECK(second.fault().code == StoreFaultCode::in_use);
    CHECK(second.fault().what.find("another process") != std::string::npos);
    const auto state = encode_state(first->replica);
    first.reset();
    auto again = opened(options, 2);
    CHECK(encode_state(again->replica) == state);
    CHECK_FALSE(again->replica.self());
}

TEST_CASE("a store that is opened again and again goes on where it was") {
    std::uint64_t replayed = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        sim::VirtualDisk disk(sim::Random{seed});
        Workload workload(disk, seed);
        REQUIRE(bool(workload.open()));
        for (int i = 0; i < 150; ++i) {
            REQUIRE(bool(workload.step()));
            if (i % 7 != 0) continue;
            REQUIRE(bool(workload.commit()));
            const auto wrong = workload.reopen();
            REQUIRE_MESSAGE(!wrong, "seed " << seed << ", step " << i << ": " << *wrong);
            replayed += workload.stored->replica.state().touched_count();
        }
        CHECK_FALSE(workload.dots_used_twice);
        const auto verified = workload.stored->store->verify();
        CHECK_MESSAGE(bool(verified), (verified ? "" : words_of(verified.fault())));
    }
    CHECK(replayed > 0);
}

TEST_CASE("the log that a store gives back has no gaps, and is bounded") {
    sim::VirtualDisk disk(sim::Random{1});
    const store::StoreOptions options{"node", 0, &disk};
    auto stored = opened(options);
    for (int i = 0; i < 400; ++i) {
        stored->write();
        commit(*stored);
    }
    CHECK(stored->recorder->log_bytes() <= small_limits().log_bytes_max + small_limits().fold_log_bytes + 1'000);
    const auto top = stored->replica.state().seen(*stored->replica.self());
    stored.reset();
    stored = opened(options, 2);
    REQUIRE_FALSE(stored->log.empty());
    CHECK(stored->log.back().changeset->last() == top);
    for (std::size_t i = 1; i < stored->log.size(); ++i)
        CHECK(stored->log[i].changeset->first == stored->log[i - 1].changeset->last() + 1);
    auto size = stored->store->size();
    REQUIRE(bool(size));
    CHECK(size->file < 100'000);
}

TEST_CASE("a counter takes one row, however often it is added to") {
    sim::VirtualDisk disk(sim::Random{1});
    const store::StoreOptions options{"node", 0, &disk};
    auto stored = opened(options);
    stored->replica.begin_life({{1}, 5});
    for (int i = 0; i < 2'000; ++i) {
        Transaction tx(stored->replica, std::uint64_t(i + 1));
        Counter::add(tx, "n", 1);
        REQUIRE(bool(tx.commit()));
        stored->recorder->applied(std::make_shared<const Changeset>(*stored->replica.cut()), stored->now_us());
        if (i % 10 == 0) commit(*stored);
    }
    REQUIRE(bool(stored->store->commit(stored->recorder->take_all(stored->now_us()))));
    auto rows = store::Database::open("node/store.db", "", false);
    CHECK_FALSE(bool(rows));  // it lies on another disk
    stored.reset();
    stored = opened(options, 2);
    CHECK(Counter::read(stored->replica.state(), "n") == 2'000);
    CHECK(stored->replica.state().touched_count() == 0);
    CHECK(stored->replica.state().live_count() == 1);
    CHECK(stored->store->size()->file < 60'000);
}

TEST_CASE("items are kept by room and name") {
    sim::VirtualDisk disk(sim::Random{1});
    const store::StoreOptions options{"node", 7, &disk};
    auto stored = opened(options);
    stored->recorder->put({store::Room::application, "a", "1"});
    stored->recorder->put({store::Room::membership, "a", "2"});
    stored->recorder->put({store::Room::application, "b", ""});
    commit(*stored);
    stored->recorder->put({store::Room::application, "a", std::nullopt});
    commit(*stored);
    stored.reset();
    stored = opened(options);
    CHECK(*stored->store->items(store::Room::application) == std::map<Bytes, Bytes>{{"b", ""}});
    CHECK(*stored->store->items(store::Room::membership) == std::map<Bytes, Bytes>{{"a", "2"}});
    stored.reset();
    auto other_space = store::Store::open({"node", 8, &disk});
    REQUIRE_FALSE(bool(other_space));
    CHECK(other_space.fault().what.find("another space") != std::string::npos);
}

TEST_CASE("a chunk of lives whose number was damaged is found out before it takes memory") {
    for (const auto* damage : {"UPDATE life SET chunk = 134217000", "UPDATE life SET chunk = 2 WHERE chunk = 1",
                               "UPDATE life SET chunk = -1"}) {
        INFO(damage);
        sim::VirtualDisk disk(sim::Random{1});
        const store::StoreOptions options{"node", 0, &disk};
        auto stored = opened(options);
        stored->write();
        REQUIRE(bool(stored->store->commit(stored->recorder->take_all(stored->now_us()))));
        stored.reset();
        {
            store::DiskVfs vfs(disk);
            auto database = store::Database::open("node/store.db", vfs.name(), false);
            REQUIRE(bool(database));
            REQUIRE(bool(database->execute("PRAGMA locking_mode = EXCLUSIVE")));
            REQUIRE(bool(database->execute(damage)));
        }
        const auto again = Stored::open(options, {1}, sim::Random(2));
        REQUIRE_FALSE(bool(again));
        CHECK(again.fault().code == StoreFaultCode::corrupt);
        CHECK(again.fault().what.find("lives cannot be read") != std::string::npos);
    }
}

TEST_CASE("a newer format is refused") {
    sim::VirtualDisk disk(sim::Random{1});
    opened({"node", 0, &disk}).reset();
    {
        store::DiskVfs vfs(disk);
        auto database = store::Database::open("node/store.db", vfs.name(), false);
        REQUIRE(bool(database));
        REQUIRE(bool(database->execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA user_version = 99")));
    }
    auto newer = store::Store::open({"node", 0, &disk});
    REQUIRE_FALSE(bool(newer));
    CHECK(newer.fault().code == StoreFaultCode::newer_format);
    CHECK(newer.fault().what.find("update needed") != std::string::npos);
}

TEST_CASE("a backup is made while the store is written to, and restored it begins a new life") {
    sim::VirtualDisk disk(sim::Random{3});
    const store::StoreOptions options{"node", 0, &disk};
    auto stored = opened(options);
    for (int i = 0; i < 200; ++i) {
        stored->write();
        commit(*stored);
    }
    auto backup = stored->store->backup("copy.db");
    REQUIRE(bool(backup));
    int steps = 0;
    for (bool more = true; more; ++steps) {
        stored->write();
        commit(*stored);
        auto step = backup->step(2);
        REQUIRE_MESSAGE(bool(step), (step ? "" : words_of(step.fault())));
        more = *step;
    }
    CHECK(steps > 3);
    const auto state = encode_state(stored->replica);
    const auto life = *stored->replica.self();
    for (int i = 0; i < 20; ++i) {
        stored->write();
        commit(*stored);
    }
    auto taken = store::Store::restore("copy.db", options);
    REQUIRE_FALSE(bool(taken));  // there is a store
    auto missing = store::Store::restore("nothing.db", {"other", 0, &disk});
    REQUIRE_FALSE(bool(missing));
    auto restored = store::Store::restore("copy.db", {"other", 0, &disk});
    REQUIRE_MESSAGE(bool(restored), (restored ? "" : words_of(restored.fault())));
    auto other = opened({"other", 0, &disk}, 4);
    CHECK(encode_state(other->replica) == state);
    other->write();
    CHECK(*other->replica.self() != life);
    CHECK(other->replica.self()->node == life.node);
}

TEST_CASE("lives lie in chunks of a node, at less than 24 bytes each") {
    Replica replica(0);
    store::Lives lives;
    constexpr std::size_t nodes = 20, lives_of_each = 1'095;
    for (std::size_t i = 0; i < nodes * lives_of_each; ++i) {
        const auto day = i / nodes;
        auto& origin = replica.bookkeeping().touch({{std::uint8_t(i % nodes)}, sim::Random(i).next()});
        replica.bookkeeping().raise(origin, 1 + i % 5'000, 1'700'000'000'000'000 + day * 86'400'000'000 + i);
        lives.add(origin);
    }
    lives.check();
    std::size_t bytes = 0, chunks = 0;
    constexpr std::size_t row_bytes_most = 12;  // SQLite's: sizes, types, the chunk's number
    std::vector<bool> seen_chunk(nodes * lives_of_each + 2);
    replica.state().each_origin([&](const Origin& origin) {
        CHECK(lives.find(origin.stored) == &origin);
        const auto chunk = store::Lives::chunk_of(origin.stored);
        if (seen_chunk[chunk]) return;
        seen_chunk[chunk] = true;
        const auto row = lives.row(chunk);
        const auto lines = store::decode_lives(row.lives);
        REQUIRE(lines.has_value());
        CHECK(store::encode_lives(*lines) == row.lives);
        bytes += row.lives.size() + row.node.size() + row_bytes_most;
        ++chunks;
    });
    CHECK(chunks <= nodes * (lives_of_each / store::chunk_lives_max + 1));
    const auto each = double(bytes) / double(nodes * lives_of_each);
    MESSAGE(each << " bytes a life");
    CHECK(bytes <= 24 * nodes * lives_of_each);
    for (const auto* bad : {"1234567", "12345678", "12345678\xff", "12345678\x01"})
        CHECK_FALSE(store::decode_lives(bad));
}
