// Two replicas that write, and strangers whose changesets say anything, delivered in two orders between other things.
// Whatever happens the invariants hold; and since validity is a function of the bytes alone (rule 4), both end equal.
#include <array>

#include "crdt/replica.hpp"
#include "tests/fuzz/actors.hpp"

using namespace starling::crdt;
using namespace starling::fuzz;

namespace {

constexpr int steps_max = 48;

struct Side {
    Replica replica{0};
    std::vector<Changeset> inbox;
    std::vector<Changeset> written;  // not sent yet
};

void send(Side& from, Side& to) {
    cut(from.replica, from.written);
    to.inbox.insert(to.inbox.end(), from.written.begin(), from.written.end());
    from.written.clear();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices(data, size);
    std::array<Side, honest> sides;
    std::array<Seq, actors> next{};
    for (int step = 0; step < steps_max && choices.more(); ++step) {
        const auto side = choices.below(honest);
        auto &here = sides.at(side), &there = sides.at(1 - side);
        switch (choices.below(8)) {
            case 0:
            case 1:
            case 2: {
                const auto number = honest + choices.below(actors - honest);
                const auto changeset = strange(number, next.at(number) + 1, choices);
                next.at(number) = changeset.last();
                here.inbox.insert(here.inbox.begin(), changeset);
                there.inbox.push_back(changeset);
                break;
            }
            case 3:
            case 4:
            case 5:
                write(here.replica, side, choices, here.written);
                break;
            case 6:
                send(here, there);
                break;
            default:
                deliver(here.replica, here.inbox);
                here.replica.check();
        }
    }
    send(sides[0], sides[1]);
    send(sides[1], sides[0]);
    for (auto& side : sides) {
        deliver(side.replica, side.inbox);
        side.replica.check();
    }
    must_be_equal(sides[0].replica, sides[1].replica);
    return 0;
}
