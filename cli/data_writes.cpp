// A write is first read from its request into something that can be applied, then applied: so that nothing of a
// transaction is written when one of its writes is not what it should be.
#include <functional>
#include <map>
#include <vector>

#include "cli/data_operations.hpp"
#include "cli/json_value.hpp"
#include "cli/node_report.hpp"
#include "cli/request.hpp"

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;

constexpr std::size_t writes_max = 100'000;  // of one transaction

using Write = std::function<void(Tx&)>;
using ReadWrite = Result<Write> (*)(const Node&, const Json&);

/// The first fault among arguments of which one is a fault.
template <class First, class... More>
Fault fault_of(const First& first, const More&... more) {
    if constexpr (sizeof...(more) > 0) {
        return first ? fault_of(more...) : first.fault();
    } else {
        return first.fault();
    }
}

Result<std::vector<Value>> one_of(Result<Value> value) {
    if (!value) return value.fault();
    return std::vector<Value>{std::move(*value)};
}

Result<Write> put(const Node& node, const Json& request) {
    auto map = text_in(request, "map");
    auto field = scalar_in(request, "field");
    auto value = value_in(request, "value");
    if (!map || !field || !value) return fault_of(map, field, value);
    return Write([handle = node.map<Value, Value>(*map), field = std::move(*field), value = std::move(*value)](Tx& tx) {
        tx.put(handle, field, value);
    });
}

Result<Write> erase(const Node& node, const Json& request) {
    auto map = text_in(request, "map");
    auto field = scalar_in(request, "field");
    if (!map || !field) return fault_of(map, field);
    return Write(
        [handle = node.map<Value, Value>(*map), field = std::move(*field)](Tx& tx) { tx.erase(handle, field); });
}

Result<std::uint64_t> token_in(const Json& request) {
    const auto at = request.find("token");
    if (at == request.end() || !at->is_number_unsigned())
        return Fault{FaultCode::malformed, "\"token\" must be a lock's number"};
    return at->get<std::uint64_t>();
}

Result<Write> fenced_put(const Node& node, const Json& request) {
    auto map = text_in(request, "map");
    auto token = token_in(request);
    auto field = scalar_in(request, "field");
    auto value = value_in(request, "value");
    if (!map || !token || !field || !value) return fault_of(map, token, field, value);
    return Write([handle = node.fenced_map<Value, Value>(*map), token = *token, field = std::move(*field),
                  value = std::move(*value)](Tx& tx) { handle.put(tx, token, field, value); });
}

Result<Write> fenced_erase(const Node& node, const Json& request) {
    auto map = text_in(request, "map");
    auto token = token_in(request);
    auto field = scalar_in(request, "field");
    if (!map || !token || !field) return fault_of(map, token, field);
    return Write([handle = node.fenced_map<Value, Value>(*map), token = *token, field = std::move(*field)](Tx& tx) {
        handle.erase(tx, token, field);
    });
}

Result<Write> incr(const Node& node, const Json& request) {
    auto counter = text_in(request, "counter");
    auto amount = integer_in(request, "amount");
    if (!counter || !amount) return fault_of(counter, amount);
    return Write([handle = node.counter(*counter), amount = *amount](Tx& tx) { tx.add(handle, amount); });
}

Result<Write> add(const Node& node, const Json& request) {
    auto set = text_in(request, "set");
    auto element = scalar_in(request, "element");
    if (!set || !element) return fault_of(set, element);
    return Write(
        [handle = node.set<Value>(*set), element = std::move(*element)](Tx& tx) { tx.insert(handle, element); });
}

Result<Write> rm(const Node& node, const Json& request) {
    auto set = text_in(request, "set");
    auto element = scalar_in(request, "element");
    if (!set || !element) return fault_of(set, element);
    return Write(
        [handle = node.set<Value>(*set), element = std::move(*element)](Tx& tx) { tx.remove(handle, element); });
}

Result<Write> set_flag(const Node& node, const Json& request) {
    auto key = text_in(request, "flag");
    if (!key) return key.fault();
    const auto value = request.find("value");
    if (value == request.end() || !value->is_boolean())
        return Fault{FaultCode::malformed, "\"value\" of a flag must be true or false"};
    return Write([handle = node.flag(*key), on = value->get<bool>()](Tx& tx) {
        if (on) {
            tx.enable(handle);
        } else {
            tx.disable(handle);
        }
    });
}

Result<Write> set_multi_value(const Node& node, const Json& request) {
    auto key = text_in(request, "multi_value");
    auto value = value_in(request, "value");
    if (!key || !value) return fault_of(key, value);
    return Write(
        [handle = node.multi_value<Value>(*key), value = std::move(*value)](Tx& tx) { tx.set(handle, value); });
}

Result<Write> set(const Node& node, const Json& request) {
    if (request.contains("flag")) return set_flag(node, request);
    if (request.contains("multi_value")) return set_multi_value(node, request);
    auto key = text_in(request, "register");
    auto value = value_in(request, "value");
    if (!key || !value) return fault_of(key, value);
    return Write([handle = node.reg<Value>(*key), value = std::move(*value)](Tx& tx) { tx.set(handle, value); });
}

/// "value", or "values" as one after the other; with "key" once.
Result<Write> append(const Node& node, const Json& request) {
    auto key = text_in(request, "journal");
    auto values = request.contains("values") ? values_in(request, "values") : one_of(value_in(request, "value"));
    Result<std::string> once = request.contains("key") ? text_in(request, "key") : Result(std::string());
    if (!key || !values || !once) return fault_of(key, values, once);
    const bool named = request.contains("key");
    return Write(
        [handle = node.journal<Value>(*key), values = std::move(*values), once = std::move(*once), named](Tx& tx) {
            if (named) {
                tx.append_once(handle, once, values);
            } else {
                tx.append_all(handle, values);
            }
        });
}

ReadWrite write_named(const std::string& op) {
    static const std::map<std::string_view, ReadWrite> writes{{"put", put},
                                                              {"erase", erase},
                                                              {"incr", incr},
                                                              {"add", add},
                                                              {"rm", rm},
                                                              {"set", set},
                                                              {"append", append},
                                                              {"fenced_put", fenced_put},
                                                              {"fenced_erase", fenced_erase}};
    auto at = writes.find(op);
    return at == writes.end() ? nullptr : at->second;
}

Result<std::vector<Write>> writes_of(const Node& node, const Json& request) {
    auto list = request.find("writes");
    if (list == request.end() || !list->is_array()) return Fault{FaultCode::malformed, "\"writes\" must be a list"};
    if (list->size() > writes_max) {
        return Fault{FaultCode::too_large, "a transaction takes at most " + std::to_string(writes_max) + " writes"};
    }
    std::vector<Write> writes;
    for (const Json& item : *list) {
        auto op = item.is_object() ? text_in(item, "op") : Fault{FaultCode::malformed, "a write is an object"};
        if (!op) return op.fault();
        ReadWrite read = write_named(*op);
        if (!read) return Fault{FaultCode::malformed, "there is no write '" + *op + "'"};
        auto write = read(node, item);
        if (!write) return write.fault();
        writes.push_back(std::move(*write));
    }
    return writes;
}

/// What a single write changed, in the words of its answer; `erase` and `rm` of what is not there are told apart.
Json answer_of(const Node& node, const std::string& op, const Json& request, const Commit& commit) {
    if (!commit.wrote() && op == "erase") {
        return error_answer(error_code::absent, "the field is not there: nothing to erase");
    }
    if (!commit.wrote() && op == "rm") {
        return error_answer(error_code::absent, "the element is not there: nothing to remove");
    }
    Json answer = ok_answer();
    if (op == "incr") answer["value"] = node.counter(request["counter"].get<std::string>()).value();
    answer["wrote"] = commit.wrote();
    answer["version"] = commit.version().to_string();
    return answer;
}

}  // namespace

namespace {

Json trim(const Node& node, const Json& request, Commit& commit) {
    if (!request.contains("keep") && !request.contains("older_than_s"))
        return error_answer(error_code::usage, "say what stays: \"keep\" or \"older_than_s\"");
    auto key = text_in(request, "journal");
    Result<std::int64_t> keep = request.contains("keep") ? integer_in(request, "keep") : Result(INT64_MAX);
    Result<std::int64_t> age_s =
        request.contains("older_than_s") ? integer_in(request, "older_than_s") : Result(INT64_MAX);
    if (!key || !keep || !age_s) return bad_request(key, keep, age_s);
    if (*keep < 0 || *age_s < 0) return error_answer(error_code::input, "what is kept is a number from 0 on");
    constexpr std::int64_t second_us = 1'000'000;
    const auto age_us = std::chrono::microseconds(*age_s > INT64_MAX / second_us ? INT64_MAX : *age_s * second_us);
    commit = node.journal<Value>(*key).trim(std::size_t(*keep), age_us);
    Json answer = ok_answer();
    answer["wrote"] = commit.wrote();
    answer["version"] = commit.version().to_string();
    return answer;
}

}  // namespace

std::optional<Json> run_write(const Node& node, const std::string& op, const Json& request, Commit& commit) {
    if (op == "trim") return trim(node, request, commit);
    std::vector<Write> writes;
    if (op == "transact") {
        auto list = writes_of(node, request);
        if (!list) return bad_request(list);
        writes = std::move(*list);
    } else {
        ReadWrite read = write_named(op);
        if (!read) return std::nullopt;
        auto write = read(node, request);
        if (!write) return bad_request(write);
        writes.push_back(std::move(*write));
    }
    const auto began_us = monotonic_us();
    commit = node.transact([&](Tx& tx) {
        for (const Write& write : writes) write(tx);
    });
    Json answer = answer_of(node, op, request, commit);
    answer["began_us"] = began_us;
    return answer;
}

}  // namespace starling::cli
