#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include <starling/starling.hpp>

#include "bench/store_bench.hpp"

namespace starling::bench {
namespace {

/// Group commit as one would write it over SQLite.
class RawGroup {
  public:
    explicit RawGroup(const fs::path& path) : raw_(path), thread_([this] { run(); }) {}
    ~RawGroup() {
        {
            const std::lock_guard lock(mutex_);
            over_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    RawGroup(const RawGroup&) = delete;
    RawGroup& operator=(const RawGroup&) = delete;

    void write() {
        std::unique_lock lock(mutex_);
        const auto mine = ++asked_;
        changed_.notify_all();
        changed_.wait(lock, [&] { return durable_ >= mine; });
    }
    std::uint64_t commits() {
        const std::lock_guard lock(mutex_);
        return commits_;
    }

  private:
    void run() {
        std::unique_lock lock(mutex_);
        while (true) {
            changed_.wait(lock, [&] { return over_ || asked_ > durable_; });
            if (over_) return;
            const auto upto = asked_, records = asked_ - durable_;
            lock.unlock();
            raw_.commit(records, std::size_t{1} << 40);
            lock.lock();
            durable_ = upto;
            ++commits_;
            changed_.notify_all();
        }
    }

    Raw raw_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t asked_ = 0, durable_ = 0, commits_ = 0;
    bool over_ = false;
    std::thread thread_;
};

/// Writes a second of `threads` threads that do `write(thread)` for a time; how long each took is added to `latencies`.
template <class Write>
double rate(std::size_t threads, double seconds, std::vector<double>& latencies, Write write) {
    std::vector<std::vector<double>> took(threads);
    std::vector<std::thread> running;
    const double end = wall_seconds() + seconds;
    for (std::size_t i = 0; i < threads; ++i) {
        running.emplace_back([&, i] {
            for (double before = wall_seconds(); before < end;) {
                write(i);
                const double after = wall_seconds();
                took[i].push_back(after - before);
                before = after;
            }
        });
    }
    std::size_t writes = 0;
    for (std::size_t i = 0; i < threads; ++i) {
        running[i].join();
        writes += took[i].size();
        latencies.insert(latencies.end(), took[i].begin(), took[i].end());
    }
    return double(writes) / seconds;
}

double ms_at(const std::vector<double>& sorted, double share) {
    return sorted[std::size_t(double(sorted.size() - 1) * share)] * 1e3;
}

void writers(const bench::Options& options, std::size_t threads) {
    const Directory directory;
    starling::Options node_options{.dir = directory.path / "node", .listen_address = "127.0.0.1", .discovery = false};
    const auto node = Node::open(node_options);
    const auto map = node.map<std::int64_t, std::string>("m");
    RawGroup raw(directory.path / "raw.db");
    constexpr int turns = 5;
    const double turn_seconds = (options.quick ? 1.0 : 5.0) / turns;
    const std::string value(value_bytes - 3, 'v');
    std::vector<std::int64_t> next(threads, 0);
    std::vector<double> ours, theirs;
    double our_rate = 0, raw_rate = 0;
    std::uint64_t our_bytes = 0, raw_bytes = 0;
    for (int turn = 0; turn < turns; ++turn) {
        auto written = bytes_written();
        our_rate += rate(threads, turn_seconds, ours, [&](std::size_t thread) {
            map.put(std::int64_t(thread) << 40 | next[thread]++, value).durable();
        });
        our_bytes += bytes_written() - written;
        written = bytes_written();
        raw_rate += rate(threads, turn_seconds, theirs, [&](std::size_t) { raw.write(); });
        raw_bytes += bytes_written() - written;
    }
    std::sort(ours.begin(), ours.end());
    std::sort(theirs.begin(), theirs.end());
    const auto commits = double(node.status().store->commits);
    Figure figure{"store", "durable writes, " + std::to_string(threads) + (threads == 1 ? " writer" : " writers"),
                  "rate",  our_rate / turns,
                  "1/s",   {},
                  {},      {}};
    figure.baseline = Baseline{"raw SQLite, group commit", raw_rate / turns};
    figure.target = Target{Target::Of::ratio, Target::Is::at_least, 0.8};
    figure.params = {{"write_ms_p50", ms_at(ours, 0.5)},
                     {"write_ms_p99", ms_at(ours, 0.99)},
                     {"raw_write_ms_p50", ms_at(theirs, 0.5)},
                     {"raw_write_ms_p99", ms_at(theirs, 0.99)},
                     {"records_a_commit", double(ours.size()) / commits},
                     {"raw_records_a_commit", double(theirs.size()) / double(raw.commits())},
                     {"bytes_written_per_record", double(our_bytes) / double(ours.size())},
                     {"raw_bytes_written_per_record", double(raw_bytes) / double(theirs.size())}};
    print(figure);
}

}  // namespace

void writers_1(const bench::Options& options) {
    writers(options, 1);
}
void writers_8(const bench::Options& options) {
    writers(options, 8);
}
void writers_64(const bench::Options& options) {
    writers(options, 64);
}

/// Two nodes in turns: the log of one is as small as it may be, so that each batch drops of it what the one before
/// added; that of the other only grows.
void writers_compacting(const bench::Options& options) {
    constexpr std::size_t threads = 8;
    constexpr int turns = 10;
    constexpr std::int64_t keys_each = 512;
    const double turn_seconds = (options.quick ? 2.0 : 10.0) / turns;
    const std::string value(value_bytes - 3, 'v');
    struct Side {
        Directory directory;
        Node node;
        std::vector<double> took;
        double rate = 0;
    };
    std::array<Side, 2> sides;
    for (std::size_t i = 0; i < sides.size(); ++i) {
        starling::Options made{
            .dir = sides[i].directory.path / "node", .listen_address = "127.0.0.1", .discovery = false};
        made.log_bytes_max = i == 0 ? std::size_t{64} << 10 : std::size_t{4} << 30;
        sides[i].node = Node::open(made);
    }
    for (int turn = 0; turn < turns; ++turn) {
        for (auto& side : sides) {
            const auto map = side.node.map<std::int64_t, std::string>("m");
            std::vector<std::int64_t> next(threads, 0);
            side.rate += rate(threads, turn_seconds, side.took, [&](std::size_t thread) {
                map.put(std::int64_t(thread) << 40 | next[thread]++ % keys_each, value).durable();
            });
        }
    }
    for (auto& side : sides) std::sort(side.took.begin(), side.took.end());
    auto& [compacting, growing] = sides;
    Figure figure{"store", "durable writes while the log is compacted, 8 writers",
                  "p99",   ms_at(compacting.took, 0.99),
                  "ms",    {},
                  {},      {}};
    figure.baseline = Baseline{"a log that only grows", ms_at(growing.took, 0.99)};
    const auto store = [](const Side& side) { return *side.node.status().store; };
    figure.params = {{"rate", compacting.rate / turns},
                     {"growing_rate", growing.rate / turns},
                     {"write_ms_p50", ms_at(compacting.took, 0.5)},
                     {"growing_write_ms_p50", ms_at(growing.took, 0.5)},
                     {"log_bytes", store(compacting).log_bytes},
                     {"growing_log_bytes", store(growing).log_bytes},
                     {"file_bytes", store(compacting).file_bytes},
                     {"growing_file_bytes", store(growing).file_bytes}};
    print(figure);
}

}  // namespace starling::bench
