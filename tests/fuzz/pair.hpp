// Two replicas with a past: what they wrote, some of it exchanged. The same choices make the same pair.
#pragma once

#include "tests/fuzz/actors.hpp"

namespace starling::fuzz {

struct Pair {
    crdt::Replica a{0}, b{0};

    explicit Pair(Choices& choices) {
        std::vector<crdt::Changeset> to_a, to_b;
        crdt::Seq next = 1;
        for (auto steps = choices.below(24); steps > 0; --steps) {
            const bool first = choices.flag();
            auto& replica = first ? a : b;
            auto& out = first ? to_b : to_a;
            switch (choices.below(8)) {
                case 0: {  // a stranger that both hear, now or later
                    const auto changeset = strange(honest, next, choices);
                    next = changeset.last() + 1;
                    to_a.push_back(changeset);
                    to_b.push_back(changeset);
                    break;
                }
                case 1:
                    cut(replica, out);
                    break;
                case 2:
                    deliver(replica, first ? to_a : to_b);
                    break;
                default:
                    write(replica, first ? 0 : 1, choices, out);
            }
        }
    }
};

/// Closes both windows, what is cut being lost on the way: only a state diff can bring it.
inline void close_windows(Pair& pair) {
    std::vector<crdt::Changeset> lost;
    cut(pair.a, lost);
    cut(pair.b, lost);
}

}  // namespace starling::fuzz
