// MessagePack in and out. Writing goes through msgpack-c, whose packer emits shortest forms. Reading is a cursor of our
// own over untrusted bytes, because a field must have exactly one encoding (or 1 and 0xcc01 would be two elements) and
// nothing may be allocated on a stranger's word: msgpack-c offers neither a canonical check nor a pull reader.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <msgpack.hpp>

#include "crdt/ids.hpp"

namespace starling::crdt {

/// Appends MessagePack items to a string.
class Writer {
  public:
    Writer() : packer_(out_) {}
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    Writer& array(std::size_t items) { return packer_.pack_array(std::uint32_t(items)), *this; }
    Writer& uint(std::uint64_t value) {
        if (value < 0x80) return out_.text.push_back(char(value)), *this;  // most are, and are one byte
        return packer_.pack_uint64(value), *this;
    }
    Writer& sint(std::int64_t value) { return packer_.pack_int64(value), *this; }
    Writer& nil() { return packer_.pack_nil(), *this; }
    Writer& boolean(bool value) { return value ? packer_.pack_true() : packer_.pack_false(), *this; }
    Writer& float64(double value) { return packer_.pack_double(value), *this; }
    Writer& str(BytesView text);
    Writer& bin(BytesView bytes);
    /// The beginning of a bin whose bytes are to follow.
    Writer& bin_head(std::size_t bytes) { return packer_.pack_bin(std::uint32_t(bytes)), *this; }
    /// 16 raw bytes inside a bin, high word first.
    Writer& words(std::uint64_t high, std::uint64_t low);
    /// 40 raw bytes inside a bin: node key, then life in big-endian order.
    Writer& replica(const ReplicaId& id);
    /// Bytes that are MessagePack already.
    Writer& raw(BytesView item) { return out_.append(item), *this; }

    void reserve(std::size_t bytes) { out_.text.reserve(bytes); }
    std::size_t size() const { return out_.text.size(); }
    Bytes take() { return std::move(out_.text); }

  private:
    struct Sink {
        Bytes text;
        void write(const char* data, std::size_t size) { text.append(data, size); }
        void append(BytesView bytes) { text.append(bytes); }
    };
    Sink out_;
    msgpack::packer<Sink> packer_;
};

/// Reads MessagePack items one after another. After the first failure every read fails (`ok()` tells), so a caller
/// reads a whole record and checks once. Nothing is allocated; views point into the input. Every read is O(1), `skip`
/// O(item).
class Reader {
  public:
    explicit Reader(BytesView bytes) : bytes_(bytes) {}

    bool ok() const { return ok_; }
    bool done() const { return ok_ && at_ == bytes_.size(); }
    std::size_t position() const { return at_; }
    void fail() { ok_ = false; }

    /// The head of an array of at most `items_max`; 0 on failure.
    std::size_t array(std::size_t items_max);
    /// An array of exactly `items`.
    bool tuple(std::size_t items) { return array(items) == items || (fail(), false); }
    std::uint64_t uint(std::uint64_t max = UINT64_MAX);
    std::optional<std::int64_t> sint();
    bool boolean();
    BytesView str(std::size_t bytes_max);
    BytesView bin(std::size_t bytes_max);
    std::pair<std::uint64_t, std::uint64_t> words();
    ReplicaId replica();
    /// One whole item of any shape, nested at most `nesting_max` deep, as its raw bytes.
    BytesView item(std::size_t bytes_max, std::size_t nesting_max);

  private:
    std::uint8_t byte();
    std::uint64_t big_endian(std::size_t size);
    BytesView take(std::size_t size);
    BytesView string(std::uint8_t fix, std::uint8_t fix_mask, std::uint8_t first_long, std::size_t bytes_max);
    void skip(std::size_t nesting_left);

    BytesView bytes_;
    std::size_t at_ = 0;
    bool ok_ = true;
};

/// True when `item` is one canonical scalar: nil, bool, shortest int, float64, str or bin. What a field may be.
bool canonical_field(BytesView item);
/// True when `item` is exactly one well-formed item within the limits for values.
bool valid_value(BytesView item);
/// The integer that `item` holds; nothing when it is no integer in its shortest form or leaves int64.
std::optional<std::int64_t> integer_value(BytesView item);

/// MessagePack of one scalar.
Bytes pack_int(std::int64_t value);
Bytes pack_str(BytesView text);
inline const Bytes& packed_nil() {
    static const Bytes nil(1, '\xc0');
    return nil;
}

}  // namespace starling::crdt
