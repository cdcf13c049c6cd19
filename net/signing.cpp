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

Digest256 digest256(crdt::BytesView bytes) {
    start_sodium();
    Digest256 digest{};
    crypto_generichash(digest.data(), digest.size(), octets(bytes), bytes.size(), nullptr, 0);
    return digest;
}

}  // namespace starling::net
