#include "sim/oracle.hpp"

#include <algorithm>
#include <iterator>

#include "crdt/views.hpp"

namespace starling::sim {

namespace {

using crdt::Type;

template <class... Parts>
std::string text(const Parts&... parts) {
    std::string all;
    ((all += parts), ...);
    return all;
}

std::vector<crdt::Bytes> values_of(const std::vector<LivePut>& puts) {
    std::vector<crdt::Bytes> values;
    for (const auto& put : puts) values.push_back(put.operation->value);
    return values;
}

/// The fields of one key that are present, with the value that the last writer left in each.
using Fields = std::vector<std::pair<crdt::Bytes, crdt::Bytes>>;

std::map<std::pair<Type, crdt::Bytes>, Fields> fields_of(const Implied& implied) {
    std::map<std::pair<Type, crdt::Bytes>, Fields> fields;
    for (const auto& [slot, puts] : implied.live)
        fields[{slot.type, slot.key}].emplace_back(slot.field, implied.winner(slot)->operation->value);
    return fields;
}

bool reads_as(const crdt::State& state, Type type, const crdt::Bytes& key, const Fields& fields,
              const Implied& implied) {
    const auto& value = fields.front().second;
    switch (type) {
        case Type::set: {
            std::vector<crdt::Bytes> elements;
            for (const auto& [field, unused] : fields) elements.push_back(field);
            return crdt::Set::elements(state, key) == elements;
        }
        case Type::map:
            return crdt::Map::items(state, key) == fields;
        case Type::register_:
            return crdt::Register::get(state, key) == value;
        case Type::multi_value:
            return crdt::MultiValue::get(state, key) ==
                   values_of(implied.newest_first(crdt::slot_of(Type::multi_value, key)));
        case Type::flag:
            return crdt::Flag::read(state, key);
        default:
            return true;  // counters and journals have judges of their own
    }
}

}  // namespace

Verdict Oracle::judge(const crdt::State& state, const crdt::Version& version) {
    if (auto bad = history.impossible(version)) return bad;
    const auto implied = history.implied(version);
    if (auto bad = judge_entries(state, implied)) return bad;
    if (auto bad = judge_views(state, implied)) return bad;
    return judge_journals(state, implied);
}

Verdict Oracle::judge_entries(const crdt::State& state, const Implied& implied) const {
    for (const auto& [slot, puts] : implied.live) {
        for (const auto& put : puts) {
            const auto* entry = state.find(put.dot);
            if (entry == nullptr)
                return text("lost: ", name_of(put.dot), " in ", name_of(slot), " is live in the history and not here");
            const bool same_value = slot.type == Type::counter || entry->value() == put.operation->value;
            if (entry->slot() != crdt::SlotView(slot) || entry->stamp != put.stamp || !same_value)
                return text("changed: ", name_of(put.dot), " in ", name_of(slot), " is not what was written");
        }
    }
    if (state.live_count() == implied.live_count()) return std::nullopt;
    Verdict bad = "the count of live entries is wrong";
    state.each_live([&](const crdt::Dot& dot, const crdt::LooseEntry& entry) {
        const auto at = implied.live.find(entry.slot);
        const auto is_it = [&](const LivePut& put) { return put.dot == dot; };
        if (at == implied.live.end() || std::none_of(at->second.begin(), at->second.end(), is_it))
            bad = text("risen: ", name_of(dot), " in ", name_of(entry.slot), " is live here and dead in the history");
    });
    return bad;
}

Verdict Oracle::judge_views(const crdt::State& state, const Implied& implied) const {
    for (const auto& [key, sum] : implied.counters) {
        const auto read = crdt::Counter::read(state, key);
        if (read != sum)
            return text("counter ", key, " reads ", std::to_string(read), ", what was added is ", std::to_string(sum));
    }
    for (const auto& [where, fields] : fields_of(implied)) {
        const auto& [type, key] = where;
        if (!reads_as(state, type, key, fields, implied))
            return text("the view of ", name_of(crdt::slot_of(type, key)), " is not what the history implies");
    }
    return std::nullopt;
}

Verdict Oracle::judge_depth(const crdt::Entry& entry, const crdt::State& state) {
    if (entry.seq > state.seen(entry.origin->id)) return std::nullopt;  // in an open window: may still sink
    const auto [at, is_new] = depths_.try_emplace(entry.dot(), entry.depth);
    if (at->second == entry.depth) return std::nullopt;
    return text("journal entry ", name_of(entry.dot()), " has two depths");
}

/// A journal reads in one order everywhere, and that order respects causes.
Verdict Oracle::judge_journals(const crdt::State& state, const Implied& implied) {
    for (const auto& [slot, puts] : implied.live) {
        if (slot.type != Type::journal) continue;
        const auto entries = crdt::Journal::read(state, slot.key);
        if (entries.size() != puts.size()) return text("journal ", slot.key, " has the wrong count of entries");
        crdt::Version before;  // everything that an entry read so far had as a cause, and those entries
        const crdt::Entry* previous = nullptr;
        for (const auto* entry : entries) {
            const auto dot = entry->dot();
            if (auto bad = judge_depth(*entry, state)) return bad;
            if (previous != nullptr && std::pair(previous->depth, previous->dot()) >= std::pair(entry->depth, dot))
                return text("journal ", slot.key, " is out of order at ", name_of(dot));
            if (crdt::covers(before, dot)) return text("journal ", slot.key, " shows ", name_of(dot), " too late");
            for (const auto& [replica, seq] : history.transaction(dot)->context)
                before[replica] = std::max(before[replica], seq);
            before[dot.replica] = std::max(before[dot.replica], dot.seq);
            previous = entry;
        }
    }
    return std::nullopt;
}

Verdict judge_equals(const crdt::State& a, const crdt::State& b) {
    if (a.version_hash() != b.version_hash()) {
        if (a.version() == b.version()) return "equal versions have unequal hashes";
        return std::nullopt;
    }
    if (a.version() != b.version()) return "unequal versions have equal hashes";
    if (a.fingerprint() != b.fingerprint()) return text("equal versions ", name_of(a.version()), ", unequal states");
    return std::nullopt;
}

Moved Mirror::refresh(const crdt::State& state) {
    std::map<crdt::Slot, std::vector<crdt::Dot>> now;
    state.each_live([&](const crdt::Dot& dot, const crdt::LooseEntry& entry) { now[entry.slot].push_back(dot); });
    Moved moved;
    for (const auto& [slot, dots] : now) {
        const auto at = dots_.find(slot);
        const auto before = at == dots_.end() ? std::vector<crdt::Dot>() : at->second;
        if (before == dots) continue;
        moved.slots.insert(slot);
        if (slot.type == crdt::Type::journal)
            std::set_difference(dots.begin(), dots.end(), before.begin(), before.end(),
                                std::inserter(moved.journaled, moved.journaled.end()));
    }
    for (const auto& [slot, dots] : dots_) {
        if (!now.contains(slot)) moved.slots.insert(slot);
    }
    dots_ = std::move(now);
    return moved;
}

}  // namespace starling::sim
