// The part `failover` of the suite `agree`.
#pragma once

#include "bench/measure.hpp"

namespace starling::bench {

/// How long a lock is nobody's after its holder was killed, and how long changes wait after a voter was.
void failover(const Options& options);

}  // namespace starling::bench
