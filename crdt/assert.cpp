#include "crdt/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace starling::crdt {

void assertion_failed(const char* expression, const char* what, const char* file, int line) {
    std::fprintf(stderr, "starling: broken invariant: %s (%s) at %s:%d\n", what, expression, file, line);
    std::abort();
}

}  // namespace starling::crdt
