#include "tests/agree/linearizable.hpp"

#include <algorithm>
#include <set>

namespace starling::agree_trial {

namespace {

/// What the register holds after the call; nothing where the answer is another.
std::optional<List> step(const Call& call, const List& held) {
    List after = held;
    bool changed = false;
    if (call.kind == Call::Kind::append) after.push_back(call.number);
    if (call.kind == Call::Kind::put) after = {call.number};
    if (call.kind == Call::Kind::swap && held == call.expected) {
        after = {call.number};
        changed = true;
    }
    if (call.after && *call.after != after) return std::nullopt;
    if (call.kind == Call::Kind::swap && call.changed && *call.changed != changed) return std::nullopt;
    return after;
}

bool begins(const List& list, const List& with) {
    return with.size() <= list.size() && std::equal(with.begin(), with.end(), list.begin());
}

class Search {
  public:
    explicit Search(const std::vector<Call>& calls) : calls_(calls), placed_(calls.size(), false) {
        for (const auto& call : calls_) left_ += call.end == UINT64_MAX ? 0 : 1;
    }

    /// Depth first: is there an order of what is left?
    bool go(const List& held) {
        if (left_ == 0) return true;
        if (!tried_.insert({placed_, held}).second) return false;
        auto first_end = UINT64_MAX;
        for (std::size_t i = 0; i < calls_.size(); ++i) {
            if (!placed_[i]) first_end = std::min(first_end, calls_[i].end);
        }
        // Partial-order reduction: what fits here and changes nothing commutes with all that may come next.
        for (std::size_t i = 0; i < calls_.size(); ++i) {
            const auto& call = calls_[i];
            if (placed_[i] || call.begin > first_end || call.end == UINT64_MAX || !call.after) continue;
            if (*call.after == held && step(call, held) == held) return place(i, held);
        }
        for (std::size_t i = 0; i < calls_.size(); ++i) {
            const auto& call = calls_[i];
            if (placed_[i] || call.begin > first_end) continue;
            const auto after = step(call, held);
            if (!after) continue;
            // What nobody is told of, nor expects, explains no answer to come; calls without an answer need no place.
            const bool leads_on = *after == held || told(*after, i);
            if (call.end == UINT64_MAX && (*after == held || !leads_on)) continue;
            if (!leads_on && answers_left(i) && !put_left(i)) continue;
            if (place(i, *after)) return true;
        }
        return false;
    }

  private:
    bool place(std::size_t i, const List& after) {
        const auto counts = calls_[i].end == UINT64_MAX ? 0U : 1U;
        placed_[i] = true;
        left_ -= counts;
        if (go(after)) return true;
        placed_[i] = false;
        left_ += counts;
        return false;
    }
    /// Does the history of an answer, or of what a swap expects, go through this list?
    bool told(const List& held, std::size_t except) const {
        for (std::size_t i = 0; i < calls_.size(); ++i) {
            if (placed_[i] || i == except) continue;
            if (calls_[i].after && begins(*calls_[i].after, held)) return true;
            if (calls_[i].kind == Call::Kind::swap && begins(calls_[i].expected, held)) return true;
        }
        return false;
    }
    /// Is a put to come that matters? What nobody is told of may be lost to it.
    bool put_left(std::size_t except) const {
        for (std::size_t i = 0; i < calls_.size(); ++i) {
            if (placed_[i] || i == except || calls_[i].kind != Call::Kind::put) continue;
            if (calls_[i].end != UINT64_MAX || told({calls_[i].number}, i)) return true;
        }
        return false;
    }
    bool answers_left(std::size_t except) const {
        for (std::size_t i = 0; i < calls_.size(); ++i) {
            if (!placed_[i] && i != except && calls_[i].end != UINT64_MAX && calls_[i].after) return true;
        }
        return false;
    }

    const std::vector<Call>& calls_;
    std::vector<bool> placed_;
    std::size_t left_ = 0;  ///< calls with an answer that have no place yet
    std::set<std::pair<std::vector<bool>, List>> tried_;
};

bool ordered(const std::vector<Call>& order) {
    for (std::size_t late = 0; late < order.size(); ++late) {
        for (std::size_t early = 0; early < late; ++early) {
            if (order[late].end < order[early].begin) return false;
        }
    }
    List held;
    for (const auto& call : order) {
        const auto after = step(call, held);
        if (!after) return false;
        held = *after;
    }
    return true;
}

}  // namespace

bool linearizable(const std::vector<Call>& calls) {
    return Search(calls).go({});
}

std::vector<Call> shortest_wrong(const std::vector<Call>& calls) {
    std::vector<std::uint64_t> ends;
    for (const auto& call : calls) {
        if (call.end != UINT64_MAX) ends.push_back(call.end);
    }
    std::sort(ends.begin(), ends.end());
    const auto until = [&](std::uint64_t last) {
        std::vector<Call> seen;
        for (auto call : calls) {
            if (call.begin > last) continue;
            if (call.end > last) call.end = UINT64_MAX, call.after.reset(), call.changed.reset();
            seen.push_back(std::move(call));
        }
        return seen;
    };
    // What was wrong at an end stays wrong at all later ones.
    const auto first_wrong =
        std::partition_point(ends.begin(), ends.end(), [&](std::uint64_t end) { return linearizable(until(end)); });
    return first_wrong == ends.end() ? std::vector<Call>{} : until(*first_wrong);
}

bool linearizable_by_force(const std::vector<Call>& calls) {
    std::vector<std::size_t> open;
    for (std::size_t i = 0; i < calls.size(); ++i) {
        if (calls[i].end == UINT64_MAX) open.push_back(i);
    }
    for (std::uint64_t choice = 0; choice < std::uint64_t{1} << open.size(); ++choice) {
        std::vector<std::size_t> chosen;
        for (std::size_t i = 0; i < calls.size(); ++i) {
            const auto at = std::find(open.begin(), open.end(), i);
            if (at == open.end() || (choice >> (at - open.begin()) & 1) != 0) chosen.push_back(i);
        }
        do {
            std::vector<Call> order;
            for (const auto i : chosen) order.push_back(calls[i]);
            if (ordered(order)) return true;
        } while (std::next_permutation(chosen.begin(), chosen.end()));
    }
    return false;
}

std::string to_string(const std::vector<Call>& calls) {
    std::string text;
    const auto list = [](const List& held) {
        std::string items;
        for (const auto number : held) items += (items.empty() ? "" : " ") + std::to_string(number);
        return "[" + items + "]";
    };
    for (const auto& call : calls) {
        static const char* const kinds[] = {"read", "append", "swap", "put"};
        text += std::to_string(call.begin) + ".." + (call.end == UINT64_MAX ? "" : std::to_string(call.end)) + " " +
                kinds[int(call.kind)];
        if (call.kind != Call::Kind::read) text += " " + std::to_string(call.number);
        if (call.kind == Call::Kind::swap) text += " for " + list(call.expected);
        if (call.changed) text += *call.changed ? " changed" : " found another";
        if (call.after) text += " -> " + list(*call.after);
        text += "\n";
    }
    return text;
}

}  // namespace starling::agree_trial
