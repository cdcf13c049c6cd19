// What the core takes: bytes on the wire, memory a key, and the state as it is saved.
#include <string>
#include <unordered_map>

#include "bench/core_bench.hpp"
#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "bench/workload.hpp"
#if __has_include("crdt/export.hpp")
#include "crdt/export.hpp"
#endif

namespace starling::bench {
namespace {

constexpr auto at_most = Target::Is::at_most;

/// Mean bytes of a body, over writes of `ops` operations each.
template <class Operation>
double mean_body_bytes(Author& author, std::size_t items, std::size_t ops, Operation&& operation) {
    std::size_t bytes = 0;
    std::size_t bodies = 0;
    author.write(0, items, ops, operation, [&](const crdt::Changeset& changeset) {
        bytes += changeset.body.size();
        ++bodies;
    });
    return double(bytes) / double(bodies);
}

void report_bytes(const std::string& subject, double bytes, std::optional<double> limit) {
    Figure figure{"core", subject, "body bytes an operation", bytes, "B", {}, {}, {}};
    if (limit) figure.target = Target{Target::Of::value, at_most, *limit};
    print(figure);
}

/// Resident memory that `fill` leaves behind in a fresh process, in bytes a key.
template <class Make, class Fill>
double bytes_a_key(std::size_t keys, Make&& make, Fill&& fill) {
    return in_fresh_process<1>([&] {
        const auto before = double(resident_bytes());
        auto held = make();
        fill(*held);
        return std::array{(double(resident_bytes()) - before) / double(keys)};
    })[0];
}

void fill_map(Author& author, Keys keys, std::size_t count) {
    const auto value = crdt::pack_int(7);
    author.write(0, count, 100,
                 [&](crdt::Transaction& tx, std::size_t i) { crdt::Map::put(tx, "m", field_of(keys, i), value); });
}

#if __has_include("crdt/export.hpp")

/// Everything that was added is removed again: what is left to save is one line of a version.
void report_emptied(const std::string& type, bool is_map, std::size_t count) {
    Author author(1);
    const auto value = crdt::pack_int(7);
    const auto fields = fields_of(Keys::sequential, count);
    author.write(0, count, 100, [&](crdt::Transaction& tx, std::size_t i) {
        is_map ? crdt::Map::put(tx, "k", fields[i], value) : crdt::Set::add(tx, "k", fields[i]);
    });
    author.write(0, count, 100, [&](crdt::Transaction& tx, std::size_t i) {
        is_map ? crdt::Map::erase(tx, "k", fields[i]) : crdt::Set::remove(tx, "k", fields[i]);
    });
    STARLING_ASSERT(author.state().live_count() == 0, "all is removed");
    Figure figure{"core", "saved state after 100k add + remove, " + type, "bytes", 0, "B", {}, {}, {{"keys", count}}};
    figure.value = double(crdt::encode_state(author.replica()).size());
    figure.target = Target{Target::Of::value, at_most, 100};
    print(figure);
}

void report_export(Keys keys, std::size_t count) {
    Author author(1);
    fill_map(author, keys, count);
    crdt::Bytes saved;
    const double export_ms = 1e3 * seconds_of([&] { saved = crdt::encode_state(author.replica()); });
    crdt::Replica loaded(1);
    without_watchers(loaded);
    bool good = false;
    const double import_ms = 1e3 * seconds_of([&] { good = bool(crdt::decode_state(saved, loaded)); });
    STARLING_ASSERT(good && loaded.state().fingerprint() == author.state().fingerprint(), "what is saved is loaded");

    const std::string with = std::string(" of 100k keys, ") + name_of(keys);
    const auto tell = [&](const std::string& subject, const std::string& metric, double value, const std::string& unit,
                          double limit) {
        print({"core", subject, metric, value, unit, {}, Target{Target::Of::value, at_most, limit}, {{"keys", count}}});
    };
    tell("export" + with, "time", export_ms, "ms", 10);
    tell("import" + with, "time", import_ms, "ms", 25);
    tell("export" + with, "bytes a key", double(saved.size()) / double(count), "B",
         keys == Keys::sequential ? 12 : 16 + 5);
}

#endif

}  // namespace

void changeset_bytes(const Options&) {
    const std::size_t items = 10'000;
    const auto fields = fields_of(Keys::sequential, items);
    const auto order = shuffled(items);
    const auto put = [&](crdt::Transaction& tx, std::size_t i) {
        crdt::Map::put(tx, "m", fields[i], crdt::pack_int(std::int64_t(i % 100)));
    };
    const auto put_shuffled = [&](crdt::Transaction& tx, std::size_t i) {
        crdt::Map::put(tx, "m", fields[order[i]], crdt::pack_int(std::int64_t(i % 100)));
    };
    {
        Author author(1);
        report_bytes("one map put of a new key", mean_body_bytes(author, items, 1, put), 32);
        report_bytes("one map put over an own entry", mean_body_bytes(author, items, 1, put), 32);
    }
    {
        Author first(1), second(2);
        first.write(0, items, 100, put, [&](const crdt::Changeset& changeset) { apply(second.replica(), changeset); });
        report_bytes("one map put over a foreign entry", mean_body_bytes(second, items, 1, put), 32);
    }
    {
        Author author(1);
        const auto count = [](crdt::Transaction& tx, std::size_t) { crdt::Counter::add(tx, "key-0000000", 1); };
        report_bytes("one addition to a counter", mean_body_bytes(author, items, 1, count), 32);
    }
    {
        Author author(1);
        report_bytes("map puts, 100 a changeset, sequential", mean_body_bytes(author, items, 100, put) / 100, 10);
    }
    Author author(1);
    report_bytes("map puts, 100 a changeset, shuffled", mean_body_bytes(author, items, 100, put_shuffled) / 100, 10);
}

void memory_per_key(const Options& options) {
    const std::size_t count = options.quick ? 200'000 : 1'000'000;
    const std::string at = options.quick ? "200k" : "1M";
    using Table = std::unordered_map<std::string, std::string>;
    for (const Keys keys : {Keys::sequential, Keys::random}) {
        const auto look_up = [&](const Author& author) {
            for (std::size_t i = 0; i < count; ++i)
                STARLING_ASSERT(crdt::Map::get(author.state(), "m", field_of(keys, i)), "each key is there");
        };
        const auto make_author = [] { return std::make_unique<Author>(1); };
        const auto ours = bytes_a_key(count, make_author, [&](Author& author) {
            fill_map(author, keys, count);
            look_up(author);
        });
        const auto ordered = bytes_a_key(count, make_author, [&](Author& author) {
            fill_map(author, keys, count);
            keep(crdt::Map::items(author.state(), "m"));
        });
        const auto table = bytes_a_key(
            count, [] { return std::make_unique<Table>(); },
            [&](Table& held) {
                for (std::size_t i = 0; i < count; ++i) held.insert_or_assign(field_of(keys, i), crdt::pack_int(7));
            });
        Figure figure{"core", "memory a key at " + at + ", " + name_of(keys), "resident", ours, "B", {}, {}, {}};
        figure.params = {{"keys", count}};
        figure.baseline = Baseline{"std::unordered_map", table};
        if (!options.quick) figure.target = Target{Target::Of::value, at_most, 110};
        print(figure);
        figure.metric = "resident, after an ordered read";
        figure.value = ordered;
        figure.target.reset();
        print(figure);
    }
}

void saved_state(const Options&) {
#if __has_include("crdt/export.hpp")
    const std::size_t count = 100'000;
    report_emptied("set", false, count);
    report_emptied("map", true, count);
    report_export(Keys::sequential, count);
    report_export(Keys::random, count);
#endif
}

}  // namespace starling::bench
