// The suite `types`: how the cost of a write, of a read and of an ordered reading, and the memory an entry takes, grow
// with the entries that are there, for each type. A flat line is O(1); what climbs is the cache, or a bug.
#include <memory>

#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "bench/workload.hpp"

namespace starling::bench {
namespace {

using crdt::Bytes;
using crdt::BytesView;
using crdt::State;
using crdt::Transaction;

/// How one type is written and read; `name` is a key or a field, whichever the type has many of.
struct Kind {
    std::string name;
    void (*write)(Transaction&, const Bytes& name);
    void (*read)(const State&, const Bytes& name);
    void (*read_in_order)(const State&);  ///< nullptr where there is no such thing
};

Kind counter() {
    return {"counter", [](Transaction& tx, const Bytes& name) { crdt::Counter::add(tx, name, 1); },
            [](const State& state, const Bytes& name) { keep(crdt::Counter::read(state, name)); },
            [](const State& state) { keep(state.keys(crdt::Type::counter, "")); }};
}
Kind set() {
    return {"set", [](Transaction& tx, const Bytes& name) { crdt::Set::add(tx, "s", name); },
            [](const State& state, const Bytes& name) { keep(crdt::Set::contains(state, "s", name)); },
            [](const State& state) { keep(crdt::Set::elements(state, "s")); }};
}
Kind map() {
    return {"map", [](Transaction& tx, const Bytes& name) { crdt::Map::put(tx, "m", name, crdt::pack_int(7)); },
            [](const State& state, const Bytes& name) { keep(crdt::Map::get(state, "m", name)); },
            [](const State& state) { keep(crdt::Map::items(state, "m")); }};
}
Kind reg() {
    return {"register", [](Transaction& tx, const Bytes& name) { crdt::Register::set(tx, name, crdt::pack_int(7)); },
            [](const State& state, const Bytes& name) { keep(crdt::Register::get(state, name)); },
            [](const State& state) { keep(state.keys(crdt::Type::register_, "")); }};
}
Kind multi_value() {
    return {"multi-value",
            [](Transaction& tx, const Bytes& name) { crdt::MultiValue::set(tx, name, crdt::pack_int(7)); },
            [](const State& state, const Bytes& name) { keep(crdt::MultiValue::get(state, name)); },
            [](const State& state) { keep(state.keys(crdt::Type::multi_value, "")); }};
}
Kind flag() {
    return {"flag", [](Transaction& tx, const Bytes& name) { crdt::Flag::set(tx, name, true); },
            [](const State& state, const Bytes& name) { keep(crdt::Flag::read(state, name)); },
            [](const State& state) { keep(state.keys(crdt::Type::flag, "")); }};
}
Kind journal() {
    return {"journal", [](Transaction& tx, const Bytes& name) { crdt::Journal::append(tx, "j", name); }, nullptr,
            [](const State& state) { keep(crdt::reading(state, crdt::slot_of(crdt::Type::journal, "j"))); }};
}

void point(const Kind& kind, std::size_t entries, const std::string& metric, double value, const std::string& unit) {
    const std::string subject = kind.name + " at " + std::to_string(entries);
    print({"types", subject, metric, value, unit, {}, {}, {{"curve", kind.name}, {"entries", entries}}});
}

void measure(const Kind& kind, std::size_t entries) {
    const auto answers = in_fresh_process<4>([&] {
        const auto names = fields_of(Keys::random, entries);
        const auto order = shuffled(entries);
        const std::size_t calls = std::min<std::size_t>(entries, 20'000);
        const auto before = double(resident_bytes());
        auto author = std::make_unique<Author>(1);
        const auto write = [&](Transaction& tx, std::size_t i) { kind.write(tx, names[i % entries]); };
        author->write(0, entries, 100, write);
        if (kind.read_in_order != nullptr) kind.read_in_order(author->state());
        const double memory = (double(resident_bytes()) - before) / double(entries);

        const double ordered = seconds_of([&] { kind.read_in_order(author->state()); });
        double read = 0;
        if (kind.read != nullptr) {
            read = seconds_of([&] {
                for (std::size_t i = 0; i < calls; ++i) kind.read(author->state(), names[order[i]]);
            });
        }
        const double written = seconds_of([&] {
            author->write(0, calls, 100, [&](Transaction& tx, std::size_t i) { kind.write(tx, names[order[i]]); });
        });
        return std::array{memory, ordered * 1e9 / double(entries), read * 1e9 / double(calls),
                          written * 1e9 / double(calls)};
    });
    point(kind, entries, "a write over what is there", answers[3], "ns");
    if (kind.read != nullptr) point(kind, entries, "a read", answers[2], "ns");
    point(kind, entries, "an ordered reading, an entry", answers[1], "ns");
    point(kind, entries, "memory an entry", answers[0], "B");
}

template <Kind (*make)()>
void grow(const Options& options) {
    const Kind kind = make();
    for (const std::size_t entries : {1'000, 10'000, 100'000}) measure(kind, entries);
    if (!options.quick) measure(kind, 1'000'000);
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(argc, argv,
                     {{"counter", grow<counter>},
                      {"set", grow<set>},
                      {"map", grow<map>},
                      {"register", grow<reg>},
                      {"multi-value", grow<multi_value>},
                      {"flag", grow<flag>},
                      {"journal", grow<journal>}});
}
