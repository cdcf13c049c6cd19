// How often something may be done: so many at once, and then one a period. What strangers ask for is done out of one.
#pragma once

#include <algorithm>
#include <cstdint>

namespace starling::gossip {

/// Thread rule: one thread at a time.
class Budget {
  public:
    Budget(std::uint64_t period_us, std::uint64_t at_once_max) : period_us_(period_us), at_once_max_(at_once_max) {}

    /// False, and nothing is spent, when it is used up.
    bool take(std::uint64_t now_us) {
        if (spent_until_us_ > now_us + (at_once_max_ - 1) * period_us_) return false;
        spent_until_us_ = std::max(spent_until_us_, now_us) + period_us_;
        return true;
    }

  private:
    std::uint64_t period_us_, at_once_max_;
    std::uint64_t spent_until_us_ = 0;  ///< what was taken is earned again by then
};

}  // namespace starling::gossip
