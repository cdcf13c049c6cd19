// Writing goes through msgpack-c, which emits shortest forms. Reading is lenient about the form (another implementation
// may write 1 as a 64-bit integer inside a value) and strict about bounds: what it reads came from somewhere else.
#include <cmath>
#include <cstring>
#include <limits>

#include <msgpack.hpp>

#include <starling/codec.hpp>

namespace starling {

namespace {

struct Sink {
    std::string& out;
    void write(const char* data, std::size_t size) { out.append(data, size); }
};

msgpack::packer<Sink> packer(Sink& sink) {
    return msgpack::packer<Sink>(sink);
}

template <class Pack>
void pack(std::string& out, Pack pack) {
    Sink sink{out};
    auto to = packer(sink);
    pack(to);
}

// Heads of MessagePack items.
constexpr unsigned nil_head = 0xc0, false_head = 0xc2, true_head = 0xc3, bin8 = 0xc4, float32 = 0xca, float64 = 0xcb,
                   uint8 = 0xcc, uint64 = 0xcf, int8 = 0xd0, int64 = 0xd3, str8 = 0xd9, array16 = 0xdc, map16 = 0xde,
                   fixmap = 0x80, fixarray = 0x90, fixstr = 0xa0, negative = 0xe0;

}  // namespace

void Encoder::nil() {
    pack(out_, [](auto& to) { to.pack_nil(); });
}
void Encoder::boolean(bool value) {
    pack(out_, [&](auto& to) { value ? to.pack_true() : to.pack_false(); });
}
void Encoder::integer(std::int64_t value) {
    pack(out_, [&](auto& to) { to.pack_int64(value); });
}
void Encoder::unsigned_integer(std::uint64_t value) {
    pack(out_, [&](auto& to) { to.pack_uint64(value); });
}
void Encoder::number(double value) {
    if (std::isnan(value)) value = std::numeric_limits<double>::quiet_NaN();
    pack(out_, [&](auto& to) { to.pack_double(value); });
}
void Encoder::text(std::string_view value) {
    pack(out_, [&](auto& to) {
        to.pack_str(std::uint32_t(value.size())).pack_str_body(value.data(), std::uint32_t(value.size()));
    });
}
void Encoder::bytes(const void* data, std::size_t size) {
    pack(out_, [&](auto& to) {
        to.pack_bin(std::uint32_t(size)).pack_bin_body(static_cast<const char*>(data), std::uint32_t(size));
    });
}
void Encoder::array(std::size_t items) {
    pack(out_, [&](auto& to) { to.pack_array(std::uint32_t(items)); });
}
void Encoder::map(std::size_t pairs) {
    pack(out_, [&](auto& to) { to.pack_map(std::uint32_t(pairs)); });
}

// -- reading

std::uint64_t Decoder::big_endian(std::size_t at, std::size_t size) const {
    std::uint64_t value = 0;
    for (char c : bytes_.substr(at, size)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

/// The number of `size` bytes that follows a head; moves past both.
std::uint64_t Decoder::fixed(std::size_t size) {
    if (bytes_.size() - at_ < 1 + size) return fail(), 0;
    const auto value = big_endian(at_ + 1, size);
    at_ += 1 + size;
    return value;
}

std::string_view Decoder::sized(std::size_t head_bytes, std::uint64_t size) {
    if (bytes_.size() - at_ < head_bytes || bytes_.size() - at_ - head_bytes < size) return fail(), std::string_view{};
    const auto view = bytes_.substr(at_ + head_bytes, std::size_t(size));
    at_ += head_bytes + std::size_t(size);
    return view;
}

/// The count in the head of an array or a map, whose items need at least `least_bytes` each.
std::size_t Decoder::counted(unsigned fix, unsigned first_long, std::size_t least_bytes) {
    if (!ok_ || at_ == bytes_.size()) return fail(), 0;
    std::uint64_t count = 0;
    if ((head() & 0xf0) == fix) {
        count = head() & 15;
        ++at_;
    } else if (head() == first_long || head() == first_long + 1) {
        count = fixed(head() == first_long ? 2 : 4);
    } else {
        fail();
    }
    if (count > (bytes_.size() - at_) / least_bytes) fail();
    return ok_ ? std::size_t(count) : 0;
}

Decoder::Kind Decoder::peek() const {
    if (!ok_ || at_ == bytes_.size()) return Kind::none;
    const unsigned head = this->head();
    if (head < fixmap || head >= negative || (head >= int8 && head <= int64)) return Kind::integer;
    if (head < fixarray) return Kind::map;
    if (head < fixstr) return Kind::array;
    if (head < nil_head) return Kind::text;
    if (head == nil_head) return Kind::nil;
    if (head == false_head || head == true_head) return Kind::boolean;
    if (head >= bin8 && head <= bin8 + 2) return Kind::bytes;
    if (head == float32 || head == float64) return Kind::number;
    if (head == uint64 && bytes_.size() > at_ + 1 && (static_cast<unsigned char>(bytes_[at_ + 1]) & 0x80) != 0)
        return Kind::unsigned_integer;
    if (head >= uint8 && head <= uint64) return Kind::integer;
    if (head >= str8 && head <= str8 + 2) return Kind::text;
    if (head == array16 || head == array16 + 1) return Kind::array;
    if (head == map16 || head == map16 + 1) return Kind::map;
    return Kind::none;
}

void Decoder::nil() {
    if (peek() != Kind::nil) return fail();
    ++at_;
}

bool Decoder::boolean() {
    if (peek() != Kind::boolean) return fail(), false;
    return static_cast<unsigned char>(bytes_[at_++]) == true_head;
}

std::int64_t Decoder::integer() {
    if (peek() != Kind::integer) return fail(), 0;
    const unsigned head = this->head();
    if (head < fixmap || head >= negative) return ++at_, std::int8_t(head);
    if (head <= uint64) return std::int64_t(fixed(std::size_t{1} << (head - uint8)));
    const auto size = std::size_t{1} << (head - int8);
    const auto shift = 64 - 8 * size;
    return std::int64_t(fixed(size) << shift) >> shift;
}

std::uint64_t Decoder::unsigned_integer() {
    if (peek() == Kind::unsigned_integer) return fixed(8);
    const auto value = integer();
    if (value < 0) fail();
    return ok_ ? std::uint64_t(value) : 0;
}

double Decoder::number() {
    const auto kind = peek();
    if (kind == Kind::integer) return double(integer());
    if (kind == Kind::unsigned_integer) return double(unsigned_integer());
    if (kind != Kind::number) return fail(), 0;
    if (head() == float32) {
        const auto bits = std::uint32_t(fixed(4));
        float value = 0;
        std::memcpy(&value, &bits, sizeof value);
        return double(value);
    }
    const auto bits = fixed(8);
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

std::string_view Decoder::text() {
    if (peek() != Kind::text) return fail(), std::string_view{};
    if (head() < nil_head) return sized(1, head() & 31);
    const auto size = std::size_t{1} << (head() - str8);
    return sized(1 + size, big_endian(at_ + 1, size));
}

std::string_view Decoder::bytes() {
    if (peek() != Kind::bytes) return fail(), std::string_view{};
    const auto size = std::size_t{1} << (head() - bin8);
    return sized(1 + size, big_endian(at_ + 1, size));
}

std::size_t Decoder::array() {
    return counted(fixarray, array16, 1);
}
std::size_t Decoder::map() {
    return counted(fixmap, map16, 2);
}

void Decoder::array(std::size_t items) {
    if (array() != items) fail();
}

}  // namespace starling
