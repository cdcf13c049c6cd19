#include "net/mesh.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include <sodium.h>

#include "net/address.hpp"
#include "net/byte_order.hpp"
#include "net/secret_file.hpp"

namespace starling::net {
namespace {

constexpr std::string_view code_prefix = "starling3-";
constexpr std::size_t code_checksum_bytes = 4;
constexpr std::size_t code_keys_bytes =
    3 * 32 + 4;  // mesh secret, admin key, seed of the invitation; number of the secret
constexpr int code_variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;

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

std::string JoinCode::text() const {
    Bytes payload;
    payload.reserve(join_code_bytes_max);  // so that growing leaves no copy of the secrets behind
    const auto add = [&](const std::uint8_t* bytes) { payload.append(reinterpret_cast<const char*>(bytes), 32); };
    add(mesh.newest().root.data());
    add(mesh.trust().admin.data());
    add(invitation.key.seed().data());
    std::array<std::uint8_t, 4> epoch{};
    put_be32(epoch.data(), mesh.newest().epoch);
    payload.append(reinterpret_cast<const char*>(epoch.data()), epoch.size());
    payload += encode_chain(invitation.chain);
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
    auto code = std::string(code_prefix) + text;
    wipe(text.data(), text.size());
    return code;
}

Result<JoinCode> JoinCode::read(BytesView body) {
    std::array<Secret<32>, 3> keys;
    for (auto& key : keys) {
        std::memcpy(key.data(), body.data(), key.size());
        body.remove_prefix(key.size());
    }
    NodeKey admin;
    std::copy_n(keys[1].data(), admin.size(), admin.data());
    const auto epoch = get_be32(reinterpret_cast<const std::uint8_t*>(body.data()));
    body.remove_prefix(4);
    JoinCode code{MeshSecret(admin, epoch, keys[0]), {Identity::from_seed(keys[2]), {}}, {}};
    const auto size = chain_size(body);
    auto chain = decode_chain(body.substr(0, size.value_or(0)));
    if (!chain) return Fault{FaultCode::malformed, "the invitation in this join code cannot be read by this version"};
    code.invitation.chain = std::move(*chain);
    const auto standing = standing_of(code.mesh.trust(), code.invitation.chain, code.invitation.key.node_key());
    if (!standing || standing->what != Subject::invitation)
        return Fault{FaultCode::malformed, "this join code does not hold an invitation of its mesh"};
    auto addresses = read_addresses(body.substr(*size));
    if (!addresses) return addresses.fault();
    code.addresses = std::move(*addresses);
    return code;
}

Membership JoinCode::admit(const NodeKey& node) const {
    auto terms = invitation.chain.back().terms;
    terms.uses = 0;
    return {mesh, issued(invitation, mesh.mesh_id(), Subject::node, node, terms)};
}

Result<JoinCode> JoinCode::checked_code(BytesView payload) {
    if (payload.size() < code_keys_bytes + code_checksum_bytes)
        return Fault{FaultCode::malformed, "the join code was cut off"};
    const auto body = payload.substr(0, payload.size() - code_checksum_bytes);
    if (payload.substr(body.size()) != checksum_of(body))
        return Fault{FaultCode::malformed, "the join code has a typing error: its checksum does not match"};
    return read(body);
}

Result<JoinCode> parse_join_code(std::string_view text) {
    start_sodium();
    text = trimmed(text);
    if (text.empty()) return Fault{FaultCode::malformed, "the join code is empty"};
    if (text.size() > join_code_bytes_max) return Fault{FaultCode::too_large, "this is too long for a join code"};
    if (text.substr(0, code_prefix.size()) != code_prefix) {
        bool other = text.substr(0, 8) == "starling" && text.find('-') != std::string_view::npos;
        return other ? Fault{FaultCode::unknown_kind, "this join code was made by another version of starling"}
                     : Fault{FaultCode::malformed, "a join code starts with \"starling3-\""};
    }
    auto payload = from_base64(text.substr(code_prefix.size()));
    if (!payload)
        return Fault{FaultCode::malformed, "the join code has a character that does not belong in it, or was cut off"};
    auto code = JoinCode::checked_code(*payload);
    wipe(payload->data(), payload->size());
    return code;
}

}  // namespace starling::net
