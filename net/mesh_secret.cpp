#include "net/mesh_secret.hpp"

#include <algorithm>
#include <cstring>

#include <sodium.h>

#include "net/byte_order.hpp"
#include "net/secret_file.hpp"

namespace starling::net {
namespace {

constexpr std::string_view mesh_label = "starling-mesh-2";
constexpr std::string_view secret_domain = "starling secret 1";
constexpr std::size_t key_bytes = 32;
constexpr std::size_t numbered_bytes = 4 + key_bytes;  // a secret with its number

// Each use of a secret has a number of its own; these are wire format, never renumber them.
enum : std::uint64_t { subkey_beacon = 2, subkey_door = 3, subkey_history = 4 };  // of a mesh secret
enum : std::uint64_t { subkey_mesh_secret = 1 };                                  // of the admin key's seed
constexpr char secret_context[crypto_kdf_CONTEXTBYTES + 1] = "starling";

constexpr std::size_t history_nonce_bytes = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t history_tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(2 * key_bytes + 4 + (secrets_kept_max - 1) * numbered_bytes <= secret_bytes_max / 2);

void derive(Secret<32>& into, std::uint64_t number, const Secret<32>& from) {
    crypto_kdf_derive_from_key(into.data(), into.size(), number, secret_context, from.data());
}

unsigned char* octets_in(Bytes& bytes, std::size_t at = 0) {
    return reinterpret_cast<unsigned char*>(bytes.data()) + at;
}

}  // namespace

MeshKeys::MeshKeys(const MeshId& mesh, std::uint32_t number, const Secret<32>& secret) : epoch(number), root(secret) {
    derive(beacon, subkey_beacon, root);
    derive(door, subkey_door, root);
    derive(history, subkey_history, root);
    crypto_generichash_state state;
    crypto_generichash_init(&state, root.data(), root.size(), digest.size());
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(secret_domain.data()),
                              secret_domain.size());
    std::array<std::uint8_t, 4> bytes{};
    put_be32(bytes.data(), number);
    crypto_generichash_update(&state, bytes.data(), bytes.size());
    crypto_generichash_update(&state, mesh.data(), mesh.size());
    crypto_generichash_final(&state, digest.data(), digest.size());
    sodium_memzero(&state, sizeof state);
}

MeshSecret::MeshSecret(const NodeKey& admin, std::uint32_t epoch, const Secret<32>& root)
    : trust_{mesh_id_of(admin), admin} {
    keys_.emplace_back(trust_.mesh, epoch, root);
}

MeshSecret MeshSecret::founded_by(const Identity& admin) {
    start_sodium();
    Secret<32> root;
    derive(root, subkey_mesh_secret, admin.seed());
    return {admin.node_key(), 0, root};
}

bool MeshSecret::operator==(const MeshSecret& other) const {
    const auto same = [](const MeshKeys& a, const MeshKeys& b) { return a.epoch == b.epoch && a.root == b.root; };
    return trust_.admin == other.trust_.admin && std::ranges::equal(keys_, other.keys_, same);
}

bool MeshSecret::add(std::uint32_t epoch, const Secret<32>& root) {
    MeshKeys keys(trust_.mesh, epoch, root);
    const auto at = std::ranges::find_if_not(keys_, [&](const auto& kept) { return kept.newer_than(keys); });
    if (at != keys_.end() && at->digest == keys.digest) return false;
    if (at == keys_.end() && keys_.size() == secrets_kept_max) return false;
    keys_.insert(at, std::move(keys));
    if (keys_.size() > secrets_kept_max) keys_.pop_back();
    return true;
}

bool MeshSecret::add(const MeshSecret& other) {
    STARLING_ASSERT(other.trust_.admin == trust_.admin, "secrets of one mesh");
    bool news = false;
    for (const auto& keys : other.keys_) news = add(keys.epoch, keys.root) || news;
    return news;
}

bool MeshSecret::keeps(std::uint32_t epoch, const Digest256& digest) const {
    if (keys_.size() < secrets_kept_max) return true;
    const auto& oldest = keys_.back();
    return epoch != oldest.epoch ? epoch > oldest.epoch : digest >= oldest.digest;
}

Result<MeshKeys> MeshSecret::successor(std::uint32_t above) const {
    const auto highest = std::max(newest().epoch, above);
    if (highest == UINT32_MAX) return Fault{FaultCode::refused, "the mesh's secret has the highest number"};
    Secret<32> root;
    randombytes_buf(root.data(), root.size());
    return MeshKeys(trust_.mesh, highest + 1, root);
}

// -- files: the newest secret, the admin key; where it is not the first, its number; then number and secret of others
// ---------------------------------------------------------------------------------------------------------------------

Result<MeshSecret> MeshSecret::load(const std::filesystem::path& path, const KeySeal* seal) {
    Secret<secret_bytes_max> bytes;
    const auto count = read_secret_file(path, mesh_label, {bytes.data(), bytes.size()}, seal);
    if (!count) return count.fault();
    const auto rest = *count < 2 * key_bytes ? 1 : *count - 2 * key_bytes;
    if (rest != 0 && (rest % numbered_bytes != 4 || rest / numbered_bytes >= secrets_kept_max))
        return Fault{FaultCode::malformed, path.string() + ": of another length than it should be"};
    const auto secret_at = [&](std::size_t at) {
        Secret<32> root;
        std::copy_n(bytes.data() + at, root.size(), root.data());
        return root;
    };
    NodeKey admin;
    std::copy_n(bytes.data() + key_bytes, admin.size(), admin.data());
    MeshSecret mesh(admin, rest == 0 ? 0 : get_be32(bytes.data() + 2 * key_bytes), secret_at(0));
    for (std::size_t at = 2 * key_bytes + 4; at < *count; at += numbered_bytes)
        mesh.add(get_be32(bytes.data() + at), secret_at(at + 4));
    return mesh;
}

Result<Done> MeshSecret::save(const std::filesystem::path& path, const KeySeal* seal) const {
    Secret<secret_bytes_max> bytes;
    auto* out = std::copy_n(newest().root.data(), key_bytes, bytes.data());
    out = std::copy_n(trust_.admin.data(), key_bytes, out);
    if (keys_.size() > 1 || newest().epoch > 0) {
        put_be32(out, newest().epoch);
        out += 4;
    }
    for (auto keys = keys_.begin() + 1; keys != keys_.end(); ++keys) {
        put_be32(out, keys->epoch);
        out = std::copy_n(keys->root.data(), key_bytes, out + 4);
    }
    return replace_secret_file(path, mesh_label, {bytes.data(), out}, seal);
}

Result<Done> MeshSecret::seal_file(const std::filesystem::path& path, const KeySeal& seal) {
    return seal_secret_file(path, mesh_label, seal);
}

// -- history
// ---------------------------------------------------------------------------------------------------------------------

Bytes MeshSecret::history_for(const MeshKeys& newest) const {
    Secret<(secrets_kept_max - 1) * numbered_bytes> plain;
    auto* out = plain.data();
    for (const auto& keys : keys_) {
        if (keys.digest == newest.digest || out == plain.data() + plain.size()) continue;
        put_be32(out, keys.epoch);
        out = std::copy_n(keys.root.data(), key_bytes, out + 4);
    }
    const auto size = std::size_t(out - plain.data());
    Bytes sealed(history_nonce_bytes + size + history_tag_bytes, '\0');
    randombytes_buf(octets_in(sealed), history_nonce_bytes);
    crypto_aead_xchacha20poly1305_ietf_encrypt(octets_in(sealed, history_nonce_bytes), nullptr, plain.data(), size,
                                               newest.digest.data(), newest.digest.size(), nullptr, octets_in(sealed),
                                               newest.history.data());
    return sealed;
}

bool MeshSecret::add_history(const Digest256& newest, BytesView sealed) {
    const auto keys = std::ranges::find(keys_, newest, &MeshKeys::digest);
    if (keys == keys_.end() || sealed.size() < history_nonce_bytes + history_tag_bytes ||
        sealed.size() > history_bytes_max)
        return false;
    const auto* in = reinterpret_cast<const unsigned char*>(sealed.data());
    const auto size = sealed.size() - history_nonce_bytes - history_tag_bytes;
    Secret<(secrets_kept_max - 1) * numbered_bytes> plain;
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, in + history_nonce_bytes,
                                                   size + history_tag_bytes, newest.data(), newest.size(), in,
                                                   keys->history.data()) != 0)
        return false;
    bool news = false;
    for (std::size_t at = 0; at + numbered_bytes <= size; at += numbered_bytes) {
        Secret<32> root;
        std::copy_n(plain.data() + at + 4, root.size(), root.data());
        news = add(get_be32(plain.data() + at), root) || news;
    }
    return news;
}

}  // namespace starling::net
