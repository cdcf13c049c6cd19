// What keys hold, as the writes that make an empty node read the same: the lines of `starling export`.
#include <map>

#include "cli/data_operations.hpp"
#include "cli/json_value.hpp"
#include "cli/request.hpp"

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;

void export_counter(const Node& node, const std::string& key, Json& writes) {
    writes.push_back({{"op", "incr"}, {"counter", key}, {"amount", node.counter(key).value()}});
}

void export_set(const Node& node, const std::string& key, Json& writes) {
    for (const auto& element : node.set<Value>(key).elements())
        writes.push_back({{"op", "add"}, {"set", key}, {"element", to_json(element)}});
}

void export_map(const Node& node, const std::string& key, Json& writes) {
    for (const auto& [field, value] : node.map<Value, Value>(key).items())
        writes.push_back({{"op", "put"}, {"map", key}, {"field", to_json(field)}, {"value", to_json(value)}});
}

void export_register(const Node& node, const std::string& key, Json& writes) {
    if (const auto value = node.reg<Value>(key).get())
        writes.push_back({{"op", "set"}, {"register", key}, {"value", to_json(*value)}});
}

/// The newest last, so that it is what one reader alone would have set.
void export_multi_value(const Node& node, const std::string& key, Json& writes) {
    const auto values = node.multi_value<Value>(key).get();
    for (auto value = values.rbegin(); value != values.rend(); ++value)
        writes.push_back({{"op", "set"}, {"multi_value", key}, {"value", to_json(*value)}});
}

void export_flag(const Node& node, const std::string& key, Json& writes) {
    writes.push_back({{"op", "set"}, {"flag", key}, {"value", node.flag(key).enabled()}});
}

/// Events that were appended under one idempotency key are one write again.
void export_journal(const Node& node, const std::string& key, Json& writes) {
    std::map<std::string, std::size_t> keyed;  // idempotency key → place in `writes`
    (void)node.journal<Value>(key).events().replay([&](const Event<Value>& event) {
        const auto& once = event.idempotency_key;
        if (const auto at = keyed.find(once); at != keyed.end()) {
            writes[at->second]["values"].push_back(to_json(event.value));
            return;
        }
        Json write{{"op", "append"}, {"journal", key}, {"values", Json::array({to_json(event.value)})}};
        if (!once.empty()) {
            write["key"] = once;
            keyed.emplace(once, writes.size());
        }
        writes.push_back(std::move(write));
    });
}

using Export = void (*)(const Node&, const std::string&, Json&);

Export export_of(Type type) {
    switch (type) {
        case Type::counter:
            return export_counter;
        case Type::set:
            return export_set;
        case Type::map:
            return export_map;
        case Type::register_:
            return export_register;
        case Type::multi_value:
            return export_multi_value;
        case Type::flag:
            return export_flag;
        case Type::journal:
            return export_journal;
        default:
            return nullptr;
    }
}

}  // namespace

Json export_keys(const Node& node, const Json& request) {
    const auto keys = request.find("keys");
    if (keys == request.end() || !keys->is_array())
        return error_answer(error_code::usage, "\"keys\" must be a list, as 'keys' answers it");
    Json writes = Json::array();
    for (const Json& item : *keys) {
        auto type = item.is_object() ? type_in(item, "type") : Fault{FaultCode::malformed, "a key is an object"};
        if (!type) return bad_request(type);
        auto key = text_in(item, "key");
        if (!key) return bad_request(key);
        const auto write = export_of(*type);
        if (write == nullptr)
            return error_answer(error_code::input, "there is no export of the type of '" + *key + "'");
        write(node, *key, writes);
    }
    Json answer = ok_answer();
    answer["writes"] = std::move(writes);
    return answer;
}

}  // namespace starling::cli
