#include "net/beacon.hpp"

#include <algorithm>
#include <cstring>

#include <sodium.h>

#include "net/byte_order.hpp"

namespace starling::net {
namespace {

constexpr std::uint8_t beacon_version = 1;
constexpr std::uint8_t flag_asks = 1;
constexpr std::string_view beacon_domain = "starling beacon 1";
constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr std::size_t plain_bytes = beacon_bytes - nonce_bytes - tag_bytes;
constexpr std::size_t used_bytes = 1 + 1 + 2 + 32 + 8 + 8;
static_assert(used_bytes <= plain_bytes);

const unsigned char* domain_bytes() {
    return reinterpret_cast<const unsigned char*>(beacon_domain.data());
}

}  // namespace

SealedBeacon seal(const Beacon& beacon, const Secret<32>& beacon_key) {
    std::array<std::uint8_t, plain_bytes> plain{};
    plain[0] = beacon_version;
    plain[1] = beacon.asks ? flag_asks : 0;
    put_be16(plain.data() + 2, beacon.port);
    std::copy(beacon.node.begin(), beacon.node.end(), plain.begin() + 4);
    put_be64(plain.data() + 36, beacon.boot);
    put_be64(plain.data() + 44, beacon.stamp_us);

    SealedBeacon sealed{};
    randombytes_buf(sealed.data(), nonce_bytes);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data() + nonce_bytes, nullptr, plain.data(), plain.size(),
                                               domain_bytes(), beacon_domain.size(), nullptr, sealed.data(),
                                               beacon_key.data());
    return sealed;
}

std::optional<Beacon> unseal(BytesView bytes, const Secret<32>& beacon_key) {
    if (bytes.size() != beacon_bytes) return std::nullopt;
    const auto* sealed = reinterpret_cast<const unsigned char*>(bytes.data());
    std::array<std::uint8_t, plain_bytes> plain{};
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, sealed + nonce_bytes,
                                                   bytes.size() - nonce_bytes, domain_bytes(), beacon_domain.size(),
                                                   sealed, beacon_key.data()) != 0) {
        return std::nullopt;
    }
    // A later version of the same length may use the flags and the padding; its first fields keep their places.
    if (plain[0] < beacon_version) return std::nullopt;
    Beacon beacon;
    beacon.asks = (plain[1] & flag_asks) != 0;
    beacon.port = get_be16(plain.data() + 2);
    std::copy_n(plain.begin() + 4, beacon.node.size(), beacon.node.begin());
    beacon.boot = get_be64(plain.data() + 36);
    beacon.stamp_us = get_be64(plain.data() + 44);
    if (beacon.port == 0) return std::nullopt;
    return beacon;
}

}  // namespace starling::net
