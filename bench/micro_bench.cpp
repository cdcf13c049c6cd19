// The suite `micro`: single calls under Google Benchmark, for whoever changes one of them.
#include <benchmark/benchmark.h>

#include "bench/workload.hpp"

namespace starling::bench {
namespace {

void siphash(benchmark::State& state) {
    const crdt::Bytes text(std::size_t(state.range(0)), 'x');
    for (auto _ : state) benchmark::DoNotOptimize(crdt::siphash128(text, crdt::fingerprint_key));
}
BENCHMARK(siphash)->Arg(16)->Arg(64)->Arg(256);

void write_items(benchmark::State& state) {
    for (auto _ : state) {
        crdt::Writer writer;
        writer.array(3).uint(300).sint(-5).str("key-0000000");
        benchmark::DoNotOptimize(writer.take());
    }
}
BENCHMARK(write_items);

void read_items(benchmark::State& state) {
    crdt::Writer writer;
    writer.array(3).uint(300).sint(-5).str("key-0000000");
    const auto bytes = writer.take();
    for (auto _ : state) {
        crdt::Reader reader(bytes);
        benchmark::DoNotOptimize(reader.array(3));
        benchmark::DoNotOptimize(reader.uint());
        benchmark::DoNotOptimize(reader.sint());
        benchmark::DoNotOptimize(reader.str(64));
    }
}
BENCHMARK(read_items);

/// One put a transaction, with the changeset that it makes, over so many keys.
void one_put(benchmark::State& state) {
    const auto fields = fields_of(Keys::random, std::size_t(state.range(0)));
    Author author(1);
    const auto value = crdt::pack_int(7);
    std::size_t at = 0;
    const auto put = [&](crdt::Transaction& tx, std::size_t i) {
        crdt::Map::put(tx, "m", fields[i % fields.size()], value);
    };
    author.write(0, fields.size(), 100, put);
    for (auto _ : state) {
        author.write(at, at + 1, 1, put);
        ++at;
    }
}
BENCHMARK(one_put)->Arg(1'000)->Arg(100'000);

/// One-op changesets, decoded and applied: overwrites of so many keys.
void one_apply(benchmark::State& state) {
    const auto fields = fields_of(Keys::random, std::size_t(state.range(0)));
    Author author(1);
    crdt::Replica reader(1);
    without_watchers(reader);
    const auto value = crdt::pack_int(7);
    const auto put = [&](crdt::Transaction& tx, std::size_t i) {
        crdt::Map::put(tx, "m", fields[i % fields.size()], value);
    };
    author.write(0, fields.size(), 100, put, [&](const crdt::Changeset& made) { apply(reader, made); });
    std::vector<crdt::Changeset> ready;
    std::size_t next = 0;
    std::size_t at = 0;
    for (auto _ : state) {
        if (next == ready.size()) {
            state.PauseTiming();
            ready.clear();
            next = 0;
            author.write(at, at + 10'000, 1, put, [&](const crdt::Changeset& made) { ready.push_back(made); });
            at += 10'000;
            state.ResumeTiming();
        }
        apply(reader, ready[next++]);
    }
}
BENCHMARK(one_apply)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace starling::bench

BENCHMARK_MAIN();
