// Values on the command line and on the control socket are JSON; inside they are starling::Value. Bytes, which JSON has
// no word for, are written {"$hex":"00ff"} both ways.
#pragma once

#include <string_view>

#include <starling/value.hpp>

#include "cli/protocol.hpp"

namespace starling::cli {

constexpr const char* hex_key = "$hex";

/// Never fails: map keys that are no text become their JSON, numbers that JSON cannot say become null.
Json to_json(const Value& value);

/// Fault: malformed ("$hex" with something else than pairs of hexadecimal digits).
crdt::Result<Value> to_value(const Json& json);

/// A value as a person types it: JSON if it parses as JSON, else the text itself. `[1,` is text; `"5"` in quotes is the
/// text 5, and 5 is the number.
Json json_of_argument(std::string_view argument);

/// What is wrong with an argument that should be text, or nothing: it is no UTF-8.
std::string check_text(const std::string& argument);
/// What is wrong with an argument that should be a value, or nothing: it is no text, or an integer of more than 64
/// bits, which JSON would turn into another number.
std::string check_value(const std::string& argument);
/// What is wrong with an argument that should be a whole number of at least 0, or nothing.
std::string check_whole(const std::string& argument);

/// True for what may be a map's field or a set's element: null, a bool, a number, text or bytes.
bool is_scalar(const Value& value);

/// The JSON of a value as a person reads it: text without its quotes.
std::string for_people(const Json& json);

}  // namespace starling::cli
