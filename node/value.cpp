#include <charconv>
#include <cmath>
#include <cstdio>

#include <starling/codec.hpp>
#include <starling/value.hpp>

namespace starling {

namespace {

void write_text(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", unsigned(c));
            out += escape;
        } else {
            out += c;
        }
    }
    out += '"';
}

void write_bytes(std::string& out, const Bytes& bytes) {
    out += '"';
    for (const std::byte byte : bytes) {
        out += "0123456789abcdef"[unsigned(byte) >> 4];
        out += "0123456789abcdef"[unsigned(byte) & 15];
    }
    out += '"';
}

void write_number(std::string& out, double value) {
    if (!std::isfinite(value)) {  // JSON has no word for these
        out += std::isnan(value) ? "\"nan\"" : value > 0 ? "\"inf\"" : "\"-inf\"";
        return;
    }
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, end);
}

struct Printer {
    std::string& out;

    void operator()(std::monostate) { out += "null"; }
    void operator()(bool value) { out += value ? "true" : "false"; }
    void operator()(std::int64_t value) { out += std::to_string(value); }
    void operator()(std::uint64_t value) { out += std::to_string(value); }
    void operator()(double value) { write_number(out, value); }
    void operator()(const std::string& text) { write_text(out, text); }
    void operator()(const Bytes& bytes) { write_bytes(out, bytes); }
    void operator()(const Value::Array& items) {
        out += '[';
        for (std::size_t at = 0; at < items.size(); ++at) {
            if (at > 0) out += ", ";
            std::visit(*this, items[at].data());
        }
        out += ']';
    }
    void operator()(const Value::Map& items) {
        out += '{';
        for (std::size_t at = 0; at < items.size(); ++at) {
            if (at > 0) out += ", ";
            const auto& [key, value] = items[at];
            const auto* text = key.as<std::string>();
            write_text(out, text != nullptr ? *text : key.to_string());
            out += ": ";
            std::visit(*this, value.data());
        }
        out += '}';
    }
};

struct Writer {
    Encoder& out;

    void operator()(std::monostate) { out.nil(); }
    void operator()(bool value) { out.boolean(value); }
    void operator()(std::int64_t value) { out.integer(value); }
    void operator()(std::uint64_t value) { out.unsigned_integer(value); }
    void operator()(double value) { out.number(value); }
    void operator()(const std::string& text) { out.text(text); }
    void operator()(const Bytes& bytes) { out.write(bytes); }
    void operator()(const Value::Array& items) {
        out.array(items.size());
        for (const auto& item : items) std::visit(*this, item.data());
    }
    void operator()(const Value::Map& items) {
        out.map(items.size());
        for (const auto& [key, value] : items) {
            std::visit(*this, key.data());
            std::visit(*this, value.data());
        }
    }
};

}  // namespace

std::string Value::to_string() const {
    std::string out;
    std::visit(Printer{out}, data_);
    return out;
}

std::string Value::encode() const {
    return starling::encode(*this);
}

std::optional<Value> Value::decode(std::string_view bytes) {
    return starling::decode<Value>(bytes);
}

void Codec<Value>::encode(Encoder& out, const Value& value) {
    std::visit(Writer{out}, value.data());
}

Value Codec<Value>::decode(Decoder& in) {
    switch (in.peek()) {
        case Decoder::Kind::nil:
            in.nil();
            return {};
        case Decoder::Kind::boolean:
            return in.boolean();
        case Decoder::Kind::integer:
            return in.integer();
        case Decoder::Kind::unsigned_integer:
            return in.unsigned_integer();
        case Decoder::Kind::number:
            return in.number();
        case Decoder::Kind::text:
            return in.text();
        case Decoder::Kind::bytes:
            return in.read<Bytes>();
        case Decoder::Kind::array: {
            Value::Array items;
            auto left = in.array();
            if (++in.nesting_ > Value::nesting_max && left > 0) in.fail();
            for (; left > 0 && in.ok(); --left) items.push_back(decode(in));
            --in.nesting_;
            return items;
        }
        case Decoder::Kind::map: {
            Value::Map items;
            auto left = in.map();
            if (++in.nesting_ > Value::nesting_max && left > 0) in.fail();
            for (; left > 0 && in.ok(); --left) {
                auto key = decode(in);
                items.emplace_back(std::move(key), decode(in));
            }
            --in.nesting_;
            return items;
        }
        case Decoder::Kind::none:
            break;
    }
    in.fail();
    return {};
}

}  // namespace starling
