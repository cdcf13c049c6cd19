// Nodes with a directory: what is on the disk when, what comes back, and what a disk that fails does to the node.
#include <fstream>
#include <numeric>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tests/node/pair.hpp"
#include "tests/temporary_directory.hpp"

using namespace starling;
using namespace starling::test;

namespace {

Options never_flushed(const std::filesystem::path& dir) {
    auto options = in(dir);
    options.flush_window = 1h;
    return options;
}

/// Whether some write is found not to be on the disk yet. Not each is: this thread may be held up for longer than a
/// sync.
bool ever_not_yet(const std::function<Commit(int)>& write) {
    for (int i = 0; i < 100; ++i)
        if (!write(i).durable(0ms)) return true;
    return false;
}

/// No file of this process grows further than this while it lives: to the store, a disk that fails.
class FileLimit {
  public:
    explicit FileLimit(rlim_t bytes) {
        ::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        auto limit = before_;
        limit.rlim_cur = bytes;
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
    FileLimit(const FileLimit&) = delete;
    FileLimit& operator=(const FileLimit&) = delete;

  private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("what was written is there after an open, of every type") {
    const testing::TemporaryDirectory scratch;
    Version version;
    std::string fingerprint;
    {
        const auto node = Node::open(in(scratch / "d"));
        node.counter("bolts").add(7);
        node.set<std::string>("tags").insert("low");
        node.map<std::string, int>("stock").put("nuts", 3);
        node.reg<double>("heat").set(0.5);
        node.flag("on").enable();
        node.multi_value<int>("mode").set(4);
        node.journal<std::string>("log").append("begun");
        node.map<std::string, int>("stock").put("gone", 3);
        node.map<std::string, int>("stock").erase("gone");
        version = node.version();
        fingerprint = node.status().fingerprint;
    }
    const auto node = Node::open(in(scratch / "d"));
    CHECK(node.version() == version);
    CHECK(node.status().fingerprint == fingerprint);
    CHECK(node.counter("bolts").value() == 7);
    CHECK(node.set<std::string>("tags").contains("low"));
    CHECK(node.map<std::string, int>("stock").items().size() == 1);
    CHECK(node.reg<double>("heat").get() == 0.5);
    CHECK(node.flag("on").enabled());
    CHECK(node.multi_value<int>("mode").get() == std::vector{4});
    CHECK(node.journal<std::string>("log").values() == std::vector<std::string>{"begun"});
    // A new life, which adds to the old one's counter without touching its entry.
    node.counter("bolts").add(1);
    CHECK(node.counter("bolts").value() == 8);
    CHECK(node.version().lines().size() == 2);
}

TEST_CASE("durable() waits for the disk, not for the window") {
    const testing::TemporaryDirectory scratch;
    const auto node = Node::open(never_flushed(scratch / "d"));
    CHECK(ever_not_yet([&](int) { return node.counter("y").add(1); }));
    const auto commit = node.counter("x").add(1);
    CHECK(commit.durable(std::chrono::duration_cast<std::chrono::milliseconds>(patience)));
    commit.durable();  // again
    std::error_code error = Errc::closed;
    commit.durable(error);
    CHECK_FALSE(error);
    auto later = node.counter("x").add(1).when_durable();
    REQUIRE(later.wait_for(patience) == std::future_status::ready);
    later.get();
    const auto nothing = node.set<int>("s").remove(1);
    CHECK_FALSE(nothing.wrote());
    nothing.durable();
    // A command that comes twice is not acknowledged before its first coming is safe.
    const auto journal = node.journal<int>("j");
    journal.append_once("command", {1});
    const auto again = journal.append_once("command", {1});
    CHECK_FALSE(again.wrote());
    again.durable();
    CHECK(ever_not_yet([&](int i) {
        const auto command = "command " + std::to_string(i);
        journal.append_once(command, {i});
        return journal.append_once(command, {i});
    }));
    CHECK(code_of([&] { node.transact([&](Tx&) { commit.durable(); }); }) == Errc::would_deadlock);
    CHECK(code_of([&] { node.transact([&](Tx&) { (void)commit.when_durable(); }); }) == Errc::would_deadlock);
    const auto snapshots = node.snapshots();
    CHECK(code_of([&] { node.transact([&](Tx&) { snapshots->save("s", {}); }); }) == Errc::nested_transaction);
    CHECK(code_of([&] { node.transact([&](Tx&) { (void)snapshots->load("s"); }); }) == Errc::nested_transaction);
    CHECK(node.status().store->commits >= 2);
}

TEST_CASE("durable() is allowed inside a watcher, and says afterwards what became of it") {
    const testing::TemporaryDirectory scratch;
    auto node = Node::open(never_flushed(scratch / "d"));
    Signal done;
    auto subscription = node.watch("x", [&](const Changes&) {
        node.counter("y").add(1).durable();
        done.raise();
    });
    auto commit = node.counter("x").add(1);
    REQUIRE(done.wait());
    commit = node.counter("z").add(1);
    auto promised = node.counter("z").add(1).when_durable();
    subscription.reset();
    node.close();  // commits what is in the window
    commit.durable();
    promised.get();
    CHECK(code_of([&] { node.counter("z").add(1); }) == Errc::closed);
}

TEST_CASE("many writers share a commit") {
    const testing::TemporaryDirectory scratch;
    const auto node = Node::open(in(scratch / "d"));
    constexpr int writers = 16, writes = 20;
    std::vector<std::thread> threads;
    std::atomic<int> durable{0};
    for (int i = 0; i < writers; ++i) {
        threads.emplace_back([&, i] {
            for (int k = 0; k < writes; ++k) {
                node.map<int, int>("m").put(i * writes + k, k).durable();
                ++durable;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(durable == writers * writes);
    CHECK(node.map<int, int>("m").size() == writers * writes);
}

TEST_CASE("nothing leaves that the disk does not have") {
    const testing::TemporaryDirectory scratch;
    const auto a = Node::open(in(scratch / "a"));
    auto options = quiet();
    options.mesh = a.join_code();
    const auto b = Node::open(options);
    REQUIRE(a.wait_until(b.version(), patience));
    a.counter("x").add(1).durable();  // and all that came before it: the disk is to fail at the next write, not earlier
    REQUIRE(b.wait_until(a.version(), patience));
    {
        const FileLimit full(std::filesystem::file_size(scratch / "a/store.db-wal"));
        const auto lost = a.counter("x").add(1);
        CHECK(code_of([&] { lost.durable(); }) == Errc::disk_failed);
        CHECK(b.counter("x").value() == 1);
        // It reads, refuses to write, says why, and goes on to serve and to take in.
        CHECK(a.counter("x").value() == 2);
        CHECK(code_of([&] { a.counter("x").add(1); }) == Errc::disk_failed);
        CHECK_FALSE(a.status().store->trouble.empty());
        b.counter("y").add(5);
        CHECK(a.wait_until(b.version(), patience));
        CHECK(code_of([&] { lost.durable(); }) == Errc::disk_failed);
    }
    CHECK(code_of([&] { a.counter("x").add(1); }) == Errc::disk_failed);  // a failed sync is not forgotten
    CHECK(b.counter("x").value() == 1);
}

TEST_CASE("a backup is made while the node is written to, and is restored under other keys") {
    const testing::TemporaryDirectory scratch;
    auto node = Node::open(in(scratch / "d"));
    node.map<int, std::string>("m").put(0, std::string(100'000, 'x')).durable();
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        for (int i = 1; !stop; ++i) node.map<int, std::string>("m").put(i % 50, std::string(2'000, 'y')).durable();
    });
    node.backup(scratch / "copy");
    CHECK(code_of([&] { node.backup(scratch / "copy"); }) == Errc::file_exists);
    CHECK(code_of([&] { node.backup("/proc/starling"); }) != Errc{});
    stop = true;
    writer.join();
    CHECK_FALSE(std::filesystem::exists(scratch / "copy.partial"));
    CHECK(code_of([&] { Node::restore(scratch / "copy", scratch / "d"); }) == Errc::dir_in_use);
    const auto id = node.id();
    node.close();
    CHECK(code_of([&] { Node::restore(scratch / "copy", scratch / "d"); }) == Errc::file_exists);
    CHECK(code_of([&] { Node::restore(scratch / "nothing", scratch / "e"); }) == Errc::dir_unusable);
    std::ofstream(scratch / "empty").flush();
    CHECK(code_of([&] { Node::restore(scratch / "empty", scratch / "e"); }) == Errc::store_damaged);
    Node::restore(scratch / "copy", scratch / "e");
    CHECK(Node::check_store(scratch / "e"));
    const auto other = Node::open(in(scratch / "e"));
    CHECK(other.id() != id);
    CHECK(other.map<int, std::string>("m").contains(0));
    CHECK(code_of([] { lone().backup("x"); }) == Errc::not_durable);
}

TEST_CASE("a damaged store is a named error, and check_store finds it") {
    const testing::TemporaryDirectory scratch;
    {
        const auto node = Node::open(in(scratch / "d"));
        for (int i = 0; i < 500; ++i) node.map<int, std::string>("m").put(i, std::string(100, 'v'));
    }
    CHECK(Node::check_store(scratch / "d"));
    CHECK_FALSE(Node::check_store(scratch / "nowhere"));
    {
        std::fstream file(scratch / "d/store.db", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(0, std::ios::end);
        const auto size = file.tellp();
        for (std::streamoff at = 4096; at < size; at += 1024) {
            file.seekp(at);
            file << "rubbish, rubbish, rubbish";
        }
    }
    CHECK(code_of([&] { (void)Node::check_store(scratch / "d"); }) == Errc::store_damaged);
    CHECK(code_of([&] { Node::open(in(scratch / "d")); }) == Errc::store_damaged);
}

TEST_CASE("a process that dies keeps what it acknowledged") {
    const testing::TemporaryDirectory scratch;
    std::int64_t before = 0;  // this round
    for (int round = 1; round <= 5; ++round) {
        int pipe[2];
        REQUIRE(::pipe(pipe) == 0);
        const auto child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            const auto node = Node::open(in(scratch / "d"));
            for (std::uint8_t i = 0;; ++i) {
                node.transact([&](Tx& tx) {
                        tx.add(node.counter("a"), 1);
                        tx.add(node.counter("b"), 1);
                    })
                    .durable();
                if (::write(pipe[1], &i, 1) != 1) ::_exit(1);
            }
        }
        ::close(pipe[1]);
        std::int64_t acknowledged = 0;
        std::uint8_t byte = 0;
        while (acknowledged < 10 * round && ::read(pipe[0], &byte, 1) == 1) ++acknowledged;
        REQUIRE(::kill(child, SIGKILL) == 0);
        REQUIRE(::waitpid(child, nullptr, 0) == child);
        while (::read(pipe[0], &byte, 1) == 1) ++acknowledged;
        ::close(pipe[0]);
        const auto node = Node::open(in(scratch / "d"));
        const auto value = node.counter("a").value();
        CHECK(value >= before + acknowledged);
        CHECK(value <= before + acknowledged + 1);  // one whose answer never came
        CHECK(node.counter("b").value() == value);
        before = value;
    }
}

TEST_CASE("a projection goes on from a snapshot in the directory") {
    const testing::TemporaryDirectory scratch;
    const auto count = [](const Node& node, const std::shared_ptr<SnapshotStore>& store) {
        ProjectionOptions options;
        options.snapshots = store.get();
        options.name = "sum";
        return Projection<int, int>(
            node.events<int>("log"), 0, [](int& sum, const auto& event) { sum += event.value; }, options);
    };
    {
        const auto node = Node::open(never_flushed(scratch / "d"));
        const auto store = node.snapshots();
        for (int i = 1; i <= 10; ++i) node.journal<int>("log").append(i);
        const auto sum = count(node, store);
        CHECK(sum.update() == 10);
        sum.snapshot();
        node.journal<int>("log").append(100);
        CHECK(code_of([&] { store->save("big", std::string(snapshot_bytes_max + 1, 'x')); }) == Errc::too_large);
    }
    const auto node = Node::open(in(scratch / "d"));
    const auto store = node.snapshots();
    const auto sum = count(node, store);
    CHECK(sum.counters().from_snapshot);
    CHECK(sum.update() == 1);
    CHECK(sum.state() == 155);
}

TEST_CASE("a slow disk holds writers back, and nobody else") {
    const testing::TemporaryDirectory scratch;
    auto options = never_flushed(scratch / "d");
    options.unstored_bytes_max = 1'000;
    const auto node = Node::open(options);
    // The window is cut by its size, so that more is on its way than may be.
    Commit last;
    for (int i = 0; i < 200; ++i) last = node.map<int, std::string>("m").put(i, std::string(10'000, 'v'));
    last.durable();
    CHECK(node.status().store->unstored_bytes == 0);
    CHECK(node.map<int, std::string>("m").size() == 200);
}
