// A value of any shape, for programs that learn only at run time what is stored: tools, bridges, consoles. It holds
// what MessagePack can say, except its extension types.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <starling/export.hpp>

namespace starling {

/// Raw bytes, as opposed to text.
using Bytes = std::vector<std::byte>;

/// Nil, a bool, an integer, a double, text, bytes, an array or a map. A value type; no thread rule of its own.
/// Invariant: an integer that fits std::int64_t is held as one, so that equal numbers compare equal.
class STARLING_API Value {
  public:
    using Array = std::vector<Value>;
    /// In the order written; keys may repeat, as in MessagePack.
    using Map = std::vector<std::pair<Value, Value>>;
    using Data =
        std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Bytes, Array, Map>;

    // NOLINTBEGIN(google-explicit-constructor): a Value stands for any of these
    Value() = default;
    Value(std::nullptr_t) {}
    Value(std::same_as<bool> auto value) : data_(value) {}
    template <std::integral T>
        requires(!std::same_as<T, bool>)
    Value(T value) {
        if (std::in_range<std::int64_t>(value)) {
            data_ = std::int64_t(value);
        } else {
            data_ = std::uint64_t(value);
        }
    }
    Value(double value) : data_(value) {}
    Value(const char* text) : data_(std::string(text)) {}
    Value(std::string_view text) : data_(std::string(text)) {}
    Value(std::string text) : data_(std::move(text)) {}
    Value(Bytes bytes) : data_(std::move(bytes)) {}
    Value(Array items) : data_(std::move(items)) {}
    Value(Map items) : data_(std::move(items)) {}
    // NOLINTEND(google-explicit-constructor)

    const Data& data() const { return data_; }
    bool is_nil() const { return std::holds_alternative<std::monostate>(data_); }

    /// The content where the value is of that kind, else nullptr: `if (auto* text = value.as<std::string>())`.
    template <class T>
    const T* as() const {
        return std::get_if<T>(&data_);
    }

    /// JSON for people: bytes show as hexadecimal text, map keys that are no text as their JSON. Never fails.
    std::string to_string() const;

    /// One MessagePack item in shortest form. O(bytes).
    std::string encode() const;
    /// Exactly one MessagePack item; nothing where the bytes are anything else, nested deeper than `nesting_max`, or of
    /// an extension type. Allocates no more than a constant times the bytes given.
    static std::optional<Value> decode(std::string_view bytes);
    static constexpr std::size_t nesting_max = 32;

    bool operator==(const Value& other) const { return data_ == other.data_; }

  private:
    Data data_;
};

}  // namespace starling
