#include "crdt/ids.hpp"

namespace starling::crdt {

std::string to_hex(std::span<const std::uint8_t> bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (auto byte : bytes) {
        out.push_back(digits[byte >> 4]);
        out.push_back(digits[byte & 15]);
    }
    return out;
}

std::string short_name(const NodeKey& node) {
    return to_hex(std::span(node).first(4));
}

std::string short_name(const ReplicaId& replica) {
    const std::array<std::uint8_t, 2> life{std::uint8_t(replica.life >> 56), std::uint8_t(replica.life >> 48)};
    return short_name(replica.node) + "." + to_hex(life);
}

}  // namespace starling::crdt
