#include "net/key_seal.hpp"

#include <algorithm>
#include <optional>
#include <span>

#include <sodium.h>

#include "net/byte_order.hpp"
#include "net/secret_file.hpp"

namespace starling::net {
namespace {

constexpr std::string_view seal_label = "starling-seal-1";
constexpr std::string_view proof_label = "starling-seal-proof-1";
constexpr std::string_view proof_text = "this is the right key";
constexpr std::size_t salt_bytes = crypto_pwhash_SALTBYTES;
constexpr std::size_t proof_bytes = proof_text.size() + KeySeal::overhead_bytes;

/// How the key comes about. The first byte of the file.
enum class From : std::uint8_t { passphrase = 1, application = 2 };

/// from 1, passes 8, bytes 8, salt 16, proof
constexpr std::size_t seal_file_bytes = 1 + 8 + 8 + salt_bytes + proof_bytes;
using Content = std::array<std::uint8_t, seal_file_bytes>;

const std::uint8_t* text_bytes(BytesView bytes) {
    return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

std::optional<Secret<32>> stretched(std::string_view passphrase, const Content& content) {
    Secret<32> key;
    const auto passes = get_be64(&content[1]), bytes = get_be64(&content[9]);
    if (crypto_pwhash(key.data(), key.size(), passphrase.data(), passphrase.size(), &content[17], passes,
                      std::size_t(bytes), crypto_pwhash_ALG_ARGON2ID13) != 0)
        return std::nullopt;
    return key;
}

BytesView proof_in(const Content& content) {
    return BytesView(reinterpret_cast<const char*>(content.data()), content.size())
        .substr(seal_file_bytes - proof_bytes);
}

Result<Content> read_content(const std::filesystem::path& file, From from) {
    Content content{};
    const auto size = read_secret_file(file, seal_label, content);
    if (!size) return size.fault();
    if (*size != content.size()) return Fault{FaultCode::malformed, file.string() + ": of another length"};
    if (content[0] != std::uint8_t(from))
        return Fault{FaultCode::refused, from == From::passphrase ? "the keys are sealed by a key of the application"
                                                                  : "the keys are sealed by a passphrase"};
    return content;
}

Fault no_memory() {
    return Fault{FaultCode::not_available, "not enough memory to work out the key of a passphrase"};
}

}  // namespace

Bytes KeySeal::seal(std::string_view label, BytesView bytes) const {
    constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
    Bytes sealed(overhead_bytes + bytes.size(), '\0');
    auto* out = reinterpret_cast<std::uint8_t*>(sealed.data());
    randombytes_buf(out, nonce_bytes);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out + nonce_bytes, nullptr, text_bytes(bytes), bytes.size(),
                                               text_bytes(label), label.size(), nullptr, out, key_.data());
    return sealed;
}

std::optional<std::size_t> KeySeal::open(std::string_view label, BytesView sealed, std::span<std::uint8_t> into) const {
    constexpr std::size_t nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
    if (sealed.size() < overhead_bytes || sealed.size() - overhead_bytes > into.size()) return std::nullopt;
    unsigned long long size = 0;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(into.data(), &size, nullptr, text_bytes(sealed) + nonce_bytes,
                                                   sealed.size() - nonce_bytes, text_bytes(label), label.size(),
                                                   text_bytes(sealed), key_.data()) != 0)
        return std::nullopt;
    return std::size_t(size);
}

Result<KeySeal> KeySeal::checked(const std::filesystem::path& file, const Secret<32>& key, BytesView proof) {
    const KeySeal made(key);
    std::array<std::uint8_t, proof_bytes> text{};
    const auto size = made.open(proof_label, proof, text);
    if (!size) return Fault{FaultCode::refused, file.string() + ": not the passphrase or key that sealed the keys"};
    return made;
}

Result<KeySeal> KeySeal::from_passphrase(const std::filesystem::path& file, std::string_view passphrase) {
    start_sodium();
    if (passphrase.empty() || passphrase.size() > passphrase_bytes_max)
        return Fault{FaultCode::too_large, "a passphrase has 1 to 1024 bytes"};
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
        const auto content = read_content(file, From::passphrase);
        if (!content) return content.fault();
        if (get_be64(&(*content)[1]) > argon_passes_max || get_be64(&(*content)[9]) > argon_bytes_max)
            return Fault{FaultCode::too_large, file.string() + " asks for more than a passphrase may cost"};
        const auto key = stretched(passphrase, *content);
        return key ? checked(file, *key, proof_in(*content)) : Result<KeySeal>(no_memory());
    }
    Content content{};
    content[0] = std::uint8_t(From::passphrase);
    put_be64(&content[1], argon_passes);
    put_be64(&content[9], argon_bytes);
    randombytes_buf(&content[17], salt_bytes);
    const auto key = stretched(passphrase, content);
    if (!key) return no_memory();
    const KeySeal made(*key);
    std::ranges::copy(made.seal(proof_label, proof_text), content.end() - proof_bytes);
    if (auto saved = write_secret_file(file, seal_label, content); !saved) return saved.fault();
    return made;
}

Result<KeySeal> KeySeal::from_key(const std::filesystem::path& file, const Secret<32>& key) {
    start_sodium();
    std::error_code error;
    if (std::filesystem::exists(file, error)) {
        const auto content = read_content(file, From::application);
        return content ? checked(file, key, proof_in(*content)) : Result<KeySeal>(content.fault());
    }
    Content content{};
    content[0] = std::uint8_t(From::application);
    const KeySeal made(key);
    std::ranges::copy(made.seal(proof_label, proof_text), content.end() - proof_bytes);
    if (auto saved = write_secret_file(file, seal_label, content); !saved) return saved.fault();
    return made;
}

}  // namespace starling::net
