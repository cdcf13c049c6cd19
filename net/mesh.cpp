#include "net/mesh.hpp"

#include <cstring>
#include <optional>

#include <sodium.h>

#include "net/address.hpp"
#include "net/secret_file.hpp"

namespace starling::net {
namespace {

constexpr std::string_view mesh_label = "starling-mesh-1";
constexpr std::string_view code_prefix = "starling1-";
constexpr std::size_t code_checksum_bytes = 4;
constexpr int code_variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

// Each use of the secret has a number of its own; these are wire format, never renumber them.
enum : std::uint64_t { subkey_mesh_id = 1, subkey_beacon = 2, subkey_door = 3 };
constexpr char kdf_context[crypto_kdf_CONTEXTBYTES + 1] = "starling";

Bytes checksum_of(BytesView payload) {
    std::array<unsigned char, crypto_generichash_BYTES> hash{};
    crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(payload.data()), payload.size(),
                       reinterpret_cast<const unsigned char*>(code_prefix.data()), code_prefix.size());
    return Bytes(reinterpret_cast<const char*>(hash.data()), code_checksum_bytes);
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view space = " \t\r\n";
    auto first = text.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(space) - first + 1);
}

std::optional<Bytes> from_base64(std::string_view text) {
    Bytes bytes(text.size(), '\0');
    std::size_t size = 0;
    if (sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(), text.data(), text.size(),
                          nullptr, &size, nullptr, code_variant) != 0) {
        return std::nullopt;
    }
    bytes.resize(size);
    return bytes;
}

Result<std::vector<std::string>> read_addresses(BytesView bytes) {
    std::vector<std::string> addresses;
    while (!bytes.empty()) {
        const std::size_t size = std::uint8_t(bytes[0]);
        if (size >= bytes.size() || addresses.size() == join_addresses_max) {
            return Fault{FaultCode::malformed,
                         "this join code lists its addresses in a way that this version cannot read"};
        }
        std::string address(bytes.substr(1, size));
        if (auto parsed = parse_host_port(address); !parsed) {
            return Fault{FaultCode::malformed, "this join code holds a bad address: " + parsed.fault().what};
        }
        addresses.push_back(std::move(address));
        bytes.remove_prefix(1 + size);
    }
    return addresses;
}

}  // namespace

MeshSecret::MeshSecret(const Secret<32>& root) : root_(root) {
    crypto_kdf_derive_from_key(mesh_id_.data(), mesh_id_.size(), subkey_mesh_id, kdf_context, root_.data());
    crypto_kdf_derive_from_key(beacon_key_.data(), beacon_key_.size(), subkey_beacon, kdf_context, root_.data());
    crypto_kdf_derive_from_key(door_key_.data(), door_key_.size(), subkey_door, kdf_context, root_.data());
}

MeshSecret MeshSecret::generate() {
    start_sodium();
    Secret<32> root;
    randombytes_buf(root.data(), root.size());
    return MeshSecret(root);
}

Result<MeshSecret> MeshSecret::load(const std::filesystem::path& path) {
    auto root = read_secret_file(path, mesh_label);
    if (!root) return root.fault();
    return MeshSecret(*root);
}

Result<Done> MeshSecret::save(const std::filesystem::path& path) const {
    return write_secret_file(path, mesh_label, root_);
}

std::string MeshSecret::join_code(std::span<const std::string> addresses) const {
    Bytes payload(reinterpret_cast<const char*>(root_.data()), root_.size());
    std::size_t count = 0;
    for (const auto& address : addresses) {
        if (address.size() > join_address_bytes_max || !parse_host_port(address) || count == join_addresses_max)
            continue;
        payload.push_back(char(std::uint8_t(address.size())));
        payload += address;
        ++count;
    }
    payload += checksum_of(payload);
    std::string text(sodium_base64_encoded_len(payload.size(), code_variant), '\0');
    sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(payload.data()), payload.size(),
                      code_variant);
    text.pop_back();
    wipe(payload.data(), payload.size());
    return std::string(code_prefix) + text;
}

Result<JoinCode> parse_join_code(std::string_view text) {
    start_sodium();
    text = trimmed(text);
    if (text.empty()) return Fault{FaultCode::malformed, "the join code is empty"};
    if (text.size() > join_code_bytes_max) return Fault{FaultCode::too_large, "this is too long for a join code"};
    if (text.substr(0, code_prefix.size()) != code_prefix) {
        bool other = text.substr(0, 8) == "starling" && text.find('-') != std::string_view::npos;
        return other ? Fault{FaultCode::unknown_kind, "this join code was made by another version of starling"}
                     : Fault{FaultCode::malformed, "a join code starts with \"starling1-\""};
    }
    auto payload = from_base64(text.substr(code_prefix.size()));
    if (!payload)
        return Fault{FaultCode::malformed, "the join code has a character that does not belong in it, or was cut off"};
    if (payload->size() < 32 + code_checksum_bytes) return Fault{FaultCode::malformed, "the join code was cut off"};

    BytesView body = BytesView(*payload).substr(0, payload->size() - code_checksum_bytes);
    if (BytesView(*payload).substr(body.size()) != checksum_of(body)) {
        return Fault{FaultCode::malformed, "the join code has a typing error: its checksum does not match"};
    }
    auto addresses = read_addresses(body.substr(32));
    if (!addresses) return addresses.fault();
    Secret<32> root;
    std::memcpy(root.data(), body.data(), root.size());
    wipe(payload->data(), payload->size());
    return JoinCode{MeshSecret(root), std::move(*addresses)};
}

}  // namespace starling::net
