// The suite `core`: what the engine's heart costs in time, bytes and memory.
#include "bench/core_bench.hpp"

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(argc, argv,
                     {{"write-sequential", write_sequential},
                      {"write-random", write_random},
                      {"write-counter", write_counter},
                      {"apply-new-100k", apply_new_100k},
                      {"apply-overwrites-100k", apply_overwrites_100k},
                      {"apply-overwrites-1m", apply_overwrites_1m, true},
                      {"bytes", changeset_bytes},
                      {"memory", memory_per_key},
                      {"saved", saved_state}});
}
