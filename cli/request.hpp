// Reads the arguments of a request. What is missing or of the wrong kind is a Fault that names the argument.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <starling/events.hpp>
#include <starling/types.hpp>
#include <starling/value.hpp>

#include "cli/json_value.hpp"
#include "cli/protocol.hpp"

namespace starling::cli {

crdt::Result<std::string> text_in(const Json& request, const char* name);
crdt::Result<std::int64_t> integer_in(const Json& request, const char* name);
crdt::Result<Value> value_in(const Json& request, const char* name);
/// A list of at least one.
crdt::Result<std::vector<Value>> values_in(const Json& request, const char* name);
/// What may be a map's field or a set's element.
crdt::Result<Value> scalar_in(const Json& request, const char* name);
crdt::Result<Type> type_in(const Json& request, const char* name);
/// The empty version where the argument is absent.
crdt::Result<Version> version_in(const Json& request, const char* name);

/// A cursor's or a version's text; the beginning where the argument is absent.
crdt::Result<Cursor> cursor_in(const Json& request, const char* name);

/// The error answer for the first of these that is a fault.
template <class First, class... More>
Json bad_request(const First& first, const More&... more) {
    if (!first) return error_answer(error_code::input, first.fault().what);
    if constexpr (sizeof...(more) > 0) {
        return bad_request(more...);
    } else {
        return error_answer(error_code::input, "the request is not what the operation takes");
    }
}

}  // namespace starling::cli
