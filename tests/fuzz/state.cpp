// A whole state as bytes, as a file holds it: an honest one comes back, a changed one is refused or breaks nothing.
#include "tests/fuzz/pair.hpp"

#if __has_include("crdt/export.hpp")

#include "crdt/export.hpp"

using namespace starling::crdt;
using namespace starling::fuzz;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices(data, size);
    const auto mode = choices.below(3);
    Pair pair(choices);
    close_windows(pair);
    const auto honest_bytes = encode_state(pair.a);
    const auto bytes = mode == 0 ? honest_bytes : mode == 1 ? choices.mutated(honest_bytes) : Bytes(choices.rest());
    Replica copy(0);
    const auto read = decode_state(bytes, copy);
    STARLING_ASSERT(read || mode != 0, "an honest state is read");
    if (!read) return 0;
    copy.check();
    if (mode == 0) must_be_equal(pair.a, copy);
    STARLING_ASSERT(encode_state(copy) == bytes, "a state has one form");
    return 0;
}

#else

int LLVMFuzzerTestOneInput(const std::uint8_t*, std::size_t) {
    return 0;
}

#endif
