// The one macro of the house: an invariant that we alone can break. It stays on in release builds; what the outside can
// get wrong is a Result, never an assertion.
#pragma once

namespace starling::crdt {

[[noreturn]] void assertion_failed(const char* expression, const char* what, const char* file, int line);

}  // namespace starling::crdt

#define STARLING_ASSERT(expression, what) \
    ((expression) ? void(0) : ::starling::crdt::assertion_failed(#expression, what, __FILE__, __LINE__))
