// Work queues on real nodes over the loopback.
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "node/queue_book.hpp"
#include "node/queue_data.hpp"
#include "node/queue_work.hpp"
#include "tests/node/pair.hpp"

using namespace starling;
using namespace starling::test;

namespace {

bool happens(const std::function<bool()>& holds) {
    for (const auto end = std::chrono::steady_clock::now() + patience; std::chrono::steady_clock::now() < end;) {
        if (holds()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

/// Nodes in memory, the first of which founded the mesh; the first `voters` vote.
struct Shop {
    std::vector<Node> nodes;
    const std::chrono::microseconds window;

    explicit Shop(std::size_t count, std::size_t voters = 0,
                  std::chrono::microseconds flush_window = Options{}.flush_window)
        : window(flush_window) {
        for (std::size_t i = 0; i < count; ++i) open(i);
        REQUIRE(happens([&] {
            return std::all_of(nodes.begin(), nodes.end(),
                               [&](const Node& node) { return node.peers().size() + 1 == count; });
        }));
        std::vector<NodeId> ids;
        for (std::size_t i = 0; i < (voters > 0 ? voters : count); ++i) ids.push_back(nodes[i].id());
        nodes[0].set_voters(ids, patience);
    }
    void open(std::size_t i) {
        auto options = quiet();
        options.flush_window = window;
        options.vote_in_memory = true;
        if (i > 0) options.mesh = nodes[0].join_code();
        nodes.push_back(Node::open(options));
    }
    void cut(std::size_t i) {
        std::set<NodeId> others;
        for (std::size_t other = 0; other < nodes.size(); ++other) {
            if (other != i) others.insert(nodes[other].id());
        }
        nodes[i].block_peers(others);
        REQUIRE(happens([&] { return nodes[i].peers().empty(); }));
    }
    void heal(std::size_t i) {
        nodes[i].block_peers({});
        REQUIRE(happens([&] { return nodes[i].peers().size() + 1 == nodes.size(); }));
    }
    Queue<int> queue(std::size_t i, std::size_t attempts = 16) const { return nodes[i].queue<int>("q", {attempts}); }
    void settle() const {
        for (const auto& node : nodes) {
            for (const auto& other : nodes) REQUIRE(node.wait_until(other.version(), patience));
        }
    }
};

TakeOptions up_to(std::size_t jobs, std::chrono::milliseconds lease = 30s) {
    TakeOptions options;
    options.jobs = jobs;
    options.lease = lease;
    options.wait = patience;
    options.within = patience;
    return options;
}

/// Without waiting for jobs.
TakeOptions now_up_to(std::size_t jobs) {
    auto options = up_to(jobs);
    options.wait = 0s;
    return options;
}

std::vector<int> values_of(const std::vector<Job<int>>& jobs) {
    std::vector<int> values;
    for (const auto& job : jobs) values.push_back(job.value);
    return values;
}

/// What the voters know of a queue.
struct Claims : QueueHandle {
    Claims(const Node& node, const std::string& name) : QueueHandle(node.queue<int>(name)) {}
    agree::ClaimRecord look() const {
        return detail::QueueWork(core_pointer(), name()).look(detail::until_us(patience));
    }
};

}  // namespace

TEST_CASE("what was put without anybody there is taken elsewhere, in order, and is gone when it is done") {
    Shop shop(3);
    shop.cut(2);
    for (int i = 1; i <= 5; ++i) shop.queue(2).put(i);
    CHECK(shop.queue(2).size() == 5);
    CHECK(shop.queue(0).take(now_up_to(1)).empty());
    shop.heal(2);
    const auto queue = shop.queue(0);
    shop.settle();
    const auto jobs = queue.take(up_to(3));
    CHECK(values_of(jobs) == std::vector{1, 2, 3});
    CHECK(jobs[0].attempt == 1);
    CHECK(jobs[0].held());
    CHECK(values_of(shop.queue(1).take(up_to(32))) == std::vector{4, 5});
    auto status = queue.status(patience);
    REQUIRE(status.leases);
    CHECK(status.leased() == 5);
    CHECK(status.waiting == 0);
    CHECK(status.leases->at(0).node == shop.nodes[0].id());
    CHECK(queue.ack_all({jobs[0].id, jobs[1].id}, jobs[0].token, patience));
    CHECK(queue.ack(jobs[2], patience));
    CHECK(queue.ack(jobs[2], patience));  // once more changes nothing
    status = queue.status(patience);
    CHECK(status.leased() == 2);
    CHECK(queue.size() == 2);
    shop.settle();
    CHECK(shop.queue(2).size() == 2);
    CHECK(shop.queue(1).take(now_up_to(32)).empty());
}

TEST_CASE("workers on all nodes never have one job at once, none is lost, and nothing is left") {
    Shop shop(3);
    constexpr int count = 300;
    std::mutex mutex;
    std::set<int> held;
    std::map<int, int> done;
    int twice = 0, given_back = 0;
    std::atomic<bool> over{false};
    const auto work = [&](std::size_t worker) {
        const auto queue = shop.queue(worker % 3);
        while (!over) {
            auto options = up_to(1 + worker);
            options.wait = 100ms;
            for (const auto& job : queue.take(options)) {
                {
                    const std::lock_guard lock(mutex);
                    if (!held.insert(job.value).second) ++twice;
                }
                std::this_thread::yield();
                bool gives_back = false;
                {
                    const std::lock_guard lock(mutex);
                    held.erase(job.value);
                    gives_back = job.value % 10 == 3 && job.attempt == 1;
                    gives_back ? ++given_back : ++done[job.value];
                    over = done.size() == count;
                }
                CHECK((gives_back ? queue.nack(job, 0ms, patience) : queue.ack(job, patience)));
            }
        }
    };
    std::vector<std::thread> threads;
    for (std::size_t worker = 0; worker < 6; ++worker) threads.emplace_back(work, worker);
    for (int i = 0; i < count; ++i) shop.queue(std::size_t(i) % 3).put(i);
    for (auto& thread : threads) thread.join();
    CHECK(twice == 0);
    CHECK(given_back == count / 10);
    CHECK(done.size() == count);
    for (const auto& [value, times] : done) CHECK(times == 1);
    shop.settle();
    for (std::size_t i = 0; i < 3; ++i) {
        const auto status = shop.queue(i).status(patience);
        CHECK(status.waiting + status.delayed + status.dead + status.leased() == 0);
        CHECK(shop.queue(i).size() == 0);
        CHECK(shop.nodes[i].keys("$queue/").empty());
    }
}

TEST_CASE("a worker that dies loses its jobs to others, with one attempt more, and its late word counts") {
    Shop shop(4, 3);
    shop.queue(0).put(7);
    shop.settle();
    const auto lost = shop.queue(3).take(up_to(1, 300ms));
    REQUIRE(lost.size() == 1);
    shop.nodes.pop_back();
    const auto again = shop.queue(1).take(up_to(1, 300ms));
    REQUIRE(again.size() == 1);
    CHECK(again[0].id == lost[0].id);
    CHECK(again[0].attempt == 2);
    CHECK(again[0].token > lost[0].token);
    CHECK_FALSE(lost[0].held());
    // This one only sleeps.
    const auto third = shop.queue(2).take(up_to(1));
    REQUIRE(third.size() == 1);
    CHECK(third[0].attempt == 3);
    CHECK_FALSE(shop.queue(1).extend(again[0], patience));
    CHECK_FALSE(shop.queue(1).nack(again[0], 0ms, patience));
    CHECK(shop.queue(2).size() == 1);
    CHECK(shop.queue(1).ack(again[0], patience));
    shop.settle();
    CHECK(shop.queue(2).size() == 0);
    CHECK(shop.queue(2).ack(third[0], patience));
    CHECK(shop.queue(0).status(patience).leased() == 0);
}

TEST_CASE("a lease that is extended goes on") {
    Shop shop(1);
    const auto queue = shop.queue(0);
    queue.put(1);
    const auto jobs = queue.take(up_to(1, 1s));
    REQUIRE(jobs.size() == 1);
    auto options = now_up_to(1);
    const auto end = std::chrono::steady_clock::now() + 1500ms;
    while (std::chrono::steady_clock::now() < end) {
        if (!queue.extend(jobs[0], patience)) break;
        CHECK(queue.take(options).empty());
        std::this_thread::sleep_for(50ms);
    }
    CHECK(jobs[0].held());
    CHECK(queue.ack(jobs[0], patience));
}

TEST_CASE("what failed waits, and is a dead letter in the end, which can be put in again") {
    Shop shop(1);
    const auto queue = shop.queue(0, 3);
    queue.put(1, "once");
    queue.put(2);
    auto jobs = queue.take(up_to(1));
    REQUIRE(values_of(jobs) == std::vector{1});
    const auto back = std::chrono::steady_clock::now();
    CHECK(queue.nack(jobs[0], 300ms, patience));
    CHECK(queue.status(patience).delayed == 1);
    auto other = queue.take(up_to(1));
    CHECK(values_of(other) == std::vector{2});  // overtakes it
    CHECK(queue.take(now_up_to(1)).empty());
    for (std::size_t attempt = 2; attempt <= 3; ++attempt) {
        jobs = queue.take(up_to(1));
        CHECK(std::chrono::steady_clock::now() - back >= 300ms);
        REQUIRE(values_of(jobs) == std::vector{1});
        CHECK(jobs[0].attempt == attempt);
        CHECK(queue.dead().empty());
        CHECK(queue.nack(jobs[0], 0ms, patience));
    }
    CHECK(queue.ack(other[0], patience));
    CHECK(queue.take(now_up_to(1)).empty());
    auto dead = queue.dead();
    REQUIRE(dead.size() == 1);
    CHECK(dead[0].value == 1);
    CHECK(dead[0].attempts == 3);
    CHECK(queue.status(patience).dead == 1);
    CHECK(queue.put_again(dead[0].id));
    CHECK_FALSE(queue.put_again(dead[0].id));
    jobs = queue.take(up_to(1));
    REQUIRE(values_of(jobs) == std::vector{1});
    CHECK(jobs[0].attempt == 1);
    CHECK(queue.ack(jobs[0], patience));
    // What is of another type dies at once.
    shop.nodes[0].queue<std::string>("q").put("no number");
    queue.put(3);
    jobs = queue.take(up_to(2));
    CHECK(values_of(jobs) == std::vector{3});
    dead = queue.dead();
    REQUIRE(dead.size() == 1);
    CHECK_FALSE(dead[0].value);
    CHECK(queue.drop_dead(dead[0].id));
    CHECK_FALSE(queue.drop_dead(dead[0].id));
    CHECK(queue.dead().empty());
}

TEST_CASE("an idempotency key puts one job, also on two nodes that did not know of each other") {
    Shop shop(3);
    const auto first = shop.queue(0).put(1, "order 1");
    const auto second = shop.queue(0).put(2, "order 1");
    CHECK(first.fresh);
    CHECK_FALSE(second.fresh);
    CHECK(second.id == first.id);
    shop.cut(2);
    shop.queue(2).put(30, "order 3");
    shop.queue(1).put(31, "order 3");
    shop.heal(2);
    shop.settle();
    const auto jobs = shop.queue(1).take(up_to(32));
    REQUIRE(jobs.size() == 2);
    for (const auto& job : jobs) CHECK(shop.queue(1).ack(job, patience));
    CHECK_FALSE(shop.queue(2).put(1, "order 1").fresh);  // though it is done
    CHECK(shop.queue(1).size() == 0);
    bool put = true;
    shop.nodes[0].transact([&](Tx& tx) {
        put = shop.queue(0).put(tx, 5, "order 5");
        CHECK_FALSE(shop.queue(0).put(tx, 5, "order 5"));
    });
    CHECK(put);
    shop.settle();
    CHECK(shop.queue(1).size() == 1);
}

TEST_CASE("without a majority jobs are put and acknowledged, and none is taken") {
    Shop shop(3);
    shop.queue(2).put(1);
    const auto jobs = shop.queue(2).take(up_to(1));
    REQUIRE(jobs.size() == 1);
    shop.cut(2);
    const auto alone = shop.queue(2);
    for (int i = 2; i <= 4; ++i) alone.put(i);
    TakeOptions options;
    options.within = 100ms;
    CHECK(code_of([&] { (void)alone.take(options); }) == Errc::no_majority);
    options.wait = 300ms;
    CHECK(code_of([&] { (void)alone.take(options); }) == Errc::no_majority);
    CHECK_FALSE(alone.status(100ms).leases);
    CHECK_FALSE(alone.ack(jobs[0], 100ms));
    CHECK(alone.size() == 3);
    shop.heal(2);
    shop.settle();
    CHECK(shop.queue(0).size() == 3);
    CHECK(values_of(shop.queue(0).take(up_to(4))) == std::vector{2, 3, 4});
}

TEST_CASE("what was acknowledged is taken by nobody, though its data comes later than the voters' word") {
    Shop shop(3, 0, 400ms);
    shop.queue(0).put(1);
    shop.queue(0).put(2);
    shop.settle();
    const auto jobs = shop.queue(0).take(up_to(1));
    REQUIRE(values_of(jobs) == std::vector{1});
    CHECK(shop.queue(1).size() == 2);
    CHECK(shop.queue(0).ack(jobs[0], patience));
    CHECK(values_of(shop.queue(1).take(up_to(1))) == std::vector{2});
    // Nor does anybody take again without knowing how often it was tried, or that it is to wait.
    const auto second = shop.queue(2).take(now_up_to(1));
    CHECK(second.empty());
    shop.queue(0).put(3);
    shop.settle();
    const auto third = shop.queue(0).take(up_to(1));
    REQUIRE(values_of(third) == std::vector{3});
    CHECK(shop.queue(0).nack(third[0], 0ms, patience));
    const auto again = shop.queue(2).take(up_to(1));
    REQUIRE(values_of(again) == std::vector{3});
    CHECK(again[0].attempt == 2);
}

TEST_CASE("a node that hears nobody takes nobody for dead") {
    Shop shop(3);
    shop.queue(0).put(1);
    shop.settle();
    const auto jobs = shop.queue(0, 1).take(up_to(1, 500ms));
    REQUIRE(jobs.size() == 1);
    CHECK(shop.queue(2, 1).take(now_up_to(1)).empty());  // it has seen the lease
    shop.cut(2);
    TakeOptions options;
    options.within = 50ms;
    for (const auto end = std::chrono::steady_clock::now() + 800ms; std::chrono::steady_clock::now() < end;) {
        REQUIRE(shop.queue(0).extend(jobs[0], patience));
        bool got = false;
        const auto error = code_of([&] { got = !shop.queue(2, 1).take(options).empty(); });
        CHECK_FALSE(got);
        CHECK((error == Errc{} || error == Errc::no_majority));
    }
    CHECK(shop.queue(2).dead().empty());
    CHECK(shop.queue(2).size() == 1);
    shop.heal(2);
    CHECK(shop.queue(0).nack(jobs[0], 0ms, patience));
    shop.settle();
    const auto again = shop.queue(2).take(up_to(1));
    REQUIRE(again.size() == 1);
    CHECK(again[0].attempt == 2);
}

TEST_CASE("what dies together may be more than a transaction holds") {
    Shop shop(1);
    const auto queue = shop.nodes[0].queue<std::string>("q", {1});
    for (std::size_t i = 0; i < queue_take_jobs_max; ++i) queue.put(std::string(10'000, 'x'));
    REQUIRE(queue.take(up_to(queue_take_jobs_max, 100ms)).size() == queue_take_jobs_max);
    REQUIRE(happens([&] { return queue.take(now_up_to(1)).empty() && queue.dead().size() == queue_take_jobs_max; }));
    // The largest job fits into a dead letter, with the five bytes before a string of its length.
    const std::string largest(detail::job_bytes_max - 5, 'x');
    CHECK(code_of([&] { queue.put(largest + 'x'); }) == Errc::too_large);
    CHECK(code_of([&] { queue.put(largest, "key"); }) == Errc::too_large);
    queue.put(largest);
    const auto jobs = queue.take(up_to(1));
    REQUIRE(jobs.size() == 1);
    CHECK(queue.nack(jobs[0], 0ms, patience));
    REQUIRE(queue.dead().size() == queue_take_jobs_max + 1);
    CHECK(queue.dead().back().value == largest);
}

TEST_CASE("left-overs go in parts") {
    Shop shop(1);
    const auto tries = shop.nodes[0].map<JobId, std::vector<std::uint64_t>>("$queue/tries/q");
    for (std::uint64_t i = 0; i < 8'000;) {
        shop.nodes[0].transact([&](Tx& tx) {
            for (const auto end = i + 1'000; i < end; ++i) tx.put(tries, {i + 1, 1}, {1, 0});
        });
    }
    const auto queue = shop.queue(0);
    queue.put(1);
    CHECK(values_of(queue.take(up_to(1))) == std::vector{1});
    CHECK(tries.size() == 8'000 - detail::left_over_max);
    REQUIRE(happens([&] { return queue.take(now_up_to(1)).empty() && tries.size() == 0; }));
}

TEST_CASE("an acknowledgement that is told later still has a head") {
    Shop shop(4, 3);
    shop.queue(3).put(1);
    const auto jobs = shop.queue(3).take(up_to(1));
    REQUIRE(jobs.size() == 1);
    shop.cut(3);
    CHECK_FALSE(shop.queue(3).ack(jobs[0], 100ms));
    shop.heal(3);
    const Claims claims(shop.nodes[3], "q");
    CHECK(claims.look().heads.empty());
    CHECK(shop.queue(3).ack(jobs[0], patience));
    CHECK(claims.look().leases.empty());
    CHECK(claims.look().heads.size() == 1);
    CHECK(shop.nodes[3].keys("$queue/").empty());
}

TEST_CASE("what two nodes put at one instant has two names") {
    Shop shop(2, 1);
    CHECK(shop.queue(0).put(1).id.number != shop.queue(1).put(2).id.number);
}

TEST_CASE("keys that were put in transactions are forgotten by whoever takes") {
    Shop shop(1);
    const auto queue = shop.queue(0);
    const auto keys = shop.nodes[0].journal<JobId>("$queue/keys/q");
    for (int i = 0; i < int(2 * queue_keys_kept);) {
        shop.nodes[0].transact([&](Tx& tx) {
            for (const auto end = i + 1'024; i < end; ++i) queue.put(tx, i, std::to_string(i));
        });
    }
    CHECK(keys.values().size() == 2 * queue_keys_kept);
    CHECK(values_of(queue.take(up_to(1))) == std::vector{0});
    CHECK(keys.values().size() == queue_keys_kept);
}

TEST_CASE("a book counts by its own clock: leases from when it saw them, delays, and heads that never come") {
    detail::QueueBook book;
    const crdt::ReplicaId one{{1}, 1}, other{{2}, 1};
    agree::ClaimRecord record{1, {{other, 5}}, {{{{one, 1}, 1'000'000}, 1, 1, {{{7, 7}, 1}}}}};
    book.saw(record, 3, 10);
    CHECK(book.leased() == std::set{JobId{7, 7}});
    CHECK(book.silent(1'000'009).empty());
    CHECK(book.silent(1'000'010).size() == 1);
    record.leases[0].renewal = 2;
    book.saw(record, 4, 900'000);
    CHECK(book.silent(1'000'010).empty());
    record.leases[0].renewal = 1;
    book.saw(record, 3, 1'000'000);  // an answer that was overtaken
    CHECK(book.silent(1'899'999).empty());
    CHECK(book.next_silent_us() == 1'900'000);
    CHECK(book.silent(1'900'000).size() == 1);

    const std::uint64_t patience_us = 10'000'000;
    CHECK(book.unheard({{other, 4}}, 50).empty());
    CHECK(book.unheard({{other, 4}}, patience_us + 49).empty());
    CHECK(book.unheard({{other, 4}}, patience_us + 50) == record.heads);
    CHECK(book.unheard({{other, 5}}, patience_us + 60).empty());
    CHECK(book.unheard({{other, 4}}, patience_us + 70).empty());  // counts anew

    const std::map<JobId, detail::Tries> failed{{{1, 1}, {1, 20}}, {{2, 2}, {1, 0}}};
    CHECK(book.delayed(failed, 100).jobs == std::set{JobId{1, 1}});
    CHECK(book.delayed(failed, 200).first_due_us == 20'100);
    CHECK(book.delayed(failed, 20'100).jobs.empty());
    const std::map<JobId, detail::Tries> again{{{1, 1}, {2, 20}}};
    CHECK(book.delayed(again, 30'000).first_due_us == 50'000);
    CHECK(book.delayed({}, 30'001).jobs.empty());
    CHECK(book.delayed(again, 40'000).first_due_us == 60'000);  // nothing was kept of it
    const std::map<JobId, detail::Tries> absurd{{{1, 1}, {UINT64_MAX, UINT64_MAX}}};
    CHECK(book.delayed(absurd, 50'000).first_due_us > 1'000'000'000'000);
}

TEST_CASE("calls in the wrong place, and what no queue is") {
    Shop shop(1);
    const auto& node = shop.nodes[0];
    const auto queue = shop.queue(0);
    CHECK(code_of([&] { (void)node.queue<int>(""); }) == Errc::invalid_argument);
    CHECK(code_of([&] { (void)node.queue<int>(std::string(255, 'q')); }) == Errc::invalid_argument);
    CHECK(code_of([&] { (void)node.queue<int>("q", {0}); }) == Errc::invalid_argument);
    TakeOptions options;
    options.jobs = 33;
    CHECK(code_of([&] { (void)queue.take(options); }) == Errc::invalid_argument);
    options.jobs = 1;
    options.lease = 1ms;
    CHECK(code_of([&] { (void)queue.take(options); }) == Errc::invalid_argument);
    CHECK(code_of([&] { node.transact([&](Tx&) { (void)queue.take(); }); }) == Errc::would_deadlock);
    CHECK(JobId::parse(JobId{7, UINT64_MAX}.to_string()) == JobId{7, UINT64_MAX});
    CHECK_FALSE(JobId::parse("7"));
    // What strangers put where jobs are does no harm, and what they put in the register's place is told.
    node.map<int, int>("$queue/jobs/q").put(1, 1);
    node.map<JobId, int>("$queue/jobs/q").put({1, 1}, 1);
    node.map<JobId, int>("$queue/tries/q").put({1, 1}, 1);
    node.map<JobId, int>("$queue/dead/q").put({1, 1}, 1);
    queue.put(5);
    CHECK(queue.size() == 1);
    const auto jobs = queue.take(up_to(4));
    CHECK(values_of(jobs) == std::vector{5});
    CHECK(queue.dead().empty());
    // A taker that waits is told to stop, and one that waits is woken.
    std::stop_source stop;
    auto waits = up_to(1);
    waits.stop = stop.get_token();
    std::thread stops([&] { stop.request_stop(); });
    CHECK(queue.take(waits).empty());
    stops.join();
    std::thread puts([&] { queue.put(6); });
    CHECK(values_of(queue.take(up_to(1))) == std::vector{6});
    puts.join();
}
