#include "cli/request.hpp"

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;

Fault wrong(const char* name, const char* what) {
    return Fault{FaultCode::malformed, std::string("\"") + name + "\" " + what};
}

const Json* find(const Json& request, const char* name) {
    auto at = request.find(name);
    return at == request.end() ? nullptr : &*at;
}

}  // namespace

Result<std::string> text_in(const Json& request, const char* name) {
    const Json* json = find(request, name);
    if (!json || !json->is_string()) return wrong(name, "must be text");
    return json->get<std::string>();
}

Result<std::int64_t> integer_in(const Json& request, const char* name) {
    const Json* json = find(request, name);
    if (!json || !json->is_number_integer() ||
        (json->is_number_unsigned() && !std::in_range<std::int64_t>(json->get<std::uint64_t>()))) {
        return wrong(name, "must be a whole number of at most 63 bits");
    }
    return json->get<std::int64_t>();
}

Result<Value> value_in(const Json& request, const char* name) {
    const Json* json = find(request, name);
    if (!json) return wrong(name, "is missing");
    return to_value(*json);
}

Result<std::vector<Value>> values_in(const Json& request, const char* name) {
    const Json* json = find(request, name);
    if (!json || !json->is_array() || json->empty()) return wrong(name, "must be a list of at least one value");
    std::vector<Value> values;
    for (const Json& item : *json) {
        auto value = to_value(item);
        if (!value) return value.fault();
        values.push_back(std::move(*value));
    }
    return values;
}

Result<Value> scalar_in(const Json& request, const char* name) {
    auto value = value_in(request, name);
    if (value && !is_scalar(*value))
        return wrong(name, "must be text, a number, true, false or null, no list or object");
    return value;
}

Result<Type> type_in(const Json& request, const char* name) {
    auto text = text_in(request, name);
    if (!text) return text.fault();
    if (auto type = type_named(*text)) return *type;
    return wrong(name, "must be one of counter, set, map, register, multi-value, flag, journal");
}

Result<Version> version_in(const Json& request, const char* name) {
    if (!find(request, name)) return Version();
    auto text = text_in(request, name);
    if (!text) return text.fault();
    if (auto version = Version::parse(*text)) return *version;
    return wrong(name, "must be a version as 'starling status' or 'starling since' prints it");
}

Result<Cursor> cursor_in(const Json& request, const char* name) {
    if (!find(request, name)) return Cursor();
    auto text = text_in(request, name);
    if (!text) return text.fault();
    if (auto cursor = Cursor::parse(*text)) return *cursor;
    if (auto version = Version::parse(*text)) return Cursor(*version);
    return wrong(name, "must be a cursor or a version, whole, as 'starling since --json' prints them");
}

}  // namespace starling::cli
