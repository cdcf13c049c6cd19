#include "crdt/views.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "crdt/codec.hpp"
#include "crdt/feed.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

namespace {

bool newer(const Entry* a, const Entry* b) {
    if (mutant(Mutant::oldest_wins)) std::swap(a, b);
    return std::tie(a->stamp, a->origin->id, a->seq) > std::tie(b->stamp, b->origin->id, b->seq);
}

std::vector<const Entry*> newest_first(const SlotEntries& entries) {
    std::vector<const Entry*> sorted(entries.begin(), entries.end());
    std::sort(sorted.begin(), sorted.end(), newer);
    return sorted;
}

}  // namespace

Slot slot_of(Type type, BytesView key) {
    return {type, Bytes(key), packed_nil()};
}
Slot slot_of(Type type, BytesView key, BytesView field) {
    return {type, Bytes(key), Bytes(field)};
}

// -- counter
// -------------------------------------------------------------------------------------------------------------

std::int64_t Counter::read(const State& state, BytesView key) {
    if (mutant(Mutant::counter_reads_one)) {
        const auto entries = state.entries(slot_view(Type::counter, key));
        return entries.empty() ? 0 : counter_total(**entries.begin());
    }
    return state.counter_value(key);
}

void Counter::add(Transaction& tx, BytesView key, std::int64_t amount) {
    const auto slot = tx.hashed(slot_view(Type::counter, key));
    const auto* mine = tx.own_entry(slot);
    std::int64_t total = mine == nullptr || mutant(Mutant::counter_starts_anew) ? 0 : counter_total(*mine);
    if (__builtin_add_overflow(total, amount, &total))
        return tx.fail({FaultCode::too_large, "the counter would overflow"});
    tx.put_own(slot, pack_int(total));
}

// -- set and flag
// --------------------------------------------------------------------------------------------------------

bool Set::contains(const State& state, BytesView key, BytesView element) {
    return !state.entries(SlotView{Type::set, key, element}).empty();
}

std::vector<Bytes> Set::elements(const State& state, BytesView key) {
    std::vector<Bytes> elements;
    state.each_field(Type::set, key, [&](const SlotView& slot, const auto&) { elements.emplace_back(slot.field); });
    return elements;
}

void Set::add(Transaction& tx, BytesView key, BytesView element) {
    tx.put({Type::set, key, element}, packed_nil());
}

void Set::remove(Transaction& tx, BytesView key, BytesView element) {
    tx.drop({Type::set, key, element});
}

bool Flag::read(const State& state, BytesView key) {
    return !state.entries(slot_view(Type::flag, key)).empty();
}

void Flag::set(Transaction& tx, BytesView key, bool on) {
    if (on || mutant(Mutant::flag_stays_on)) {
        tx.put(slot_view(Type::flag, key), packed_nil());
    } else {
        tx.drop(slot_view(Type::flag, key));
    }
}

// -- map and registers
// ---------------------------------------------------------------------------------------------------

const Entry* Map::winner(const SlotEntries& entries) {
    if (entries.empty()) return nullptr;
    return *std::min_element(entries.begin(), entries.end(), newer);
}

std::optional<Bytes> Map::get(const State& state, BytesView key, BytesView field) {
    const auto* entry = winner(state.entries(SlotView{Type::map, key, field}));
    return entry == nullptr ? std::nullopt : std::optional(Bytes(entry->value()));
}

std::vector<std::pair<Bytes, Bytes>> Map::items(const State& state, BytesView key) {
    std::vector<std::pair<Bytes, Bytes>> items;
    state.each_field(Type::map, key, [&](const SlotView& slot, const SlotEntries& entries) {
        items.emplace_back(slot.field, winner(entries)->value());
    });
    return items;
}

void Map::put(Transaction& tx, BytesView key, BytesView field, BytesView value) {
    tx.put({Type::map, key, field}, value);
}

void Map::erase(Transaction& tx, BytesView key, BytesView field) {
    tx.drop({Type::map, key, field});
}

std::optional<Bytes> Register::get(const State& state, BytesView key) {
    const auto* entry = Map::winner(state.entries(slot_view(Type::register_, key)));
    return entry == nullptr ? std::nullopt : std::optional(Bytes(entry->value()));
}

void Register::set(Transaction& tx, BytesView key, BytesView value) {
    tx.put(slot_view(Type::register_, key), value);
}

void Register::clear(Transaction& tx, BytesView key) {
    tx.drop(slot_view(Type::register_, key));
}

std::vector<Bytes> MultiValue::get(const State& state, BytesView key) {
    std::vector<Bytes> values;
    for (const auto* entry : newest_first(state.entries(slot_view(Type::multi_value, key)))) {
        values.emplace_back(entry->value());
        if (mutant(Mutant::multi_value_reads_one)) break;
    }
    return values;
}

void MultiValue::set(Transaction& tx, BytesView key, BytesView value) {
    tx.put(slot_view(Type::multi_value, key), value);
}

void MultiValue::clear(Transaction& tx, BytesView key) {
    tx.drop(slot_view(Type::multi_value, key));
}

// -- journal
// -------------------------------------------------------------------------------------------------------------

std::vector<const Entry*> Journal::read(const State& state, BytesView key) {
    std::vector<const Entry*> shown;
    Copies copies(state, nullptr, true);
    for (const auto* entry : state.journal(key)) {
        if (!copies.hidden(*entry)) shown.push_back(entry);
    }
    return shown;
}

void Journal::append(Transaction& tx, BytesView key, BytesView value) {
    tx.append(key, packed_nil(), value);
}

bool Journal::append_once(Transaction& tx, BytesView key, BytesView field, const std::vector<Bytes>& values) {
    if (!tx.state().entries(SlotView{Type::journal, key, field}).empty()) return false;
    for (const auto& value : values) tx.append(key, field, value);
    return true;
}

namespace {

void raise(Version& version, const ReplicaId& replica, Seq seq) {
    auto& known = version[replica];
    known = std::max(known, seq);
}

/// [replica, seq, replica, seq, …]. What is anything else says nothing.
Bytes pack_mark(const Version& trimmed) {
    Writer writer;
    writer.array(2 * trimmed.size());
    for (const auto& [replica, seq] : trimmed) writer.replica(replica).uint(seq);
    return writer.take();
}

void read_mark(BytesView mark, Version& trimmed) {
    Reader reader(mark);
    Version read;
    const auto items = reader.array(value_bytes_max);
    for (std::size_t i = 0; i + 1 < items && reader.ok(); i += 2) {
        const auto replica = reader.replica();
        raise(read, replica, reader.uint(seq_max));
    }
    if (!reader.done() || items % 2 != 0) return;
    for (const auto& [replica, seq] : read) raise(trimmed, replica, seq);
}

}  // namespace

Version Journal::trimmed(const State& state, BytesView key) {
    Version trimmed;
    for (const auto* entry : state.entries(slot_view(trim_mark, key))) read_mark(entry->value(), trimmed);
    return trimmed;
}

void Journal::trim(Transaction& tx, BytesView key, const Dot& last) {
    auto mark = trimmed(tx.state(), key);
    for (const auto* entry : tx.state().journal(key)) {
        raise(mark, entry->origin->id, entry->seq);
        if (entry->dot() == last) break;
    }
    tx.trim(key, last);
    tx.put(slot_view(trim_mark, key), pack_mark(mark));
}

// -- any slot
// ------------------------------------------------------------------------------------------------------------

namespace {

Bytes packed_array(const std::vector<Bytes>& items) {
    Writer writer;
    writer.array(items.size());
    for (const auto& item : items) writer.raw(item);
    return writer.take();
}

}  // namespace

std::optional<Bytes> reading(const State& state, const SlotView& slot) {
    if (slot.type == Type::journal) {
        std::vector<Bytes> values;
        for (const auto* entry : Journal::read(state, slot.key)) values.emplace_back(entry->value());
        return values.empty() ? std::nullopt : std::optional(packed_array(values));
    }
    const auto& entries = state.entries(slot);
    if (entries.empty()) return std::nullopt;
    switch (slot.type) {
        case Type::counter:
            return pack_int(Counter::read(state, slot.key));
        case Type::set:
        case Type::flag:
            return Bytes(1, '\xc3');
        case Type::multi_value:
            return packed_array(MultiValue::get(state, slot.key));
        default:
            return Bytes(Map::winner(entries)->value());
    }
}

std::vector<Reason> explain(const State& state, const SlotView& slot) {
    std::vector<const Entry*> entries;
    if (slot.type == Type::journal) {
        const auto& journal = state.journal(slot.key);
        entries.assign(journal.begin(), journal.end());
    } else {
        entries = newest_first(state.entries(slot));
    }
    const bool one_wins = slot.type == Type::map || slot.type == Type::register_;
    Copies copies(state, nullptr, true);
    std::vector<Reason> reasons;
    for (const auto* entry : entries) {
        const bool counts = slot.type == Type::journal ? !copies.hidden(*entry) : !one_wins || reasons.empty();
        reasons.push_back({entry->dot(), entry->stamp, entry->depth, Bytes(entry->value()), counts});
    }
    return reasons;
}

}  // namespace starling::crdt
