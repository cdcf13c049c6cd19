// Integers on the wire are big-endian, here as everywhere in network formats.
#pragma once

#include <cstdint>

namespace starling::net {

inline void put_be16(std::uint8_t* out, std::uint16_t value) {
    out[0] = std::uint8_t(value >> 8);
    out[1] = std::uint8_t(value);
}
inline void put_be32(std::uint8_t* out, std::uint32_t value) {
    put_be16(out, std::uint16_t(value >> 16));
    put_be16(out + 2, std::uint16_t(value));
}
inline void put_be64(std::uint8_t* out, std::uint64_t value) {
    for (int at = 7; at >= 0; --at, value >>= 8) out[at] = std::uint8_t(value);
}
inline std::uint16_t get_be16(const std::uint8_t* in) {
    return std::uint16_t(in[0] << 8 | in[1]);
}
inline std::uint32_t get_be32(const std::uint8_t* in) {
    return std::uint32_t(get_be16(in)) << 16 | get_be16(in + 2);
}
inline std::uint64_t get_be64(const std::uint8_t* in) {
    std::uint64_t value = 0;
    for (int at = 0; at < 8; ++at) value = value << 8 | in[at];
    return value;
}

}  // namespace starling::net
