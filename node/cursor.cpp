// A cursor's text: base64url (RFC 4648, section 5, without padding) of
//
//     1, then for each node: its 32 bytes, the number of its lives, for each life 8 bytes and its seq; then 4 bytes
//     of a hash of all that, so that a text of which a part is missing is not taken for a whole one
//
// With what is gone it begins with 2, the number of bytes of the nodes that were read, these, and those that are gone.
//
// Numbers are LEB128, lives big-endian, and all in ascending order: a cursor has one text.
#include <algorithm>

#include <starling/events.hpp>

#include "crdt/hash.hpp"

namespace starling {

namespace {

constexpr char cursor_format = 1, cursor_format_with_gone = 2;
constexpr std::size_t hash_bytes = 4;
constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string base64_of(std::string_view bytes) {
    std::string text;
    unsigned bits = 0, held = 0;
    for (const char c : bytes) {
        bits = bits << 8 | static_cast<unsigned char>(c);
        for (held += 8; held >= 6; held -= 6) text += digits[(bits >> (held - 6)) & 63];
    }
    if (held > 0) text += digits[(bits << (6 - held)) & 63];
    return text;
}

std::optional<std::string> bytes_of_base64(std::string_view text) {
    std::string bytes;
    unsigned bits = 0, held = 0;
    for (const char c : text) {
        const auto digit = std::string_view(digits, 64).find(c);
        if (digit == std::string_view::npos) return std::nullopt;
        bits = bits << 6 | unsigned(digit);
        held += 6;
        if (held < 8) continue;
        held -= 8;
        bytes += char((bits >> held) & 255);
    }
    const bool one_text = held < 6 && (bits & ((1U << held) - 1)) == 0;
    return one_text ? std::optional(bytes) : std::nullopt;
}

std::string hash_of(std::string_view bytes) {
    const auto sum = crdt::siphash128(bytes, crdt::fingerprint_key);
    std::string text;
    for (std::size_t at = 0; at < hash_bytes; ++at) text += char((sum.low >> (8 * at)) & 255);
    return text;
}

void put_number(std::string& out, std::uint64_t value) {
    for (; value >= 128; value >>= 7) out += char((value & 127) | 128);
    out += char(value);
}

/// Reads what was put, and fails for good at the first thing that was not.
class Bytewise {
  public:
    explicit Bytewise(std::string_view bytes) : rest_(bytes) {}
    bool ok() const { return ok_; }
    bool done() const { return rest_.empty(); }
    std::size_t left() const { return rest_.size(); }

    std::string_view take(std::size_t size) {
        ok_ = ok_ && rest_.size() >= size;
        if (!ok_) return {};
        const auto taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    std::uint64_t big_endian() {
        std::uint64_t value = 0;
        for (const char c : take(8)) value = value << 8 | static_cast<unsigned char>(c);
        return value;
    }
    std::uint64_t number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            const auto next = take(1);
            if (next.empty()) return 0;
            const auto byte = static_cast<unsigned char>(next.front());
            const bool fits = shift < 63 || (shift == 63 && byte <= 1);
            if (!fits || (byte == 0 && shift > 0)) return ok_ = false, 0;
            value |= std::uint64_t(byte & 127) << shift;
            if (byte < 128) return value;
        }
    }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

/// The lives of one node; false where they are not what `to_string` writes.
bool read_node(Bytewise& in, Version::Lines& lines) {
    ReplicaId id;
    const auto key = in.take(id.node.bytes.size());
    std::copy(key.begin(), key.end(), id.node.bytes.begin());
    auto left = in.number();
    if (left == 0) return false;
    for (; left > 0 && in.ok(); --left) {
        id.life = in.big_endian();
        const auto seq = in.number();
        if (!in.ok() || seq == 0 || (!lines.empty() && lines.rbegin()->first >= id)) return false;
        lines.emplace_hint(lines.end(), id, seq);
    }
    return in.ok();
}

/// All of it is nodes; nothing where it is not.
std::optional<Version> read_version(std::string_view bytes) {
    Version::Lines lines;
    Bytewise in(bytes);
    while (!in.done()) {
        if (!read_node(in, lines)) return std::nullopt;
    }
    return Version(std::move(lines));
}

std::string bytes_of(const Version& version) {
    std::string bytes;
    const auto& lines = version.lines();
    for (auto at = lines.begin(); at != lines.end();) {
        const auto& node = at->first.node;
        std::string lives;
        std::uint64_t count = 0;
        for (; at != lines.end() && at->first.node == node; ++at, ++count) {
            for (int shift = 56; shift >= 0; shift -= 8) lives += char((at->first.life >> shift) & 255);
            put_number(lives, at->second);
        }
        bytes.append(node.bytes.begin(), node.bytes.end());
        put_number(bytes, count);
        bytes += lives;
    }
    return bytes;
}

}  // namespace

bool Cursor::knows(const Version& dots) const {
    return std::ranges::all_of(dots.lines(), [&](const auto& line) {
        const Dot dot{line.first, line.second};
        return version_.covers(dot) || gone_.covers(dot);
    });
}

std::string Cursor::to_string() const {
    const auto read = bytes_of(version_);
    std::string bytes(1, gone_.lines().empty() ? cursor_format : cursor_format_with_gone);
    if (!gone_.lines().empty()) put_number(bytes, read.size());
    bytes += read + bytes_of(gone_);
    return base64_of(bytes + hash_of(bytes));
}

std::optional<Cursor> Cursor::parse(std::string_view text) {
    const auto bytes = bytes_of_base64(text);
    if (!bytes || bytes->size() < 1 + hash_bytes) return std::nullopt;
    const auto body = std::string_view(*bytes).substr(0, bytes->size() - hash_bytes);
    if (std::string_view(*bytes).substr(body.size()) != hash_of(body)) return std::nullopt;
    Bytewise in(body);
    const auto format = in.take(1).front();
    if (format != cursor_format && format != cursor_format_with_gone) return std::nullopt;
    const auto read_bytes = format == cursor_format ? in.left() : std::size_t(in.number());
    const auto read = read_version(in.take(read_bytes));
    const auto gone = read_version(in.take(in.left()));
    if (!in.ok() || !read || !gone || gone->lines().empty() != (format == cursor_format)) return std::nullopt;
    return Cursor(*read, *gone);
}

}  // namespace starling
