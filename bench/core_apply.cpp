// Applying what another replica wrote, one operation a changeset: the least favourable shape, and the usual one of an
// application that writes as things happen. Decoding is included; the hash table beside it decodes nothing. They come
// as the engine takes them from a frame: a batch is decoded, what it will touch is fetched, and it is applied.
#include <array>
#include <string>
#include <unordered_map>

#include "bench/core_bench.hpp"
#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "bench/workload.hpp"

namespace starling::bench {
namespace {

constexpr std::size_t apply_turn_items = 2'000;
constexpr std::size_t batch_max = 16;  // of the engine too

/// A reader that holds `live` keys, and `count` one-op changesets that it has not seen.
struct Stage {
    crdt::Replica reader{1};
    std::vector<crdt::Changeset> unseen;
    std::unordered_map<std::string, std::string> table;
    std::vector<std::string> table_keys;  ///< what each unseen one writes
};

/// Changesets [from, to), which `changeset_at` yields, in batches.
template <class ChangesetAt>
void apply_batches(crdt::Replica& reader, std::size_t from, std::size_t to, std::size_t at_a_time,
                   ChangesetAt&& changeset_at) {
    static std::array<crdt::Body, batch_max> bodies;
    std::array<const crdt::Changeset*, batch_max> batch;
    std::array<const crdt::Body*, batch_max> ahead;
    for (std::size_t i = 0; i < batch_max; ++i) ahead[i] = &bodies[i];
    for (std::size_t count = 0; from < to; from += count) {
        count = std::min(at_a_time, to - from);
        for (std::size_t i = 0; i < count; ++i) {
            batch[i] = &changeset_at(from + i, i);
            STARLING_ASSERT(crdt::decode_body(*batch[i], bodies[i]), "the benchmark's bodies are well-formed");
        }
        if (at_a_time > 1) reader.prefetch(std::span(ahead).first(count));
        for (std::size_t i = 0; i < count; ++i) {
            STARLING_ASSERT(!reader.missing(*batch[i], &bodies[i]), "they come in order");
            reader.apply(*batch[i], &bodies[i]);
        }
    }
}

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
    fill(stage, keys, live, 3 * count, new_keys);
    std::vector<crdt::Bytes> whole;
    for (std::size_t i = 2 * count; i < 3 * count; ++i) whole.push_back(crdt::encode_changeset(stage.unseen[i]));

    const auto value = crdt::pack_int(7);
    const auto to_table = [&](std::size_t offset) {
        return [&stage, &value, offset](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i) stage.table.insert_or_assign(stage.table_keys[offset + i], value);
        };
    };
    const auto of_bodies = [&](std::size_t offset, std::size_t at_a_time) {
        const auto ours = [&, offset, at_a_time](std::size_t from, std::size_t to) {
            apply_batches(stage.reader, offset + from, offset + to, at_a_time,
                          [&](std::size_t i, std::size_t) -> const crdt::Changeset& { return stage.unseen[i]; });
        };
        return take_turns(count, apply_turn_items, ours, to_table(offset));
    };
    const auto batches = of_bodies(0, batch_max);
    const auto singles = of_bodies(count, 1);
    std::array<crdt::Changeset, batch_max> decoded;
    const auto changesets = take_turns(
        count, apply_turn_items,
        [&](std::size_t from, std::size_t to) {
            apply_batches(stage.reader, from, to, batch_max,
                          [&](std::size_t i, std::size_t place) -> const crdt::Changeset& {
                              return decoded[place] = *crdt::decode_changeset(whole[i]);
                          });
        },
        to_table(2 * count));
    STARLING_ASSERT(stage.reader.state().live_count() == stage.table.size(), "both hold the same keys");

    Figure figure{"core", what + ", " + name_of(keys), "", 0, "M/s", {}, {}, {{"live", live}, {"changesets", count}}};
    const auto print_rate = [&](const char* metric, const auto& spent, std::optional<Target> target) {
        figure.metric = metric;
        figure.value = millions_per_second(count, spent[0]);
        figure.baseline = Baseline{"std::unordered_map, nothing to decode", millions_per_second(count, spent[1])};
        figure.target = target;
        print(figure);
    };
    print_rate("rate, body decoded", batches, Target{Target::Of::value, Target::Is::at_least, target_rate});
    print_rate("rate, body decoded, one at a time", singles, {});
    print_rate("rate, header and body decoded", changesets, {});
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
