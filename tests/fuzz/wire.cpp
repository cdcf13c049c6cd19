// A link's frames, read from a stranger: what can be read is written again and reads the same.
#include "gossip/wire.hpp"

#include "gossip/wire_diff.hpp"
#include "tests/fuzz/actors.hpp"

using namespace starling;
using namespace starling::gossip;

namespace {

/// The pieces of any difference that came over the wire make it again.
void split_again(const crdt::Difference& piece, std::size_t bytes_max) {
    crdt::Difference joined;
    for (auto& part : split(piece, bytes_max))
        STARLING_ASSERT(add_piece(joined, std::move(part)), "the pieces of a difference do not contradict each other");
    STARLING_ASSERT(joined == piece, "the pieces make the difference again");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    RefReceiver refs;
    // So that a frame may name replicas without defining them first; the numbers that it does define are other ones.
    for (std::uint64_t number = 0; number < fuzz::actors; ++number) refs.define(16 + number, fuzz::actor(number));
    const auto message = decode(0, {reinterpret_cast<const char*>(data), size}, refs);
    if (!message) return 0;
    RefSender out;
    RefReceiver in;
    const auto again = decode(0, encode(0, *message, out), in);
    STARLING_ASSERT(again && *again == *message, "a message is read as it was written");
    if (const auto* part = std::get_if<DiffPart>(&*message)) {
        for (std::size_t bytes_max : {1UL, 100UL}) split_again(part->piece, bytes_max);
    }
    return 0;
}
