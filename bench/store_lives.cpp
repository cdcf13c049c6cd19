// A thousand nodes that were restarted daily for three years: what their lives take in memory and in the store, how
// long opening takes, and what a counter that all of them added to costs, beside one of a thousandth as many lives.
#include "bench/lives.hpp"
#include "bench/store_bench.hpp"
#include "crdt/state_builder.hpp"
#include "crdt/views.hpp"

namespace starling::bench {
namespace {

using namespace crdt;

constexpr std::size_t lives_of_few = 1'000;
constexpr const char* counted = "count";
constexpr double life_bytes_most = 24;

/// With `counters`, every life has added to one.
void live(Replica& replica, std::size_t nodes, std::size_t each, bool counters) {
    StateBuilder builder(replica);
    STARLING_ASSERT(bool(builder.depth(each)), "so deep may it be");
    const SlotView slot{Type::counter, counted, packed_nil()};
    const auto one = pack_int(1);
    for (std::size_t node = 0; node < nodes; ++node) {
        for (std::size_t day = 0; day < each; ++day) {
            const Lived lived = life_of(node, day, each);
            STARLING_ASSERT(bool(builder.line(lived.id, lived.seen, lived.last_stamp, 0)), "a life is lived once");
            if (!counters) continue;
            const bool built =
                bool(builder.entry(builder.origin(lived.id), lived.seen, slot, lived.last_stamp, day + 1, one));
            STARLING_ASSERT(built, "an entry of a life is within it");
        }
    }
}

/// Opened, with its store closed again, since SQLite's cache is no part of the lives.
struct Opened {
    explicit Opened(const fs::path& path) : replica(std::make_unique<Replica>(0, HashKey{3, 4})) {
        auto store = value_of(store::Store::open({path.string()}));
        auto loaded = value_of(store->load(*replica));
        recorder = std::make_unique<store::Recorder>(*replica, std::move(loaded));
    }
    std::unique_ptr<Replica> replica;
    std::unique_ptr<store::Recorder> recorder;
};

/// Adds to a counter, each in a changeset of its own, and reads it.
class Counting {
  public:
    explicit Counting(Replica& replica) : replica_(replica) {
        replica.gather_changes(false);
        replica.begin_life({node_key(0), 1});
    }
    void add(std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) {
            Transaction tx(replica_, ++stamp_);
            Counter::add(tx, counted, 1);
            STARLING_ASSERT(bool(tx.commit()), "an add succeeds");
            keep(replica_.cut());
        }
    }
    void read(std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) keep(Counter::read(replica_.state(), counted));
    }

  private:
    Replica& replica_;
    Stamp stamp_ = begin_us + lives_of_each * day_us;
};

void print_time(const std::string& subject, double many, double few, std::size_t items) {
    Figure figure{"store", subject, "time", many / double(items) * 1e9, "ns", {}, {}, {}};
    figure.baseline = Baseline{"1,000 lives", few / double(items) * 1e9};
    figure.target = Target{Target::Of::ratio, Target::Is::at_most, 2};  // O(1); what is left are cache misses
    print(figure);
}

void count(Replica& many, std::size_t lives, bool counters) {
    Replica few(0, {3, 4});
    few.bookkeeping().track(true);
    live(few, 1, lives_of_few, counters);
    Counting with_many(many), with_few(few);
    with_many.add(1'000);
    with_few.add(1'000);
    constexpr std::size_t items = 100'000, turn = 2'000;
    const auto adds = take_turns(
        items, turn, [&](std::size_t from, std::size_t to) { with_many.add(to - from); },
        [&](std::size_t from, std::size_t to) { with_few.add(to - from); });
    const auto reads = take_turns(
        items, turn, [&](std::size_t from, std::size_t to) { with_many.read(to - from); },
        [&](std::size_t from, std::size_t to) { with_few.read(to - from); });
    const auto words = (counters ? ", which added" : "") + std::string(", ") + std::to_string(lives) + " lives";
    print_time("counter add" + words, adds[0], adds[1], items);
    print_time("counter read" + words, reads[0], reads[1], items);
}

void lived(const Options& options, bool counters) {
    const std::size_t nodes = options.quick ? 50 : 1'000, lives = nodes * lives_of_each;
    const Directory directory;
    const auto path = directory.path / "store";
    double written_seconds = 0;
    const auto written = in_fresh_process<1>([&] {
        Replica replica(0, {1, 2});
        replica.bookkeeping().track(true);
        live(replica, nodes, lives_of_each, counters);
        auto store = value_of(store::Store::open({path.string()}));
        store::Recorder recorder(replica, {});
        recorder.replaced();
        const double before = wall_seconds();
        value_of(store->commit(recorder.take_all(begin_us)));
        return std::array{wall_seconds() - before};
    });
    written_seconds = written[0];
    const auto file_bytes = fs::file_size(path / store::StoreOptions{}.file);
    // Whoever has opened a store once has what SQLite keeps for the next time.
    const auto [allocated, resident, seconds, awake] = in_fresh_process<4>([&] {
        {
            value_of(store::Store::open({(directory.path / "other").string()}));
        }
        const auto allocated_before = allocated_bytes(), resident_before = resident_bytes();
        const double before = wall_seconds();
        const Opened opened(path);
        const double seconds = wall_seconds() - before;
        STARLING_ASSERT(opened.replica->state().lives() == lives, "all of them are there");
        std::size_t awake = 0;
        opened.replica->state().each_origin([&](const Origin&) { ++awake; });
        return std::array{double(allocated_bytes() - allocated_before), double(resident_bytes() - resident_before),
                          seconds, double(awake)};
    });
    const std::string words = std::to_string(lives) + " lives" + (counters ? " that added to a counter" : "");
    const auto each = [&](double bytes) { return bytes / double(lives); };
    Figure memory{"store", words + " in memory", "size", each(counters ? resident : allocated), "B", {}, {}, {}};
    memory.params = {{"allocated_bytes_a_life", each(allocated)},
                     {"resident_bytes_a_life", each(resident)},
                     {"kept_in_full", awake},
                     {"origin_bytes", sizeof(Origin)}};
    Figure file{"store", words + " in the store", "size", each(double(file_bytes)), "B", {}, {}, {}};
    file.params = {{"written_s", written_seconds}};
    if (!counters) memory.target = file.target = Target{Target::Of::value, Target::Is::at_most, life_bytes_most};
    print(memory);
    print(file);
    print({"store", "open with " + words, "time", seconds * 1e3, "ms", {}, {}, {}});
    const Opened opened(path);
    count(*opened.replica, lives, counters);
}

}  // namespace

void lives(const Options& options) {
    lived(options, false);
}
void lives_counting(const Options& options) {
    lived(options, true);
}

}  // namespace starling::bench
