#include "net/signing.hpp"

#include <sodium.h>

#include "net/secret_file.hpp"

namespace starling::net {

namespace {
const unsigned char* octets(crdt::BytesView bytes) {
    return reinterpret_cast<const unsigned char*>(bytes.data());
}
}  // namespace

static_assert(sizeof(Signature) == crypto_sign_BYTES);

bool verify(const crdt::NodeKey& node, crdt::BytesView message, const Signature& signature) {
    start_sodium();
    return crypto_sign_verify_detached(signature.data(), octets(message), message.size(), node.data()) == 0;
}

Digest256 digest256(std::span<const crdt::BytesView> parts) {
    start_sodium();
    Digest256 digest{};
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, digest.size());
    for (const auto part : parts) crypto_generichash_update(&state, octets(part), part.size());
    crypto_generichash_final(&state, digest.data(), digest.size());
    return digest;
}

}  // namespace starling::net
