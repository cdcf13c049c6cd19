#include "tests/crdt/proof/operation.hpp"

#include <array>
#include <ostream>
#include <sstream>

#include "crdt/codec.hpp"
#include "crdt/views.hpp"

namespace starling::proof {

using crdt::Type;

namespace {

char letter_of(Type type) {
    return name_of(type)[0];
}

crdt::Bytes key_of(Type type, std::uint8_t key) {
    return {letter_of(type), char('0' + key)};
}

crdt::Bytes field_of(std::uint8_t field) {
    return crdt::pack_str(std::string{'f', char('0' + field)});
}

void trim(crdt::Transaction& tx, const Operation& operation, const crdt::Bytes& key) {
    const auto entries = crdt::explain(tx.state(), slot_of(operation));
    if (!entries.empty()) tx.trim(key, entries[std::uint8_t(operation.value) % entries.size()].dot);
}

}  // namespace

const std::vector<Type>& all_types() {
    static const std::vector<Type> types{Type::counter,     Type::set,  Type::map,    Type::register_,
                                         Type::multi_value, Type::flag, Type::journal};
    return types;
}

std::string name_of(Type type) {
    switch (type) {
        case Type::counter:
            return "counter";
        case Type::set:
            return "set";
        case Type::map:
            return "map";
        case Type::register_:
            return "register";
        case Type::multi_value:
            return "values";
        case Type::flag:
            return "flag";
        case Type::journal:
            return "journal";
    }
    return "unknown";
}

std::ostream& operator<<(std::ostream& out, const Operation& operation) {
    const bool fields = operation.type == Type::set || operation.type == Type::map;
    out << key_of(operation.type, operation.key);
    if (operation.type == Type::counter) return out << " add " << int(operation.value);
    out << (operation.grow ? " put" : " drop");
    if (fields) out << " f" << int(operation.field);
    const bool valued = operation.type != Type::set && operation.type != Type::flag;
    if (operation.grow ? valued : operation.type == Type::journal) out << " =" << int(operation.value);
    return out;
}

crdt::Slot slot_of(const Operation& operation) {
    const auto key = key_of(operation.type, operation.key);
    if (operation.type == Type::set || operation.type == Type::map)
        return crdt::slot_of(operation.type, key, field_of(operation.field));
    return crdt::slot_of(operation.type, key);
}

void perform(crdt::Transaction& tx, const Operation& operation) {
    const auto key = key_of(operation.type, operation.key);
    const auto field = field_of(operation.field);
    const auto value = crdt::pack_int(operation.value);
    const bool grow = operation.grow;
    switch (operation.type) {
        case Type::counter:
            return crdt::Counter::add(tx, key, operation.value);
        case Type::set:
            return grow ? crdt::Set::add(tx, key, field) : crdt::Set::remove(tx, key, field);
        case Type::map:
            return grow ? crdt::Map::put(tx, key, field, value) : crdt::Map::erase(tx, key, field);
        case Type::register_:
            return grow ? crdt::Register::set(tx, key, value) : crdt::Register::clear(tx, key);
        case Type::multi_value:
            return grow ? crdt::MultiValue::set(tx, key, value) : crdt::MultiValue::clear(tx, key);
        case Type::flag:
            return crdt::Flag::set(tx, key, grow);
        case Type::journal:
            return grow ? crdt::Journal::append(tx, key, value) : trim(tx, operation, key);
    }
}

crdt::ReplicaId replica_of(std::size_t place, crdt::Life life) {
    static constexpr std::array<std::uint8_t, 5> first_bytes{0x80, 0x10, 0xf0, 0x47, 0xc3};
    crdt::ReplicaId id;
    id.node[0] = first_bytes[place % first_bytes.size()];
    id.node[31] = std::uint8_t(place);
    id.life = (life + 1) * 0x9e37'79b9'7f4a'7c15ULL;  // nor that of lives
    return id;
}

namespace {

void read_key(std::ostream& out, const crdt::State& state, Type type, const crdt::Bytes& key) {
    if (type == Type::set) {
        for (const auto& element : crdt::Set::elements(state, key)) out << element.substr(1) << ' ';
    } else if (type == Type::map) {
        for (const auto& [field, value] : crdt::Map::items(state, key))
            out << field.substr(1) << '=' << *crdt::integer_value(value) << ' ';
    } else if (type == Type::counter) {
        out << crdt::Counter::read(state, key);
    } else if (type == Type::register_) {
        if (const auto value = crdt::Register::get(state, key)) out << *crdt::integer_value(*value);
    } else if (type == Type::multi_value) {
        for (const auto& value : crdt::MultiValue::get(state, key)) out << *crdt::integer_value(value) << ' ';
    } else if (type == Type::flag) {
        out << (crdt::Flag::read(state, key) ? "on" : "off");
    } else {
        for (const auto& entry : crdt::explain(state, crdt::slot_of(type, key)))
            out << *crdt::integer_value(entry.value) << ' ';
    }
}

}  // namespace

std::string readings(const crdt::State& state) {
    std::ostringstream out;
    for (const auto type : all_types()) {
        for (std::uint8_t key = 0; key < keys_each; ++key) {
            out << key_of(type, key) << ": ";
            read_key(out, state, type, key_of(type, key));
            out << '\n';
        }
    }
    return out.str();
}

Sight sight_of(const crdt::Replica& replica) {
    replica.check();
    const auto& state = replica.state();
    Sight sight{state.version(), state.version_hash(), state.fingerprint(), replica.heads(), replica.depth(), {},
                readings(state)};
    std::erase_if(sight.version, [](const auto& line) { return line.second == 0; });  // a life that wrote nothing yet
    state.each_live([&](const crdt::Dot& dot, const crdt::LooseEntry& entry) { sight.live.emplace_back(dot, entry); });
    return sight;
}

std::string difference_of(const Sight& a, const Sight& b) {
    if (a.version != b.version) return "the versions differ";
    if (a.readings != b.readings) return "the readings differ:\n" + a.readings + "against\n" + b.readings;
    if (a.live != b.live) return "the live entries differ";
    if (a.heads != b.heads) return "the heads differ";
    if (a.depth != b.depth) return "the depths differ";
    if (a.fingerprint != b.fingerprint) return "the fingerprints differ";
    if (a.version_hash != b.version_hash) return "the hashes of the version differ";
    return {};
}

}  // namespace starling::proof
