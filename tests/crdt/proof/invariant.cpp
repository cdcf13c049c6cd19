// In the proof suites a broken invariant is a failing case like any other: it is thrown, so that the case can be named
// and made simpler. Programs that link this file have it in place of the library's own, which aborts.
#include <stdexcept>
#include <string>

#include "crdt/assert.hpp"

namespace starling::crdt {

void assertion_failed(const char* expression, const char* what, const char* file, int line) {
    throw std::logic_error(std::string("broken invariant: ") + what + " (" + expression + ") at " + file + ":" +
                           std::to_string(line));
}

}  // namespace starling::crdt
