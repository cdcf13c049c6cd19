// A hint to the processor that some memory will be used soon. It changes nothing but the time that the use takes.
#pragma once

namespace starling::crdt {

/// Fetches the cache line at `at` without waiting for it; any address will do.
inline void prefetch(const void* at) {
    __builtin_prefetch(at);
    asm volatile("");  // g++ 12 takes a function that only prefetches for one without effect and drops its calls
}

}  // namespace starling::crdt
