// Two sets on one axis are compared; one side is honest, what comes from the other is honest, changed or made up. What
// the honest side takes for dead is dead on the other side, as long as that one's digests are true.
#include "gossip/comparison.hpp"
#include "tests/fuzz/choices.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::gossip;
using namespace starling::fuzz;

namespace {

constexpr std::uint64_t stretches_max = 40;

/// Stretches of the axis in which every n-th position lives.
PositionSet some_set(std::uint64_t size, Choices& choices) {
    PositionSet set;
    Position at = 0;
    for (std::uint64_t i = 0; i < stretches_max && at < size; ++i) {
        const auto step = 1 + choices.below(7);
        const auto end = std::min<Position>(size, at + 1 + 4 * std::uint64_t{choices.byte()});
        for (; at < end; at += step) set.append(at, 1);
    }
    return set;
}

PositionSet some_flips(std::uint64_t size, Choices& choices) {
    PositionSet set;
    for (Position at = 0, gap = choices.number(); gap < size - at; at += gap + 1, gap = choices.number()) {
        set.append(at + gap, 1);
        if (at + gap + 1 >= size || !choices.more()) break;
    }
    return set;
}

Bytes perhaps_changed(Bytes bytes, Choices& choices) {
    return choices.below(4) == 3 ? choices.mutated(std::move(bytes)) : bytes;
}

class Story {
  public:
    explicit Story(Choices& choices) : choices_(choices) {
        const Version version{{{{1}, 1}, 3'000 + 16 * choices.number() % 4'096}, {{{2}, 1}, Seq{1} + choices.byte()}};
        axis_ = Axis(version, version);
        mine_ = some_set(axis_.size(), choices);
        theirs_ = mine_ ^ some_flips(axis_.size(), choices);
    }

    void go() {
        AskerComparison asker(axis_, mine_, 1);
        AnswererComparison answerer(axis_, theirs_, 1, 2);
        auto opening = answerer.opening();
        opening.of_set = perhaps_changed(std::move(opening.of_set), choices_);
        opening.of_changes = perhaps_changed(std::move(opening.of_changes), choices_);
        if (!answerer.worthwhile()) return;
        auto sketch = asker.begin(opening);
        for (int step = 0; step < 12 && sketch && *sketch; ++step) {
            auto message = std::move(**sketch);
            message.sums = perhaps_changed(std::move(message.sums), choices_);
            if (choices_.below(8) == 7) message.by = CompareBy(choices_.below(4));
            if (choices_.below(8) == 7) message.shape = {7 + unsigned(choices_.below(9)), choices_.number()};
            sketch = replied(asker, answerer, answerer.take(message));
        }
        if (!asker.settled()) return;
        STARLING_ASSERT(asker.dead() == axis_.dots(mine_ - theirs_), "what is taken for dead is dead there");
        if (answerer.dead_there().empty()) return;
        STARLING_ASSERT(answerer.dead_there() == axis_.dots(theirs_ - mine_), "and on the other side as well");
    }

  private:
    Result<std::optional<DiffSketch>> replied(AskerComparison& asker, AnswererComparison& answerer,
                                              Result<AnswererComparison::Reply> reply) {
        const auto stop = [](bool ok) -> Result<std::optional<DiffSketch>> {
            if (!ok) return Fault{FaultCode::malformed, "the session fails"};
            return std::optional<DiffSketch>{};
        };
        while (reply && std::holds_alternative<DiffMore>(*reply)) {
            auto more = std::get<DiffMore>(*reply);
            if (choices_.below(8) == 7) more.first = choices_.byte();
            auto sums = asker.more(more);
            if (!sums) return sums.fault();
            sums->sums = perhaps_changed(std::move(sums->sums), choices_);
            reply = answerer.take(*sums);
        }
        if (!reply) return reply.fault();
        if (auto* cells = std::get_if<DiffCells>(&*reply)) {
            cells->contents = perhaps_changed(std::move(cells->contents), choices_);
            if (choices_.below(8) == 7) cells->cells.back().count += choices_.below(3);
            return asker.take(*cells);
        }
        if (auto* verdict = std::get_if<Verdict>(&*reply)) {
            if (choices_.below(8) == 7) verdict->died.push_back({1 + choices_.number(), 1});
            return stop(bool(asker.take(*verdict)));
        }
        return stop(bool(asker.take(answerer.live())));
    }

    Choices& choices_;
    Axis axis_;
    PositionSet mine_, theirs_;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices(data, size);
    Story(choices).go();
    return 0;
}
