// Local writes beside hash tables that do the same writes in the same run, in turns. Ours read what they supersede,
// take a dot, hash for the fingerprint and leave an encoded changeset for each hundred operations; the tables only
// store.
#include <absl/container/flat_hash_map.h>
#include <string>
#include <unordered_map>

#include "bench/core_bench.hpp"
#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "bench/workload.hpp"

namespace starling::bench {
namespace {

using StdTable = std::unordered_map<std::string, std::string>;
using AbslTable = absl::flat_hash_map<std::string, std::string>;

constexpr std::size_t ops_per_transaction = 100;
constexpr std::size_t turn_items = 5'000;

struct Seconds {
    double ours = 0;
    double std_table = 0;
    double absl_table = 0;
};

struct Targets {
    double rate;   ///< M/s
    double ratio;  ///< to the std table
};

/// Two figures with a target, rate and ratio, and the faster table for comparison.
void report(const std::string& subject, std::size_t items, const Seconds& seconds, const Targets& targets) {
    const double ours = millions_per_second(items, seconds.ours);
    Figure figure{"core", subject, "rate", ours, "M/s", {}, {}, {{"ops", items}, {"ops_per_transaction", 100}}};
    figure.baseline = Baseline{"std::unordered_map", millions_per_second(items, seconds.std_table)};
    figure.target = Target{Target::Of::ratio, Target::Is::at_least, targets.ratio};
    print(figure);
    figure.metric = "rate alone";
    figure.baseline.reset();
    figure.target = Target{Target::Of::value, Target::Is::at_least, targets.rate};
    print(figure);
    figure.metric = "rate beside absl";
    figure.baseline = Baseline{"absl::flat_hash_map", millions_per_second(items, seconds.absl_table)};
    figure.target.reset();
    print(figure);
}

/// One kind of write on ours and on both tables, in turns.
template <class Ours, class Theirs>
void measure(Seconds& seconds, std::size_t items, Author& author, StdTable& std_table, AbslTable& absl_table,
             Ours&& ours, Theirs&& theirs) {
    const auto spent = take_turns(
        items, turn_items, [&](std::size_t from, std::size_t to) { author.write(from, to, ops_per_transaction, ours); },
        [&](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i) theirs(std_table, i);
        },
        [&](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i) theirs(absl_table, i);
        });
    seconds.ours += spent[0];
    seconds.std_table += spent[1];
    seconds.absl_table += spent[2];
}

/// The four writes of a map and a set over the same fields, each round on empty replicas and tables.
void write_fields(const Options& options, Keys keys) {
    const std::size_t items = 100'000;
    const std::size_t rounds = options.quick ? 1 : 3;
    const auto fields = fields_of(keys, items);
    const auto order = shuffled(items);
    std::vector<crdt::Bytes> values;
    for (std::size_t i = 0; i < items; ++i) values.push_back(crdt::pack_int(std::int64_t(i % 1000)));

    Seconds put, overwrite, add, remove;
    for (std::size_t round = 0; round < rounds; ++round) {
        Author map(1), set(2);
        StdTable std_map, std_set;
        AbslTable absl_map, absl_set;
        measure(
            put, items, map, std_map, absl_map,
            [&](crdt::Transaction& tx, std::size_t i) { crdt::Map::put(tx, "m", fields[i], values[i]); },
            [&](auto& table, std::size_t i) { table.insert_or_assign(fields[i], values[i]); });
        measure(
            overwrite, items, map, std_map, absl_map,
            [&](crdt::Transaction& tx, std::size_t i) { crdt::Map::put(tx, "m", fields[order[i]], values[i]); },
            [&](auto& table, std::size_t i) { table.insert_or_assign(fields[order[i]], values[i]); });
        measure(
            add, items, set, std_set, absl_set,
            [&](crdt::Transaction& tx, std::size_t i) { crdt::Set::add(tx, "s", fields[i]); },
            [&](auto& table, std::size_t i) { table.insert_or_assign(fields[i], crdt::packed_nil()); });
        measure(
            remove, items, set, std_set, absl_set,
            [&](crdt::Transaction& tx, std::size_t i) { crdt::Set::remove(tx, "s", fields[order[i]]); },
            [&](auto& table, std::size_t i) { table.erase(fields[order[i]]); });
        STARLING_ASSERT(map.state().live_count() == std_map.size() && set.state().live_count() == std_set.size(),
                        "ours and the tables did the same");
    }
    const std::string with = std::string(", ") + name_of(keys);
    report("map put new" + with, items * rounds, put, {5, 1.3});
    report("map overwrite, random order" + with, items * rounds, overwrite, {1.2, 0.7});
    report("set add" + with, items * rounds, add, {5, 1.3});
    report("set remove, random order" + with, items * rounds, remove, {1.5, 0.8});
}

}  // namespace

void write_sequential(const Options& options) {
    write_fields(options, Keys::sequential);
}

void write_random(const Options& options) {
    write_fields(options, Keys::random);
}

/// One counter: the hottest slot there is.
void write_counter(const Options& options) {
    const std::size_t items = options.quick ? 300'000 : 1'000'000;
    Author author(1);
    std::unordered_map<std::string, std::string> table;
    std::int64_t total = 0;
    const auto spent = take_turns(
        items, turn_items,
        [&](std::size_t from, std::size_t to) {
            author.write(from, to, ops_per_transaction,
                         [](crdt::Transaction& tx, std::size_t) { crdt::Counter::add(tx, "hits", 1); });
        },
        [&](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i) table.insert_or_assign("hits", crdt::pack_int(++total));
        });
    STARLING_ASSERT(crdt::Counter::read(author.state(), "hits") == total, "ours and the table did the same");
    Figure figure{"core", "one counter", "rate", millions_per_second(items, spent[0]), "M/s", {}, {}, {{"ops", items}}};
    figure.baseline = Baseline{"std::unordered_map", millions_per_second(items, spent[1])};
    figure.target = Target{Target::Of::value, Target::Is::at_least, 8};
    print(figure);
}

}  // namespace starling::bench
