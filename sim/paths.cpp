#include "sim/paths.hpp"

#include <algorithm>
#include <functional>
#include <queue>

namespace starling::sim {

Paths::Paths(const Network& network, std::size_t nodes) : hops_(nodes) {
    for (const auto& [a, b] : network.edges()) {
        hops_[a].push_back({b, network.delay_us(a, b)});
        hops_[b].push_back({a, network.delay_us(b, a)});
    }
}

std::vector<std::uint64_t> Paths::from(Place place) const {
    std::vector<std::uint64_t> times(hops_.size(), UINT64_MAX);
    using Reached = std::pair<std::uint64_t, Place>;
    std::priority_queue<Reached, std::vector<Reached>, std::greater<>> next;
    times[place] = 0;
    next.emplace(0, place);
    while (!next.empty()) {
        const auto [us, at] = next.top();
        next.pop();
        if (us > times[at]) continue;
        for (const auto& hop : hops_[at]) {
            if (us + hop.us >= times[hop.to]) continue;
            times[hop.to] = us + hop.us;
            next.emplace(times[hop.to], hop.to);
        }
    }
    return times;
}

std::uint64_t percentile(std::vector<std::uint64_t>& values, unsigned percent) {
    STARLING_ASSERT(!values.empty() && percent > 0 && percent <= 100, "a percentile is of something");
    const auto rank = (values.size() * percent + 99) / 100 - 1;
    std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(rank), values.end());
    return values[rank];
}

}  // namespace starling::sim
