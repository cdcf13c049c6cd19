#include <map>

#include "cli/data_operations.hpp"
#include "cli/json_value.hpp"
#include "cli/node_report.hpp"
#include "cli/request.hpp"

namespace starling::cli {
namespace {

using Read = Json (*)(const Node&, const Json&);

Json answer_with(const char* name, Json json) {
    Json answer = ok_answer();
    answer[name] = std::move(json);
    return answer;
}

Json absent(const std::string& what) {
    return error_answer(error_code::absent, what + " is not there");
}

std::string quoted(const Value& value) {
    return value.to_string();
}

Json get(const Node& node, const Json& request) {
    auto map = text_in(request, "map");
    auto field = scalar_in(request, "field");
    if (!map || !field) return bad_request(map, field);
    auto value = node.map<Value, Value>(*map).get(*field);
    if (!value) return absent("field " + quoted(*field) + " of map '" + *map + "'");
    return answer_with("value", to_json(*value));
}

/// "token": 0 where the field was never written; no "value" where it was erased.
Json fenced_get(const Node& node, const Json& request) {
    auto map = text_in(request, "map");
    auto field = scalar_in(request, "field");
    if (!map || !field) return bad_request(map, field);
    const auto [token, value] = node.fenced_map<Value, Value>(*map).token_and_value(*field);
    Json answer = answer_with("token", token);
    if (value) answer["value"] = to_json(*value);
    return answer;
}

Json items(const Node& node, const Json& request) {
    auto map = text_in(request, "map");
    if (!map) return bad_request(map);
    Json list = Json::array();
    for (const auto& [field, value] : node.map<Value, Value>(*map).items()) {
        list.push_back(Json::array({to_json(field), to_json(value)}));
    }
    return answer_with("items", std::move(list));
}

Json count(const Node& node, const Json& request) {
    auto counter = text_in(request, "counter");
    if (!counter) return bad_request(counter);
    return answer_with("value", node.counter(*counter).value());
}

Json members(const Node& node, const Json& request) {
    auto set = text_in(request, "set");
    if (!set) return bad_request(set);
    Json list = Json::array();
    for (const auto& element : node.set<Value>(*set).elements()) list.push_back(to_json(element));
    return answer_with("members", std::move(list));
}

Json has(const Node& node, const Json& request) {
    auto set = text_in(request, "set");
    auto element = scalar_in(request, "element");
    if (!set || !element) return bad_request(set, element);
    if (!node.set<Value>(*set).contains(*element)) {
        return absent("element " + quoted(*element) + " of set '" + *set + "'");
    }
    return ok_answer();
}

Json show(const Node& node, const Json& request) {
    auto key = text_in(request, "register");
    if (!key) return bad_request(key);
    auto value = node.reg<Value>(*key).get();
    if (!value) return absent("register '" + *key + "'");
    return answer_with("value", to_json(*value));
}

Json keys(const Node& node, const Json& request) {
    auto prefix = text_in(request, "prefix");
    if (!prefix) return bad_request(prefix);
    Json list = Json::array();
    for (const auto& info : node.keys(*prefix)) list.push_back({{"type", name_of(info.type)}, {"key", info.key}});
    return answer_with("keys", std::move(list));
}

Json explain(const Node& node, const Json& request) {
    auto type = type_in(request, "type");
    auto key = text_in(request, "key");
    crdt::Result<Value> field = request.contains("field") ? scalar_in(request, "field") : crdt::Result<Value>(Value());
    if (!type || !key || !field) return bad_request(type, key, field);
    if ((*type == Type::map || *type == Type::set) && !request.contains("field")) {
        return error_answer(error_code::usage, "name the field of the map or the element of the set to explain");
    }
    auto reasons = node.explain(*type, *key, *field);
    if (reasons.empty())
        return absent(std::string(name_of(*type)) + " '" + *key + "'" + (field->is_nil() ? "" : " " + quoted(*field)));
    return answer_with("reasons", report(reasons));
}

/// Does this node hold what a version covers; without one: do it and all linked peers hold the same?
Json synced(const Node& node, const Json& request) {
    auto version = version_in(request, "version");
    if (!version) return bad_request(version);
    return answer_with("synced", request.contains("version") ? node.version().covers(*version) : node.status().synced);
}

}  // namespace

std::optional<Json> run_read(const Node& node, const std::string& op, const Json& request) {
    static const std::map<std::string_view, Read> reads{
        {"get", get},           {"fenced_get", fenced_get}, {"items", items},
        {"count", count},       {"members", members},       {"has", has},
        {"show", show},         {"since", read_since},      {"changes", read_changes},
        {"keys", keys},         {"explain", explain},       {"synced", synced},
        {"export", export_keys}};
    auto at = reads.find(op);
    if (at == reads.end()) return std::nullopt;
    return at->second(node, request);
}

}  // namespace starling::cli
