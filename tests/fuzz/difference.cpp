// State diffs that no honest replica would send, made to be valid more often than bytes would be, and frames that are
// nothing but bytes. What is found valid can be applied, once and again, and breaks nothing.
#include "crdt/difference.hpp"

#include "crdt/codec.hpp"
#include "gossip/wire.hpp"
#include "tests/fuzz/pair.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::fuzz;

namespace {

DotRuns ascending(Seq after, Choices& choices) {
    DotRuns runs;
    for (auto many = choices.below(3); many > 0; --many) {
        const Seq first = after + 1 + choices.below(3);
        extend(runs, first, 1 + choices.below(3));
        after = runs.back().last();
    }
    return runs;
}

Difference made_up(const Version& base, Choices& choices) {
    Difference difference;
    difference.base = base;
    difference.depth = choices.number();
    difference.inside_is_live = choices.flag();
    for (std::uint64_t number = 0; number < actors; ++number) {
        const auto id = actor(number);
        if (choices.below(4) == 3) continue;
        difference.tops[id] = {seen(base, id) + choices.below(10), choices.number()};
        if (choices.flag()) difference.heads[id] = {difference.tops[id].seen - choices.below(2), choices.below(5)};
        if (auto inside = ascending(0, choices); !inside.empty()) difference.inside[id] = std::move(inside);
        auto outside = ascending(seen(base, id), choices);
        for (const auto& run : outside) {
            for (Seq seq = run.first; seq <= run.last(); ++seq) {
                if (choices.below(16) == 15) continue;
                LooseEntry entry;
                entry.slot = {Type(choices.below(9)), choices.flag() ? "k" : "key", packed_nil()};
                if (choices.flag()) entry.slot.field = pack_int(std::int64_t(choices.below(3)));
                entry.stamp = choices.number();
                entry.depth = 1 + choices.below(3);
                entry.value = choices.below(8) == 7 ? Bytes(choices.bytes(1 + choices.below(6))) : pack_int(7);
                difference.entries[{id, seq}] = std::move(entry);
            }
        }
        if (!outside.empty()) difference.outside[id] = std::move(outside);
    }
    return difference;
}

std::optional<Difference> from_bytes(const Version& base, Choices& choices) {
    gossip::RefReceiver refs;
    for (std::uint64_t number = 0; number < actors; ++number) refs.define(16 + number, actor(number));
    auto message = gossip::decode(0, choices.rest(), refs);
    auto* part = message ? std::get_if<gossip::DiffPart>(&*message) : nullptr;
    if (part == nullptr) return std::nullopt;
    part->piece.base = base;
    return std::move(part->piece);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices(data, size);
    const bool bytes = choices.below(4) == 3;
    Pair pair(choices);
    close_windows(pair);
    auto& replica = pair.a;
    const auto base = replica.state().version();
    if (choices.flag()) {
        std::vector<Changeset> sent;
        write(replica, 0, choices, sent);
    }
    const auto difference = bytes ? from_bytes(base, choices) : made_up(base, choices);
    if (!difference || !valid_difference(replica, *difference)) return 0;
    apply_difference(replica, *difference);
    replica.check();
    const auto version = replica.state().version();
    const auto fingerprint = replica.state().fingerprint();
    const auto heads = replica.heads();
    STARLING_ASSERT(covers(version, base), "a version only grows");
    apply_difference(replica, *difference);
    replica.check();
    STARLING_ASSERT(replica.state().version() == version && replica.state().fingerprint() == fingerprint &&
                        replica.heads() == heads,
                    "the same diff again changes nothing");
    return 0;
}
