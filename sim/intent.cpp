#include "sim/intent.hpp"

#include <array>

#include "crdt/codec.hpp"
#include "crdt/views.hpp"

namespace starling::sim {

namespace {

using crdt::Type;

constexpr char purse_a[] = "purse/a";
constexpr char purse_b[] = "purse/b";
constexpr char pair_key[] = "pair";

Type type_of(Verb verb) {
    switch (verb) {
        case Verb::counter_add:
            return Type::counter;
        case Verb::set_add:
        case Verb::set_remove:
            return Type::set;
        case Verb::map_put:
        case Verb::map_erase:
            return Type::map;
        case Verb::register_set:
        case Verb::register_clear:
            return Type::register_;
        case Verb::multi_value_set:
        case Verb::multi_value_clear:
            return Type::multi_value;
        case Verb::flag_on:
        case Verb::flag_off:
            return Type::flag;
        case Verb::journal_append:
        case Verb::journal_trim:
            return Type::journal;
    }
    return {};
}

bool puts(Verb verb) {
    switch (verb) {
        case Verb::set_remove:
        case Verb::map_erase:
        case Verb::register_clear:
        case Verb::multi_value_clear:
        case Verb::flag_off:
        case Verb::journal_trim:
            return false;
        default:
            return true;
    }
}

/// Where a trim ends: the middle of what the journal holds; nothing where it is empty.
const crdt::Entry* trim_end(const crdt::State::Journal& journal) {
    if (journal.empty()) return nullptr;
    return *std::next(journal.begin(), std::ptrdiff_t(journal.size() / 2));
}

/// The dots that the operation about to be made takes away.
std::vector<crdt::Dot> observed_by(const crdt::State& state, const crdt::ReplicaId& origin, const Intent& intent) {
    std::vector<crdt::Dot> dots;
    if (intent.verb == Verb::journal_append) return dots;
    if (intent.verb == Verb::journal_trim) {
        const auto& journal = state.journal(intent.key);
        const auto* end = trim_end(journal);
        for (const auto* entry : journal) {
            dots.push_back(entry->dot());
            if (entry == end) break;
        }
        return dots;
    }
    for (const auto* entry : state.entries(slot_of(intent))) {
        if (intent.verb != Verb::counter_add || entry->origin->id == origin) dots.push_back(entry->dot());
    }
    return dots;
}

void carry_out(crdt::Transaction& tx, const Intent& intent) {
    const auto& [verb, key, field, value, amount] = intent;
    switch (verb) {
        case Verb::counter_add:
            return crdt::Counter::add(tx, key, amount);
        case Verb::set_add:
            return crdt::Set::add(tx, key, field);
        case Verb::set_remove:
            return crdt::Set::remove(tx, key, field);
        case Verb::map_put:
            return crdt::Map::put(tx, key, field, value);
        case Verb::map_erase:
            return crdt::Map::erase(tx, key, field);
        case Verb::register_set:
            return crdt::Register::set(tx, key, value);
        case Verb::register_clear:
            return crdt::Register::clear(tx, key);
        case Verb::multi_value_set:
            return crdt::MultiValue::set(tx, key, value);
        case Verb::multi_value_clear:
            return crdt::MultiValue::clear(tx, key);
        case Verb::flag_on:
            return crdt::Flag::set(tx, key, true);
        case Verb::flag_off:
            return crdt::Flag::set(tx, key, false);
        case Verb::journal_append:
            return crdt::Journal::append(tx, key, value);
        case Verb::journal_trim:
            if (const auto* end = trim_end(tx.state().journal(key))) tx.trim(key, end->dot());
            return;
    }
}

}  // namespace

crdt::Slot slot_of(const Intent& intent) {
    const auto type = type_of(intent.verb);
    const bool has_fields = type == Type::set || type == Type::map;
    return {type, intent.key, has_fields ? intent.field : crdt::packed_nil()};
}

LocalTransaction perform(crdt::Transaction& tx, const crdt::ReplicaId& origin, crdt::Seq first,
                         const std::vector<Intent>& intents) {
    LocalTransaction done{origin, first, 0, {}, {}};
    for (const auto& intent : intents) {
        Operation operation{slot_of(intent), puts(intent.verb), intent.value, intent.amount,
                            observed_by(tx.state(), origin, intent)};
        carry_out(tx, intent);
        if (operation.puts || !operation.observed.empty()) done.operations.push_back(std::move(operation));
    }
    return done;
}

crdt::Stamp stamp_of(const LocalTransaction& transaction, const crdt::State& state) {
    for (auto seq = transaction.first; seq <= transaction.last(); ++seq) {
        if (const auto* entry = state.find({transaction.origin, seq})) return entry->stamp;
    }
    return 0;
}

crdt::Bytes Workload::value() {
    const auto padding = random_.below(options_.value_bytes_max + 1);
    return crdt::pack_str(std::to_string(++values_) + crdt::Bytes(padding, '.'));
}

Intent Workload::draw_one() {
    static constexpr std::array verbs{
        Verb::counter_add,     Verb::set_add,         Verb::set_add,           Verb::set_remove,   Verb::map_put,
        Verb::map_put,         Verb::map_erase,       Verb::register_set,      Verb::register_set, Verb::register_clear,
        Verb::multi_value_set, Verb::multi_value_set, Verb::multi_value_clear, Verb::flag_on,      Verb::flag_off,
        Verb::journal_append,  Verb::journal_append,  Verb::journal_trim};
    Intent intent;
    intent.verb = random_.pick(verbs);
    if (intent.verb == Verb::journal_trim && random_.chance(700)) intent.verb = Verb::journal_append;
    intent.key = "k" + std::to_string(random_.below(options_.keys));
    intent.field = crdt::pack_int(std::int64_t(random_.below(options_.fields)));
    intent.amount = std::int64_t(random_.between(1, 19)) - 10;
    // Sets and flags hold nothing but their slot.
    const auto type = type_of(intent.verb);
    intent.value = type == Type::set || type == Type::flag ? crdt::packed_nil() : value();
    return intent;
}

std::vector<Intent> Workload::draw() {
    const auto shape = random_.below(10);
    if (shape == 0) {
        const auto amount = std::int64_t(random_.between(1, 9));
        return {{Verb::counter_add, purse_a, {}, {}, -amount}, {Verb::counter_add, purse_b, {}, {}, amount}};
    }
    if (shape == 1) {
        const auto both = value();
        return {{Verb::map_put, pair_key, crdt::pack_str("left"), both, 0},
                {Verb::map_put, pair_key, crdt::pack_str("right"), both, 0}};
    }
    std::vector<Intent> intents;
    for (auto left = random_.between(1, options_.operations_max); left > 0; --left) intents.push_back(draw_one());
    return intents;
}

std::optional<std::string> Workload::torn(const crdt::State& state) {
    const auto sum = crdt::Counter::read(state, purse_a) + crdt::Counter::read(state, purse_b);
    if (sum != 0) return "half a transfer is visible: the purses hold " + std::to_string(sum) + " together";
    if (crdt::Map::get(state, pair_key, crdt::pack_str("left")) !=
        crdt::Map::get(state, pair_key, crdt::pack_str("right")))
        return "half a pair is visible: left and right differ";
    return std::nullopt;
}

}  // namespace starling::sim
