// Applying what another replica wrote, one operation a changeset: the least favourable shape, and the usual one of an
// application that writes as things happen. Decoding is included; the hash table beside it decodes nothing.
#include <string>
#include <unordered_map>

#include "bench/core_bench.hpp"
#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "bench/workload.hpp"

namespace starling::bench {
namespace {

constexpr std::size_t turn_items = 2'000;

/// A reader that holds `live` keys, and `count` one-op changesets that it has not seen.
struct Stage {
    crdt::Replica reader{1};
    std::vector<crdt::Changeset> unseen;
    std::unordered_map<std::string, std::string> table;
    std::vector<std::string> table_keys;  ///< what each unseen one writes
};

void fill(Stage& stage, Keys keys, std::size_t live, std::size_t count, bool new_keys) {
    without_watchers(stage.reader);
    Author author(1);
    const auto value = crdt::pack_int(7);
    const auto fields = fields_of(keys, live + (new_keys ? count : 0));
    author.write(
        0, live, 100, [&](crdt::Transaction& tx, std::size_t i) { crdt::Map::put(tx, "m", fields[i], value); },
        [&](const crdt::Changeset& changeset) { apply(stage.reader, changeset); });
    for (std::size_t i = 0; i < live; ++i) stage.table.insert_or_assign(fields[i], value);

    std::mt19937_64 draw(2);
    for (std::size_t i = 0; i < count; ++i) stage.table_keys.push_back(fields[new_keys ? live + i : draw() % live]);
    stage.unseen.reserve(count);
    author.write(
        0, count, 1, [&](crdt::Transaction& tx, std::size_t i) { crdt::Map::put(tx, "m", stage.table_keys[i], value); },
        [&](crdt::Changeset& changeset) { stage.unseen.push_back(std::move(changeset)); });
    STARLING_ASSERT(stage.unseen.size() == count, "each operation is one changeset");
}

void measure(const Options& options, Keys keys, std::size_t live, const std::string& what, bool new_keys,
             double target_rate) {
    const std::size_t count = options.quick ? 30'000 : 100'000;
    Stage stage;
    fill(stage, keys, live, 2 * count, new_keys);
    std::vector<crdt::Bytes> whole;
    for (std::size_t i = count; i < 2 * count; ++i) whole.push_back(crdt::encode_changeset(stage.unseen[i]));

    const auto value = crdt::pack_int(7);
    const auto to_table = [&](std::size_t offset) {
        return [&stage, &value, offset](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i) stage.table.insert_or_assign(stage.table_keys[offset + i], value);
        };
    };
    const auto bodies = take_turns(
        count, turn_items,
        [&](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i) apply(stage.reader, stage.unseen[i]);
        },
        to_table(0));
    const auto changesets = take_turns(
        count, turn_items,
        [&](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i) {
                const auto changeset = crdt::decode_changeset(whole[i]);
                const auto body = crdt::decode_body(*changeset);
                STARLING_ASSERT(!stage.reader.missing(*changeset, body), "they come in order");
                stage.reader.apply(*changeset, body);
            }
        },
        to_table(count));
    STARLING_ASSERT(stage.reader.state().live_count() == stage.table.size(), "both hold the same keys");

    Figure figure{"core",
                  what + ", " + name_of(keys),
                  "rate, body decoded",
                  millions_per_second(count, bodies[0]),
                  "M/s",
                  {},
                  {},
                  {{"live", live}, {"changesets", count}}};
    figure.baseline = Baseline{"std::unordered_map, nothing to decode", millions_per_second(count, bodies[1])};
    figure.target = Target{Target::Of::value, Target::Is::at_least, target_rate};
    print(figure);
    figure.metric = "rate, header and body decoded";
    figure.value = millions_per_second(count, changesets[0]);
    figure.baseline->value = millions_per_second(count, changesets[1]);
    figure.target.reset();
    print(figure);
}

}  // namespace

void apply_new_100k(const Options& options) {
    for (const Keys keys : {Keys::sequential, Keys::random})
        measure(options, keys, 100'000, "apply one-op new keys at 100k", true, 3.3);
}

void apply_overwrites_100k(const Options& options) {
    for (const Keys keys : {Keys::sequential, Keys::random})
        measure(options, keys, 100'000, "apply one-op overwrites at 100k", false, 1.8);
}

void apply_overwrites_1m(const Options& options) {
    for (const Keys keys : {Keys::sequential, Keys::random})
        measure(options, keys, 1'000'000, "apply one-op overwrites at 1M", false, 1.2);
}

}  // namespace starling::bench
