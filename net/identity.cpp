#include "net/identity.hpp"

#include <algorithm>
#include <cstring>

#include <sodium.h>

#include "net/secret_file.hpp"

namespace starling::net {
namespace {
constexpr std::string_view identity_label = "starling-identity-1";
}

std::optional<CurveKey> curve_key_of(const NodeKey& node) {
    CurveKey curve{};
    if (crypto_sign_ed25519_pk_to_curve25519(curve.data(), node.data()) != 0) return std::nullopt;
    return curve;
}

Identity::Identity(const Secret<32>& seed) : seed_(seed) {
    crypto_sign_seed_keypair(node_key_.data(), sign_secret_.data(), seed_.data());
    bool derived = crypto_sign_ed25519_sk_to_curve25519(curve_secret_.data(), sign_secret_.data()) == 0 &&
                   crypto_scalarmult_base(curve_public_.data(), curve_secret_.data()) == 0;
    STARLING_ASSERT(derived, "every seed gives a CURVE key pair");
}

Identity Identity::generate() {
    start_sodium();
    Secret<32> seed;
    randombytes_buf(seed.data(), seed.size());
    return Identity(seed);
}

Result<Identity> Identity::load(const std::filesystem::path& path) {
    auto seed = read_secret_file(path, identity_label);
    if (!seed) return seed.fault();
    return Identity(*seed);
}

Result<Done> Identity::save(const std::filesystem::path& path) const {
    return write_secret_file(path, identity_label, seed_);
}

Signature Identity::sign(BytesView message) const {
    Signature signature{};
    crypto_sign_detached(signature.data(), nullptr, reinterpret_cast<const unsigned char*>(message.data()),
                         message.size(), sign_secret_.data());
    return signature;
}

void Identity::check() const {
    auto curve = curve_key_of(node_key_);
    STARLING_ASSERT(curve && *curve == curve_public_, "the CURVE key belongs to the node key");
    STARLING_ASSERT(std::equal(node_key_.begin(), node_key_.end(), sign_secret_.data() + 32),
                    "the secret key belongs to the node key");
}

}  // namespace starling::net
