#include "cli/json_value.hpp"

#include <charconv>
#include <string>
#include <variant>

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;

Json hex_of(const Bytes& bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (std::byte byte : bytes) {
        text += digits[std::to_integer<unsigned>(byte) >> 4];
        text += digits[std::to_integer<unsigned>(byte) & 15];
    }
    return Json{{hex_key, text}};
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Result<Value> bytes_of(const Json& json) {
    Fault fault{FaultCode::malformed, R"(bytes are written {"$hex":"00ff"}: pairs of hexadecimal digits)"};
    if (!json.is_string()) return fault;
    const auto& text = json.get_ref<const std::string&>();
    if (text.size() % 2 != 0) return fault;
    Bytes bytes;
    for (std::size_t at = 0; at < text.size(); at += 2) {
        int high = digit_of(text[at]), low = digit_of(text[at + 1]);
        if (high < 0 || low < 0) return fault;
        bytes.push_back(std::byte(high << 4 | low));
    }
    return Value(std::move(bytes));
}

Result<Value> map_of(const Json& json) {
    Value::Map items;
    for (const auto& [key, item] : json.items()) {
        auto value = to_value(item);
        if (!value) return value;
        items.emplace_back(Value(key), std::move(*value));
    }
    return Value(std::move(items));
}

struct ToJson {
    Json operator()(std::monostate) const { return nullptr; }
    Json operator()(const Bytes& bytes) const { return hex_of(bytes); }
    Json operator()(const Value::Array& items) const {
        Json json = Json::array();
        for (const Value& item : items) json.push_back(to_json(item));
        return json;
    }
    Json operator()(const Value::Map& items) const {
        Json json = Json::object();
        for (const auto& [key, value] : items) {
            auto* text = key.as<std::string>();
            json[text ? *text : to_json(key).dump(-1, ' ', false, Json::error_handler_t::replace)] = to_json(value);
        }
        return json;
    }
    Json operator()(const auto& scalar) const { return scalar; }
};

}  // namespace

Json to_json(const Value& value) {
    return std::visit(ToJson{}, value.data());
}

Result<Value> to_value(const Json& json) {
    switch (json.type()) {
        case Json::value_t::boolean:
            return Value(json.get<bool>());
        case Json::value_t::number_integer:
            return Value(json.get<std::int64_t>());
        case Json::value_t::number_unsigned:
            return Value(json.get<std::uint64_t>());
        case Json::value_t::number_float:
            return Value(json.get<double>());
        case Json::value_t::string:
            return Value(json.get<std::string>());
        case Json::value_t::object:
            return json.size() == 1 && json.contains(hex_key) ? bytes_of(json[hex_key]) : map_of(json);
        case Json::value_t::array: {
            Value::Array items;
            for (const Json& item : json) {
                auto value = to_value(item);
                if (!value) return value;
                items.push_back(std::move(*value));
            }
            return Value(std::move(items));
        }
        default:
            return Value();
    }
}

Json json_of_argument(std::string_view argument) {
    auto json = parse_json(argument);
    return json ? *json : Json(argument);
}

std::string check_text(const std::string& argument) {
    try {
        (void)Json(argument).dump();  // which reads it as UTF-8
    } catch (const Json::exception&) {
        return R"(what is no UTF-8 text is written {"$hex":"00ff"}, and may be a field, an element or a value)";
    }
    return "";
}

std::string check_value(const std::string& argument) {
    if (auto wrong = check_text(argument); !wrong.empty()) return wrong;
    const auto json = parse_json(argument);
    const bool integer = argument.find_first_not_of("-0123456789 ") == std::string::npos;
    if (json && json->is_number_float() && integer) return "integers have at most 64 bits, not so many as " + argument;
    return "";
}

std::string check_whole(const std::string& argument) {
    std::uint64_t number = 0;
    const auto* end = argument.data() + argument.size();
    const auto [read, error] = std::from_chars(argument.data(), end, number);
    return error == std::errc() && read == end ? "" : "'" + argument + "' is no whole number of at least 0";
}

bool is_scalar(const Value& value) {
    return !value.as<Value::Array>() && !value.as<Value::Map>();
}

std::string for_people(const Json& json) {
    return json.is_string() ? json.get<std::string>() : json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace starling::cli
