// The parts of the suite `core`: the figures of the core that have targets.
#pragma once

#include "bench/measure.hpp"

namespace starling::bench {

void write_sequential(const Options& options);
void write_random(const Options& options);
void write_counter(const Options& options);
void apply_new_100k(const Options& options);
void apply_overwrites_100k(const Options& options);
void apply_overwrites_1m(const Options& options);
void changeset_bytes(const Options& options);
void memory_per_key(const Options& options);
void saved_state(const Options& options);

}  // namespace starling::bench
