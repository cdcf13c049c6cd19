// Is there an order of a register's operations that explains every answer, and keeps to real time? The search of Wing
// and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's memory of what was tried ("Testing for
// linearizability", 2017). It knows nothing of ballots, acceptors or rounds.
//
// The register holds a list of numbers: an append adds its own to the end, a put replaces the list by its own number
// alone, a swap does so where the list is the expected one, a read leaves it. No number is used twice, so an answer
// tells the history that led to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace starling::agree_trial {

using List = std::vector<std::uint32_t>;

struct Call {
    enum class Kind : std::uint8_t { read, append, swap, put };
    Kind kind = Kind::read;
    std::uint64_t begin = 0;         ///< places in one order of all begins and ends
    std::uint64_t end = UINT64_MAX;  ///< UINT64_MAX: no answer; it took effect at any time since, or never
    std::uint32_t number = 0;        ///< of append, swap and put
    List expected{};                 ///< swap
    std::optional<List> after{};     ///< what the register held right after it, where the answer tells
    std::optional<bool> changed{};   ///< swap: whether it found what it expected, where the answer tells
};

/// Exponential in the calls without an answer in the worst case; in histories of lists nearly linear.
bool linearizable(const std::vector<Call>& calls);

/// Of calls in no order that explains them: as many as are needed to see it, by their ends. With the last one's answer
/// there is no order any more; calls that end later are as good as without one.
std::vector<Call> shortest_wrong(const std::vector<Call>& calls);

/// By trying every order and every choice of calls without an answer: the naive twin, for a few calls.
bool linearizable_by_force(const std::vector<Call>& calls);

std::string to_string(const std::vector<Call>& calls);

}  // namespace starling::agree_trial
