#include <algorithm>
#include <charconv>
#include <span>

#include <starling/types.hpp>

#include "crdt/ids.hpp"

namespace starling {

namespace {

constexpr std::size_t node_digits = 64;
constexpr std::size_t life_digits = 16;

std::optional<std::uint64_t> number(std::string_view text, int base) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    return whole ? std::optional(value) : std::nullopt;
}

bool lower_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string hex_of(std::uint64_t value) {
    std::string digits(life_digits, '0');
    for (auto at = digits.rbegin(); at != digits.rend(); ++at, value >>= 4) *at = "0123456789abcdef"[value & 15];
    return digits;
}

}  // namespace

std::string NodeId::to_string() const {
    return crdt::to_hex(bytes);
}

std::string NodeId::short_name() const {
    return crdt::to_hex(std::span(bytes).first(4));
}

std::optional<NodeId> NodeId::parse(std::string_view text) {
    if (text.size() != node_digits || !lower_hex(text)) return std::nullopt;
    NodeId id;
    for (std::size_t at = 0; at < id.bytes.size(); ++at)
        id.bytes[at] = std::uint8_t(*number(text.substr(2 * at, 2), 16));
    return id;
}

std::string ReplicaId::to_string() const {
    return node.to_string() + "." + hex_of(life);
}

std::optional<ReplicaId> ReplicaId::parse(std::string_view text) {
    if (text.size() != node_digits + 1 + life_digits || text[node_digits] != '.') return std::nullopt;
    const auto node = NodeId::parse(text.substr(0, node_digits));
    const auto life = text.substr(node_digits + 1);
    if (!node || !lower_hex(life)) return std::nullopt;
    return ReplicaId{*node, *number(life, 16)};
}

std::string Dot::to_string() const {
    return replica.to_string() + ":" + std::to_string(seq);
}

Version::Version(Lines lines) : lines_(std::move(lines)) {
    std::erase_if(lines_, [](const auto& line) { return line.second == 0; });
}

bool Version::covers(const Version& other) const {
    return std::all_of(other.lines_.begin(), other.lines_.end(),
                       [&](const auto& line) { return covers(Dot{line.first, line.second}); });
}

bool Version::covers(const Dot& dot) const {
    const auto at = lines_.find(dot.replica);
    return dot.seq <= (at == lines_.end() ? 0 : at->second);
}

void Version::merge(const Version& other) {
    for (const auto& [replica, seq] : other.lines_) {
        auto& mine = lines_[replica];
        mine = std::max(mine, seq);
    }
}

std::string Version::to_string() const {
    std::string text;
    for (const auto& [replica, seq] : lines_) {
        if (!text.empty()) text += ',';
        text += Dot{replica, seq}.to_string();
    }
    return text.empty() ? "0" : text;
}

std::optional<Version> Version::parse(std::string_view text) {
    Version version;
    if (text == "0") return version;
    for (bool more = true; more;) {
        const auto comma = text.find(',');
        const auto line = text.substr(0, comma);
        more = comma != std::string_view::npos;
        if (more) text.remove_prefix(comma + 1);
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) return std::nullopt;
        const auto replica = ReplicaId::parse(line.substr(0, colon));
        const auto seq = number(line.substr(colon + 1), 10);
        if (!replica || !seq || *seq == 0 || !version.lines_.emplace(*replica, *seq).second) return std::nullopt;
    }
    return version;
}

namespace {

struct TypeName {
    Type type;
    std::string_view name;
};
constexpr TypeName type_names[] = {{Type::counter, "counter"}, {Type::set, "set"},
                                   {Type::map, "map"},         {Type::register_, "register"},
                                   {Type::flag, "flag"},       {Type::multi_value, "multi-value"},
                                   {Type::journal, "journal"}};

}  // namespace

std::string_view name_of(Type type) {
    const auto* at =
        std::find_if(std::begin(type_names), std::end(type_names), [&](auto& t) { return t.type == type; });
    return at == std::end(type_names) ? "unknown" : at->name;
}

std::optional<Type> type_named(std::string_view name) {
    const auto* at =
        std::find_if(std::begin(type_names), std::end(type_names), [&](auto& t) { return t.name == name; });
    return at == std::end(type_names) ? std::nullopt : std::optional(at->type);
}

}  // namespace starling
