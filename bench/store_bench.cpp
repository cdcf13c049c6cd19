// The suite `store`: commits to the durable store beside raw SQLite and a raw file that get the same values in the same
// batches and sync each, in turns; what opening costs; what a commit takes while folds go on. Wall time, since most of
// it is waiting for the disk.
#include "bench/store_bench.hpp"

#include <fcntl.h>

#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "crdt/views.hpp"

namespace starling::bench {
namespace {

constexpr std::size_t endless = std::size_t{1} << 40;  // keys: none comes twice

/// A replica that writes into a store.
class Ours {
  public:
    explicit Ours(const fs::path& path, const store::RecorderLimits& limits = {})
        : store(value_of(store::Store::open({path.string()}))), replica(0, {1, 2}) {
        auto loaded = value_of(store->load(replica));
        recorder.emplace(replica, std::move(loaded), limits);
        replica.gather_changes(false);
        replica.begin_life({{1}, std::uint64_t(replica.state().lives()) + 1});
    }
    void write(std::size_t first_key, std::size_t keys, std::size_t ops) {
        Bytes value(value_bytes - 3, 'v');
        for (std::size_t i = 0; i < keys;) {
            crdt::Transaction tx(replica, ++stamp);
            for (std::size_t op = 0; op < ops && i < keys; ++op, ++i)
                crdt::Map::put(tx, "m", crdt::pack_int(std::int64_t(first_key + i)), crdt::pack_str(value));
            STARLING_ASSERT(bool(tx.commit()), "a write succeeds");
            recorder->applied(std::make_shared<const crdt::Changeset>(*replica.cut()), stamp);
        }
    }
    void commit() {
        if (auto batch = recorder->take(stamp)) value_of(store->commit(*batch));
    }
    void commit_all() { value_of(store->commit(recorder->take_all(stamp))); }

    std::unique_ptr<store::Store> store;
    crdt::Replica replica;
    std::optional<store::Recorder> recorder;
    std::uint64_t stamp = 1;
};

/// Of `keys` keys, one after another, again and again; `ops` of the records are in one changeset: those of writers that
/// wrote within one flush window.
void commits(const Options& options, std::size_t batch, std::size_t ops, std::size_t keys) {
    const Directory directory;
    Ours ours(directory.path / "ours");
    Raw raw(directory.path / "raw.db");
    const int file = ::open((directory.path / "file").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    const double seconds_each = options.quick ? 0.5 : 2.5;
    const Bytes text(batch * value_bytes, 'v');
    double our_seconds = 0, raw_seconds = 0, file_seconds = 0;
    std::uint64_t our_commits = 0, raw_commits = 0, file_commits = 0, our_bytes = 0, raw_bytes = 0;
    std::vector<double> latencies;
    std::size_t key = 0;
    // In turns of a twentieth of the time.
    const auto turn = [&](double& total, std::uint64_t& count, auto&& work) {
        for (const double until = total + seconds_each / 20; total < until; ++count) {
            const double before = wall_seconds();
            work();
            total += wall_seconds() - before;
        }
    };
    for (int i = 0; i < 20; ++i) {
        auto written = bytes_written();
        turn(our_seconds, our_commits, [&] {
            ours.write(key, batch, ops);
            key = (key + batch) % keys;
            const double before = wall_seconds();
            ours.commit();
            latencies.push_back(wall_seconds() - before);
        });
        our_bytes += bytes_written() - written;
        written = bytes_written();
        turn(raw_seconds, raw_commits, [&] { raw.commit(batch, keys); });
        raw_bytes += bytes_written() - written;
        turn(file_seconds, file_commits, [&] {
            STARLING_ASSERT(::write(file, text.data(), text.size()) == ssize_t(text.size()) && ::fdatasync(file) == 0,
                            "the disk of a bench works");
        });
    }
    ::close(file);
    std::sort(latencies.begin(), latencies.end());
    const auto at = [&](double share) { return latencies[std::size_t(double(latencies.size() - 1) * share)] * 1e3; };
    Figure figure{"store",
                  "commits of " + std::to_string(batch) + " records" +
                      (ops == 1 ? ", a changeset each" : ", one window") + (keys < endless ? ", overwriting" : ""),
                  "rate",
                  double(our_commits) / our_seconds,
                  "1/s",
                  {},
                  {},
                  {}};
    figure.baseline = Baseline{"raw SQLite", double(raw_commits) / raw_seconds};
    figure.target = Target{Target::Of::ratio, Target::Is::at_least, 0.8};
    figure.params = {{"records_per_second", double(our_commits * batch) / our_seconds},
                     {"file_with_fdatasync", double(file_commits) / file_seconds},
                     {"bytes_written_per_record", double(our_bytes) / double(our_commits * batch)},
                     {"raw_bytes_written_per_record", double(raw_bytes) / double(raw_commits * batch)},
                     {"commit_ms_p50", at(0.5)},
                     {"commit_ms_p99", at(0.99)},
                     {"commit_ms_most", latencies.back() * 1e3}};
    print(figure);
}

void opening(std::size_t entries) {
    const Directory directory;
    const auto path = directory.path / "store";
    {
        Ours ours(path);
        for (std::size_t i = 0; i < entries; i += 10'000) {
            ours.write(i, 10'000, 100);
            ours.commit();
        }
        ours.commit_all();
    }
    const auto size = fs::file_size(path / store::StoreOptions{}.file);
    for (const bool replay : {false, true}) {
        if (replay) {  // and all the log that may be past a fold
            Ours ours(path);
            ours.write(0, 5'000, 1);
            auto batch = ours.recorder->take(ours.stamp);
            STARLING_ASSERT(batch.has_value(), "something was written");
            value_of(ours.store->commit(*batch));
        }
        const auto before = wall_seconds();
        crdt::Replica replica(0, {3, 4});
        auto store = value_of(store::Store::open({path.string()}));
        const auto loaded = value_of(store->load(replica));
        const auto seconds = wall_seconds() - before;
        STARLING_ASSERT(replica.state().live_count() == entries, "all of it is there");
        Figure figure{
            "store", "open with " + std::to_string(entries / 1'000) + "k entries" + (replay ? ", 5,000 to replay" : ""),
            "time",  seconds * 1e3,
            "ms",    {},
            {},      {}};
        if (entries >= 1'000'000) figure.target = Target{Target::Of::value, Target::Is::at_most, 5'000};
        figure.params = {{"file_bytes_per_entry", double(size) / double(entries)}, {"log_rows", loaded.log.size()}};
        print(figure);
    }
}

template <std::size_t batch, std::size_t ops, std::size_t keys = endless>
void commits_of(const Options& options) {
    commits(options, batch, ops, keys);
}
void open_100k(const Options&) {
    opening(100'000);
}
void open_1m(const Options&) {
    opening(1'000'000);
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(argc, argv,
                     {{"commits-1", commits_of<1, 1>},
                      {"commits-8", commits_of<8, 8>},
                      {"commits-64", commits_of<64, 64>},
                      {"commits-64-overwriting", commits_of<64, 64, 4096>},
                      {"commits-8-changesets", commits_of<8, 1>},
                      {"commits-64-changesets", commits_of<64, 1>},
                      {"commits-1000-changesets", commits_of<1'000, 1>},
                      {"writers-1", writers_1},
                      {"writers-8", writers_8},
                      {"writers-64", writers_64},
                      {"events-1m", events_1m},
                      {"events-each", events_each},
                      {"open-100k", open_100k},
                      {"open-1m", open_1m, true}});
}
