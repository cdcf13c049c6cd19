// How the types of an application become MessagePack items. Built in: bool, integers, enumerations, double, text,
// Bytes, Value, and optionals and vectors of these. For a type of your own, specialise Codec:
//
//     template <>
//     struct starling::Codec<Part> {
//         static constexpr bool scalar = false;
//         static void encode(Encoder& out, const Part& part) { out.array(2), out.write(part.name),
//         out.write(part.count); } static Part decode(Decoder& in) { in.array(2); return {in.read<std::string>(),
//         in.read<int>()}; }
//     };
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <starling/export.hpp>
#include <starling/value.hpp>

namespace starling {

/// `encode` writes exactly one item; `decode` reads one and calls `Decoder::fail` on what it cannot take. `scalar` says
/// that it is one of nil, bool, integer, double, text or bytes: only such a type can be a set's element or a map's
/// field.
template <class T>
struct Codec;

/// Appends MessagePack items, each in its one shortest form. Thread rule: one thread at a time.
class STARLING_API Encoder {
  public:
    void nil();
    void boolean(bool value);
    void integer(std::int64_t value);
    void unsigned_integer(std::uint64_t value);
    /// Every NaN is written as the same one.
    void number(double value);
    void text(std::string_view value);
    void bytes(const void* data, std::size_t size);
    /// The head of an array: that many items must follow.
    void array(std::size_t items);
    /// The head of a map: that many pairs of items must follow.
    void map(std::size_t pairs);
    template <class T>
    void write(const T& value) {
        Codec<T>::encode(*this, value);
    }

    std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

/// Reads MessagePack items one after another. After the first failure every read gives an empty value and `ok` is
/// false, so a codec reads all of a record and the caller checks once. Thread rule: one thread at a time.
class STARLING_API Decoder {
  public:
    enum class Kind { none, nil, boolean, integer, unsigned_integer, number, text, bytes, array, map };

    /// The bytes must outlive the decoder.
    explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

    bool ok() const { return ok_; }
    /// True when all was read and nothing failed.
    bool done() const { return ok_ && at_ == bytes_.size(); }
    void fail() { ok_ = false; }

    /// What comes next; `none` at the end, after a failure, and for extension types. `unsigned_integer` is one that
    /// does not fit std::int64_t.
    Kind peek() const;
    void nil();
    bool boolean();
    std::int64_t integer();
    std::uint64_t unsigned_integer();
    /// Takes an integer too.
    double number();
    /// A view into the bytes given.
    std::string_view text();
    std::string_view bytes();
    /// The number of items or pairs that follow; never more than the bytes left could hold.
    std::size_t array();
    std::size_t map();
    /// Fails unless an array of exactly that many items follows.
    void array(std::size_t items);
    template <class T>
    T read() {
        return Codec<T>::decode(*this);
    }

  private:
    friend struct Codec<Value>;
    unsigned char head() const { return static_cast<unsigned char>(bytes_[at_]); }
    std::uint64_t big_endian(std::size_t at, std::size_t size) const;
    std::uint64_t fixed(std::size_t size);
    std::string_view sized(std::size_t head_bytes, std::uint64_t size);
    std::size_t counted(unsigned fix, unsigned first_long, std::size_t least_bytes);

    std::string_view bytes_;
    std::size_t at_ = 0;
    std::size_t nesting_ = 0;
    bool ok_ = true;
};

/// A type that can be stored as a value.
template <class T>
concept Storable = requires(Encoder& out, Decoder& in, const T& value) {
    Codec<T>::encode(out, value);
    { Codec<T>::decode(in) } -> std::same_as<T>;
};
/// A type that can be a set's element or a map's field: each value has one encoding.
template <class T>
concept Field = Storable<T> && Codec<T>::scalar;

/// One MessagePack item.
template <Storable T>
std::string encode(const T& value) {
    Encoder out;
    out.write(value);
    return out.take();
}
/// Nothing where the bytes are not exactly one item of this type.
template <Storable T>
std::optional<T> decode(std::string_view bytes) {
    Decoder in(bytes);
    auto value = in.read<T>();
    return in.done() ? std::optional<T>(std::move(value)) : std::nullopt;
}

template <>
struct Codec<bool> {
    static constexpr bool scalar = true;
    static void encode(Encoder& out, bool value) { out.boolean(value); }
    static bool decode(Decoder& in) { return in.boolean(); }
};

template <std::integral T>
struct Codec<T> {
    static constexpr bool scalar = true;
    static void encode(Encoder& out, T value) {
        if constexpr (std::is_signed_v<T>) {
            out.integer(value);
        } else {
            out.unsigned_integer(value);
        }
    }
    static T decode(Decoder& in) {
        if constexpr (std::is_signed_v<T>) {
            return narrow(in, in.integer());
        } else {
            return narrow(in, in.unsigned_integer());
        }
    }

  private:
    static T narrow(Decoder& in, auto value) {
        if (value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max()) return T(value);
        in.fail();
        return {};
    }
};

template <class T>
    requires std::is_enum_v<T>
struct Codec<T> {
    static constexpr bool scalar = true;
    static void encode(Encoder& out, T value) { out.write(static_cast<std::underlying_type_t<T>>(value)); }
    static T decode(Decoder& in) { return static_cast<T>(in.read<std::underlying_type_t<T>>()); }
};

template <>
struct Codec<double> {
    static constexpr bool scalar = true;
    static void encode(Encoder& out, double value) { out.number(value); }
    static double decode(Decoder& in) { return in.number(); }
};

template <>
struct Codec<std::string> {
    static constexpr bool scalar = true;
    static void encode(Encoder& out, const std::string& value) { out.text(value); }
    static std::string decode(Decoder& in) { return std::string(in.text()); }
};

template <>
struct Codec<Bytes> {
    static constexpr bool scalar = true;
    static void encode(Encoder& out, const Bytes& value) { out.bytes(value.data(), value.size()); }
    static Bytes decode(Decoder& in) {
        const auto view = in.bytes();
        const auto* data = reinterpret_cast<const std::byte*>(view.data());
        return {data, data + view.size()};
    }
};

/// As a field it must hold a scalar, which is checked when it is written.
template <>
struct STARLING_API Codec<Value> {
    static constexpr bool scalar = true;
    static void encode(Encoder& out, const Value& value);
    static Value decode(Decoder& in);
};

/// Nil where it is empty.
template <class T>
struct Codec<std::optional<T>> {
    static constexpr bool scalar = Codec<T>::scalar;
    static void encode(Encoder& out, const std::optional<T>& value) {
        if (value) {
            out.write(*value);
        } else {
            out.nil();
        }
    }
    static std::optional<T> decode(Decoder& in) {
        if (in.peek() != Decoder::Kind::nil) return in.read<T>();
        in.nil();
        return std::nullopt;
    }
};

template <class T>
struct Codec<std::vector<T>> {
    static constexpr bool scalar = false;
    static void encode(Encoder& out, const std::vector<T>& items) {
        out.array(items.size());
        for (const T& item : items) out.write(item);
    }
    static std::vector<T> decode(Decoder& in) {
        std::vector<T> items;
        for (auto left = in.array(); left > 0 && in.ok(); --left) items.push_back(in.read<T>());
        return items;
    }
};

}  // namespace starling
