// Two replicas with different pasts exchange their states, over the wire's bytes, while one of them writes on. Honest
// halves make both equal; a half whose bytes were changed on the way is refused or applied, and breaks no invariant.
#include "crdt/difference.hpp"
#include "gossip/wire.hpp"
#include "gossip/wire_diff.hpp"
#include "tests/fuzz/pair.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::fuzz;

namespace {

Bytes framed(const Difference& difference) {
    gossip::RefSender refs;
    Difference piece = difference;
    piece.base.clear();
    return gossip::encode(0, gossip::DiffPart{1, false, 0, true, std::move(piece)}, refs);
}

std::optional<Difference> unframed(const Bytes& frame, const Version& base) {
    gossip::RefReceiver refs;
    auto message = gossip::decode(0, frame, refs);
    auto* part = message ? std::get_if<gossip::DiffPart>(&*message) : nullptr;
    if (part == nullptr) return std::nullopt;
    part->piece.base = base;
    return std::move(part->piece);
}

/// The asker's half, over bytes: an honest answer is valid.
void take_answer(Replica& asker, const Difference& answered, const Version& base) {
    const auto difference = unframed(framed(answered), base);
    STARLING_ASSERT(difference && valid_difference(asker, *difference), "an honest answer is valid");
    apply_difference(asker, *difference);
    asker.check();
}

void honest_halves(Choices& choices, bool write_meanwhile) {
    Pair pair(choices);
    close_windows(pair);
    const auto base = pair.a.state().version();
    const auto to_a = answer(pair.b, base, {});
    if (write_meanwhile) {
        std::vector<Changeset> sent;
        write(pair.a, 0, choices, sent);
    }
    take_answer(pair.a, to_a, base);
    close_windows(pair);
    const auto its_base = pair.b.state().version();
    const auto to_b = write_meanwhile ? answer(pair.a, its_base, {})
                                      : answer_knowing(pair.a, its_base, live_dots(pair.b.state()), {});
    take_answer(pair.b, to_b, its_base);
    STARLING_ASSERT(pair.a.state().version() == pair.b.state().version(), "both know what either knew");
    must_be_equal(pair.a, pair.b);
}

void changed_half(Choices& choices) {
    Pair pair(choices);
    close_windows(pair);
    const auto base = pair.a.state().version();
    const auto frame = choices.mutated(framed(answer(pair.b, base, {})));
    const auto difference = unframed(frame, base);
    if (!difference || !valid_difference(pair.a, *difference)) return;
    apply_difference(pair.a, *difference);
    pair.a.check();
    STARLING_ASSERT(covers(pair.a.state().version(), base), "a version only grows");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices(data, size);
    const auto mode = choices.below(4);
    if (mode == 3) {
        changed_half(choices);
    } else {
        honest_halves(choices, mode == 1);
    }
    return 0;
}
