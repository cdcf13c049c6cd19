#include "gossip/axis.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/hash.hpp"

namespace starling::gossip {

using namespace crdt;

// -- sets of positions

void PositionSet::append(Position first, std::uint64_t bits) {
    const auto shift = first % 64;
    const auto join = [this](std::uint64_t place, std::uint64_t part) {
        if (part == 0) return;
        if (!words_.empty() && words_.back().place == place) {
            words_.back().bits |= part;
        } else {
            STARLING_ASSERT(words_.empty() || words_.back().place < place, "positions are appended in order");
            words_.push_back({place, part});
        }
    };
    join(first / 64, bits << shift);
    if (shift != 0) join(first / 64 + 1, bits >> (64 - shift));
}

void PositionSet::append_run(Position first, std::uint64_t count) {
    while (count > 0) {
        const auto many = std::min<std::uint64_t>(count, 64 - first % 64);
        append(first, many == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << many) - 1);
        first += many;
        count -= many;
    }
}

std::uint64_t PositionSet::count() const {
    std::uint64_t sum = 0;
    for (const auto& word : words_) sum += unsigned(std::popcount(word.bits));
    return sum;
}

void PositionSet::check() const {
    for (std::size_t i = 0; i < words_.size(); ++i) {
        STARLING_ASSERT(words_[i].bits != 0, "a set keeps no empty word");
        STARLING_ASSERT(i == 0 || words_[i - 1].place < words_[i].place, "places ascend");
    }
}

template <class Combine>
PositionSet PositionSet::combined(const PositionSet& a, const PositionSet& b, Combine combine) {
    PositionSet result;
    auto x = a.words_.begin();
    auto y = b.words_.begin();
    while (x != a.words_.end() || y != b.words_.end()) {
        const auto place = std::min(x == a.words_.end() ? UINT64_MAX : x->place,  //
                                    y == b.words_.end() ? UINT64_MAX : y->place);
        const auto of_a = x != a.words_.end() && x->place == place ? (x++)->bits : 0;
        const auto of_b = y != b.words_.end() && y->place == place ? (y++)->bits : 0;
        if (const auto bits = combine(of_a, of_b); bits != 0) result.words_.push_back({place, bits});
    }
    return result;
}

PositionSet operator&(const PositionSet& a, const PositionSet& b) {
    return PositionSet::combined(a, b, [](auto x, auto y) { return x & y; });
}
PositionSet operator^(const PositionSet& a, const PositionSet& b) {
    return PositionSet::combined(a, b, [](auto x, auto y) { return x ^ y; });
}
PositionSet operator-(const PositionSet& a, const PositionSet& b) {
    return PositionSet::combined(a, b, [](auto x, auto y) { return x & ~y; });
}

PositionSet transitions(const PositionSet& set, std::uint64_t size) {
    PositionSet changes;
    std::uint64_t before = 0;  // the place after the word before
    bool carried = false;      // the position right before that place is in the set
    for (const auto& word : set.words()) {
        if (carried && word.place != before) changes.append(before * 64, 1);
        const bool carry = carried && word.place == before;
        changes.append(word.place * 64, word.bits ^ (word.bits << 1 | (carry ? 1 : 0)));
        carried = word.bits >> 63 != 0;
        before = word.place + 1;
    }
    if (carried) changes.append(before * 64, 1);
    PositionSet beyond;  // a run that ends with the axis has no transition after it
    beyond.append(size, 1);
    return changes - beyond;
}

PositionSet from_transitions(const PositionSet& changes, std::uint64_t size) {
    PositionSet set;
    std::optional<Position> begin;
    changes.each([&](Position at) {
        if (begin) set.append_run(*begin, at - *begin);
        begin = begin ? std::nullopt : std::optional(at);
    });
    if (begin) set.append_run(*begin, size - *begin);
    return set;
}

DotRuns ranks(const PositionSet& among, const PositionSet& chosen) {
    DotRuns found;
    std::uint64_t before = 0;
    auto word = among.words().begin();
    for (const auto& wanted : chosen.words()) {
        for (; word != among.words().end() && word->place < wanted.place; ++word)
            before += unsigned(std::popcount(word->bits));
        STARLING_ASSERT(word != among.words().end() && word->place == wanted.place && (wanted.bits & ~word->bits) == 0,
                        "what is chosen is among them");
        for (auto bits = wanted.bits; bits != 0; bits &= bits - 1) {
            const auto below = (bits & -bits) - 1;
            extend(found, before + unsigned(std::popcount(word->bits & below)) + 1);
        }
    }
    return found;
}

std::optional<PositionSet> at_ranks(const PositionSet& among, const DotRuns& ranks) {
    PositionSet chosen;
    auto run = ranks.begin();
    std::uint64_t rank = 0;
    for (const auto& word : among.words()) {
        if (run == ranks.end()) break;
        const auto many = unsigned(std::popcount(word.bits));
        if (run->first > rank + many) {
            rank += many;
            continue;
        }
        std::uint64_t bits = 0;
        for (auto left = word.bits; left != 0; left &= left - 1) {
            ++rank;
            while (run != ranks.end() && run->last() < rank) ++run;
            if (run != ranks.end() && run->first <= rank) bits |= left & -left;
        }
        chosen.append(word.place * 64, bits);
        while (run != ranks.end() && run->last() <= rank) ++run;
    }
    if (run != ranks.end()) return std::nullopt;
    return chosen;
}

// -- the axis

LiveWords live_words(const State& state) {
    LiveWords words;
    state.each_origin([&](const Origin& origin) {
        if (origin.live.size() == 0) return;
        auto& line = words[origin.id];
        origin.live.each_word([&](Seq first, std::uint32_t bits) { line.push_back({first, bits}); });
    });
    return words;
}

Axis::Axis(const Version& a, const Version& b) {
    for (auto x = a.begin(), y = b.begin(); x != a.end() && y != b.end();) {
        if (x->first < y->first) {
            ++x;
        } else if (y->first < x->first) {
            ++y;
        } else {
            const auto top = std::min((x++)->second, (y++)->second);
            if (top == 0) continue;
            if (top > axis_positions_max - size_) {
                lines_.clear();
                size_ = 0;
                fits_ = false;
                return;
            }
            lines_.push_back({std::prev(x)->first, top, size_});
            size_ += top;
        }
    }
}

PositionSet Axis::positions(const LiveWords& live) const {
    PositionSet set;
    for (const auto& line : lines_) {
        const auto at = live.find(line.replica);
        if (at == live.end()) continue;
        for (auto [first, bits] : at->second) {
            if (first > line.top) break;
            if (line.top - first < 31) bits &= (std::uint32_t{2} << (line.top - first)) - 1;
            if (first == 0) {  // no dot has seq 0
                set.append(line.first, bits >> 1);
            } else {
                set.append(line.first + first - 1, bits);
            }
        }
    }
    return set;
}

PositionSet Axis::positions(const LiveDots& dots) const {
    PositionSet set;
    for (const auto& line : lines_) {
        const auto at = dots.find(line.replica);
        if (at == dots.end()) continue;
        for (const auto& run : at->second) {
            if (run.first > line.top) break;
            set.append_run(line.first + run.first - 1, std::min(run.last(), line.top) - run.first + 1);
        }
    }
    return set;
}

LiveDots Axis::dots(const PositionSet& positions) const {
    LiveDots dots;
    auto line = lines_.begin();
    DotRuns* runs = nullptr;
    for (const auto& word : positions.words()) {
        for (auto bits = word.bits; bits != 0;) {
            const auto shift = unsigned(std::countr_zero(bits));
            auto at = word.place * 64 + shift;
            auto many = std::uint64_t(std::countr_one(bits >> shift));
            bits = shift + many == 64 ? 0 : bits & ~std::uint64_t{0} << (shift + many);
            while (many > 0) {  // a word may reach over several lines
                for (; at - line->first >= line->top; ++line) runs = nullptr;
                if (runs == nullptr) runs = &dots[line->replica];
                const auto here = std::min(many, line->first + line->top - at);
                extend(*runs, at - line->first + 1, here);
                at += here;
                many -= here;
            }
        }
    }
    return dots;
}

Fingerprint digest(const Axis& axis, const PositionSet& set, std::uint64_t nonce) {
    WideHash hash(fingerprint_key, true);
    hash.word(nonce);
    hash.word(axis.size());
    for (const auto& word : set.words()) {
        hash.word(word.place);
        hash.word(word.bits);
    }
    return hash.after(8 * (2 + 2 * set.words().size()));
}

}  // namespace starling::gossip
