#include "crdt/counter_sums.hpp"

#include <algorithm>
#include <limits>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

std::int64_t counter_total(const Entry& entry) {
    return integer_value(entry.value()).value_or(0);
}

std::int64_t CounterSum::value() const {
    const auto above = std::int64_t(std::min<Wide>(above_, std::numeric_limits<std::int64_t>::max()));
    const auto below = std::int64_t(std::max<Wide>(below_, std::numeric_limits<std::int64_t>::min()));
    return above + below;  // of opposite signs: cannot overflow
}

bool CounterSums::counts(const Entry& entry) {
    return entry.type() == Type::counter && entry.field() == packed_nil();
}

const CounterSums::Kept* CounterSums::find(BytesView key) const {
    const auto at = kept_.find(key);
    return at == kept_.end() ? nullptr : &at->second;
}

void CounterSums::begin_life(const Origin* own) {
    own_ = own;
    for (auto& [key, kept] : kept_) kept.own = 0;
}

void CounterSums::came(Handle handle) {
    const auto& entry = arena_.at(handle);
    if (const auto at = kept_.find(entry.key()); at != kept_.end()) {
        at->second.sum.add(counter_total(entry));
        ++at->second.entries;
        if (entry.origin == own_) at->second.own = handle;
        return;
    }
    // A new entry is linked behind the first.
    const auto first = entry.previous == 0 ? handle : entry.previous;
    std::size_t many = 0;
    for (auto at = first; at != 0 && many <= narrow_max; at = arena_.at(at).next) ++many;
    if (many > narrow_max) gather(first);
}

void CounterSums::gather(Handle first) {
    auto& kept = kept_[Bytes(arena_.at(first).key())];
    for (auto at = first; at != 0; at = arena_.at(at).next) {
        kept.sum.add(counter_total(arena_.at(at)));
        ++kept.entries;
        if (arena_.at(at).origin == own_) kept.own = at;
    }
}

void CounterSums::replaced(Handle old, Handle fresh) {
    const auto at = kept_.find(arena_.at(fresh).key());
    if (at == kept_.end()) return;
    auto& kept = at->second;
    if (!mutant(Mutant::counter_sums_only_grow)) kept.sum.subtract(counter_total(arena_.at(old)));
    kept.sum.add(counter_total(arena_.at(fresh)));
    if (kept.own == old) kept.own = 0;
    if (arena_.at(fresh).origin == own_) kept.own = fresh;
}

void CounterSums::went(Handle handle) {
    const auto& entry = arena_.at(handle);
    const auto at = kept_.find(entry.key());
    if (at == kept_.end()) return;
    auto& kept = at->second;
    if (!mutant(Mutant::counter_sums_only_grow)) kept.sum.subtract(counter_total(entry));
    if (kept.own == handle) kept.own = 0;
    if (--kept.entries <= narrow_max / 2) kept_.erase(at);
}

}  // namespace starling::crdt
