#include "crdt/codec.hpp"

#include <algorithm>

#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

namespace {

void put_big_endian(char* at, std::uint64_t value) {
    for (int i = 7; i >= 0; --i, value >>= 8) at[i] = char(value);
}

}  // namespace

Writer& Writer::str(BytesView text) {
    if (text.size() < 32) {
        out_.text.push_back(char(0xa0 | text.size()));
    } else {
        packer_.pack_str(std::uint32_t(text.size()));
    }
    return raw(text);
}

Writer& Writer::bin(BytesView bytes) {
    packer_.pack_bin(std::uint32_t(bytes.size()));
    packer_.pack_bin_body(bytes.data(), std::uint32_t(bytes.size()));
    return *this;
}

Writer& Writer::words(std::uint64_t high, std::uint64_t low) {
    char bytes[16];
    put_big_endian(bytes, high);
    put_big_endian(bytes + 8, low);
    return bin({bytes, sizeof bytes});
}

Writer& Writer::replica(const ReplicaId& id) {
    char bytes[40];
    std::copy(id.node.begin(), id.node.end(), bytes);
    put_big_endian(bytes + 32, id.life);
    return bin({bytes, sizeof bytes});
}

// -- reading
// -------------------------------------------------------------------------------------------------------------

std::uint8_t Reader::byte() {
    if (!ok_ || at_ >= bytes_.size()) return ok_ = false, 0xc1;  // 0xc1 is never a valid head
    return std::uint8_t(bytes_[at_++]);
}

BytesView Reader::take(std::size_t size) {
    if (!ok_ || bytes_.size() - at_ < size) return ok_ = false, BytesView{};
    auto view = bytes_.substr(at_, size);
    at_ += size;
    return view;
}

std::uint64_t Reader::big_endian(std::size_t size) {
    std::uint64_t value = 0;
    for (char c : take(size)) value = value << 8 | std::uint8_t(c);
    return value;
}

std::size_t Reader::array(std::size_t items_max) {
    const auto head = byte();
    std::uint64_t items = 0;
    if ((head & 0xf0) == 0x90) {
        items = head & 15;
    } else if (head == 0xdc && (items = big_endian(2)) > 15) {
    } else if (head == 0xdd && (items = big_endian(4)) > 0xffff) {
    } else {
        ok_ = false;
    }
    if (items > items_max) ok_ = false;
    return ok_ ? std::size_t(items) : 0;
}

std::uint64_t Reader::uint(std::uint64_t max) {
    const auto head = byte();
    std::uint64_t value = head;
    if (head >= 0x80) {
        static constexpr std::uint64_t least[] = {0x80, 0x100, 0x10000, 0x100000000};
        if (head < 0xcc || head > 0xcf) return ok_ = false, 0;
        value = big_endian(std::size_t{1} << (head - 0xcc));
        if (value < least[head - 0xcc] && !mutant(Mutant::longer_integers_pass)) ok_ = false;  // not the shortest form
    }
    if (value > max) ok_ = false;
    return ok_ ? value : 0;
}

std::optional<std::int64_t> Reader::sint() {
    const auto start = at_;
    const auto head = byte();
    if (!ok_) return std::nullopt;
    if (head >= 0xe0) return std::int64_t(std::int8_t(head));
    if (head >= 0xd0 && head <= 0xd3) {
        const auto size = std::size_t{1} << (head - 0xd0);
        const auto raw = big_endian(size) << (64 - 8 * size);
        const auto value = std::int64_t(raw) >> (64 - 8 * size);
        static constexpr std::int64_t past[] = {-32, INT8_MIN, INT16_MIN, INT32_MIN};  // shortest form: below these
        if (value >= past[head - 0xd0]) ok_ = false;
        return ok_ ? std::optional(value) : std::nullopt;
    }
    at_ = start;
    const auto value = uint(INT64_MAX);
    return ok_ ? std::optional(std::int64_t(value)) : std::nullopt;
}

bool Reader::boolean() {
    const auto head = byte();
    if (head != 0xc2 && head != 0xc3) ok_ = false;
    return ok_ && head == 0xc3;
}

BytesView Reader::string(std::uint8_t fix, std::uint8_t fix_mask, std::uint8_t first_long, std::size_t bytes_max) {
    const auto head = byte();
    std::uint64_t size = 0;
    if (fix_mask != 0 && (head & fix_mask) == fix) {
        size = head & std::uint8_t(~fix_mask);
    } else if (head >= first_long && head <= first_long + 2) {
        const auto width = head - first_long;
        size = big_endian(std::size_t{1} << width);
        const std::uint64_t least[] = {fix_mask != 0 ? 32U : 0U, 0x100, 0x10000};
        if (size < least[width]) ok_ = false;
    } else {
        ok_ = false;
    }
    if (size > bytes_max) ok_ = false;
    return take(ok_ ? std::size_t(size) : 0);
}

BytesView Reader::str(std::size_t bytes_max) {
    return string(0xa0, 0xe0, 0xd9, bytes_max);
}
BytesView Reader::bin(std::size_t bytes_max) {
    return string(0, 0, 0xc4, bytes_max);
}

std::pair<std::uint64_t, std::uint64_t> Reader::words() {
    Reader inner(bin(16));
    const auto high = inner.big_endian(8);
    const auto low = inner.big_endian(8);
    if (!inner.done()) ok_ = false;
    return {high, low};
}

ReplicaId Reader::replica() {
    ReplicaId id;
    const auto bytes = bin(40);
    if (bytes.size() != 40) return ok_ = false, id;
    std::transform(bytes.begin(), bytes.begin() + 32, id.node.begin(), [](char c) { return std::uint8_t(c); });
    id.life = Reader(bytes.substr(32)).big_endian(8);
    return id;
}

void Reader::skip(std::size_t nesting_left) {
    const auto head = byte();
    if (!ok_) return;
    std::uint64_t children = 0;
    if (head < 0x80 || head >= 0xe0 || head == 0xc0 || head == 0xc2 || head == 0xc3) return;
    if ((head & 0xe0) == 0xa0) return void(take(head & 31));
    if ((head & 0xf0) == 0x90) {
        children = head & 15;
    } else if ((head & 0xf0) == 0x80) {
        children = 2 * std::uint64_t(head & 15);
    } else if (head >= 0xc4 && head <= 0xc6) {  // bin
        return void(take(big_endian(std::size_t{1} << (head - 0xc4))));
    } else if (head >= 0xc7 && head <= 0xc9) {  // ext: a type byte, then the data
        return void(take(big_endian(std::size_t{1} << (head - 0xc7)) + 1));
    } else if (head == 0xca || head == 0xcb) {  // floats
        return void(take(head == 0xca ? 4 : 8));
    } else if (head >= 0xcc && head <= 0xd3) {  // ints
        return void(take(std::size_t{1} << ((head - 0xcc) & 3)));
    } else if (head >= 0xd4 && head <= 0xd8) {  // fixext
        return void(take((std::size_t{1} << (head - 0xd4)) + 1));
    } else if (head >= 0xd9 && head <= 0xdb) {  // str
        return void(take(big_endian(std::size_t{1} << (head - 0xd9))));
    } else if (head == 0xdc || head == 0xdd) {  // array
        children = big_endian(head == 0xdc ? 2 : 4);
    } else if (head == 0xde || head == 0xdf) {  // map
        children = 2 * big_endian(head == 0xde ? 2 : 4);
    } else {
        ok_ = false;
    }
    if (children > 0 && nesting_left == 0) ok_ = false;
    for (; children > 0 && ok_; --children) skip(nesting_left - 1);
}

BytesView Reader::item(std::size_t bytes_max, std::size_t nesting_max) {
    const auto start = at_;
    skip(nesting_max);
    if (at_ - start > bytes_max) ok_ = false;
    return ok_ ? bytes_.substr(start, at_ - start) : BytesView{};
}

// -- items that stand alone
// ----------------------------------------------------------------------------------------------

bool canonical_field(BytesView item) {
    if (item.empty() || item.size() > field_bytes_max) return false;
    const auto head = std::uint8_t(item[0]);
    if (head == 0xc0 || head == 0xc2 || head == 0xc3) return item.size() == 1;
    if (head == 0xcb) return item.size() == 9;
    if ((head & 0xe0) == 0xa0) return item.size() == 1 + std::size_t(head & 31);  // most are short texts
    Reader reader(item);
    if (head >= 0xd9 && head <= 0xdb) {
        reader.str(field_bytes_max);
    } else if (head >= 0xc4 && head <= 0xc6) {
        reader.bin(field_bytes_max);
    } else if (head >= 0xe0 || (head >= 0xd0 && head <= 0xd3)) {
        reader.sint();
    } else {
        reader.uint();
    }
    return reader.done();
}

bool valid_value(BytesView item) {
    if (item.size() == 1 && std::uint8_t(item[0]) < 0x80) return true;
    Reader reader(item);
    reader.item(value_bytes_max, value_nesting_max);
    return reader.done();
}

std::optional<std::int64_t> integer_value(BytesView item) {
    Reader reader(item);
    const auto value = reader.sint();
    return reader.done() ? value : std::nullopt;
}

Bytes pack_int(std::int64_t value) {
    Writer writer;
    writer.sint(value);
    return writer.take();
}

Bytes pack_str(BytesView text) {
    Writer writer;
    writer.str(text);
    return writer.take();
}

}  // namespace starling::crdt
