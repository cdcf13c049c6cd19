#include "net/mesh_record.hpp"

#include <algorithm>
#include <optional>

#include <sodium.h>

#include "net/byte_order.hpp"

namespace starling::net {
namespace {

constexpr std::string_view record_domain = "starling record 1";
constexpr std::size_t signature_bytes = std::tuple_size_v<Signature>;
constexpr std::size_t life_bytes = 32 + 8 + 8;
constexpr std::size_t sealed_bytes = 32 + 80;
static_assert(sizeof(SecretRecord::Sealed::box) == crypto_box_SEALBYTES + 32);
static_assert(1 + 4 + 32 + 2 + MeshSecret::history_bytes_max + chain_bytes_max + 2 + sealed_for_max * sealed_bytes +
                  signature_bytes <=
              record_bytes_max);
static_assert(1 + 1 + 32 + 8 + chain_bytes_max + 2 + lives_listed_max * life_bytes + signature_bytes <=
              record_bytes_max);

/// The first byte. Wire format.
enum class RecordKind : std::uint8_t { member = 1, revocation = 2, secret = 3 };

Fault malformed_record(const char* what) {
    return {FaultCode::malformed, std::string("a membership record: ") + what};
}

Fault refused_record(const std::string& what) {
    return {FaultCode::refused, "a membership record: " + what};
}

void put_key(Bytes& out, const NodeKey& key) {
    out.append(reinterpret_cast<const char*>(key.data()), key.size());
}
void put_number(Bytes& out, std::uint64_t number) {
    std::array<std::uint8_t, 8> bytes{};
    put_be64(bytes.data(), number);
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}
void put_count(Bytes& out, std::size_t count) {
    std::array<std::uint8_t, 2> bytes{};
    put_be16(bytes.data(), std::uint16_t(count));
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// Takes fields off the front; after one that is not there, `ok` is false and all are empty.
struct RecordReader {
    BytesView left;
    bool ok = true;

    BytesView take(std::size_t size) {
        ok = ok && left.size() >= size;
        if (!ok) return {};
        const auto taken = left.substr(0, size);
        left.remove_prefix(size);
        return taken;
    }
    const std::uint8_t* raw(std::size_t size) {
        static constexpr std::array<std::uint8_t, 32> none{};
        const auto taken = take(size);
        return ok ? reinterpret_cast<const std::uint8_t*>(taken.data()) : none.data();
    }
    std::uint8_t byte() { return *raw(1); }
    std::uint16_t count() { return get_be16(raw(2)); }
    std::uint64_t number() { return get_be64(raw(8)); }
    NodeKey key() {
        NodeKey key{};
        std::copy_n(raw(key.size()), key.size(), key.begin());
        return key;
    }
    Chain chain() {
        const auto size = ok ? chain_size(left) : std::nullopt;
        auto read = size ? decode_chain(take(*size)) : Result<Chain>(malformed_record("no chain"));
        ok = ok && read;
        return read ? std::move(*read) : Chain{};
    }
};

Bytes statement_of(const MeshId& mesh, BytesView said) {
    Bytes statement(record_domain);
    statement.append(reinterpret_cast<const char*>(mesh.data()), mesh.size());
    return statement.append(said);
}

/// Who signs with this chain, where it may: the admin key, or an admin node.
Result<NodeKey> admin_of(const Trust& trust, const Chain& issuer) {
    if (issuer.empty()) return trust.admin;
    const auto& subject = issuer.back().subject;
    const auto standing = standing_of(trust, issuer, subject);
    if (!standing) return standing.fault();
    if (standing->what != Subject::node || standing->terms.role != Role::admin)
        return refused_record("its issuer is no admin");
    return subject;
}

/// The form alone says so: then no signature is looked at.
bool may_be_admin(const Chain& issuer) {
    return issuer.empty() || (issuer.back().what == Subject::node && issuer.back().terms.role == Role::admin);
}

/// Of the signed kinds: by whoever may.
Result<Done> check_issuer(const Trust& trust, const Chain& chain, BytesView bytes) {
    if (!may_be_admin(chain)) return refused_record("its issuer is no admin");
    const auto issuer = admin_of(trust, chain);
    if (!issuer) return issuer.fault();
    const auto said = bytes.substr(0, bytes.size() - signature_bytes);
    Signature signature{};
    std::copy_n(reinterpret_cast<const std::uint8_t*>(bytes.data()) + said.size(), signature.size(), signature.begin());
    if (!verify(*issuer, statement_of(trust.mesh, said), signature))
        return refused_record("its issuer did not sign it");
    return Done{};
}

Result<MeshRecord> checked_member(const Trust& trust, RecordReader in) {
    MemberRecord record{in.chain()};
    if (!in.ok || !in.left.empty() || record.chain.empty()) return malformed_record("not a member's");
    const auto standing = standing_of(trust, record.chain, record.chain.back().subject);
    if (!standing) return standing.fault();
    if (standing->what != Subject::node) return refused_record("an invitation is no member");
    if (!curve_key_of(record.chain.back().subject)) return refused_record("nobody can have such a key");
    return MeshRecord(std::move(record));
}

Result<MeshRecord> checked_revocation(const Trust& trust, BytesView bytes, RecordReader in) {
    Revocation record;
    record.what = Subject(in.byte());
    record.subject = in.key();
    record.at_s = in.number();
    record.issuer = in.chain();
    const auto count = in.count();
    if (!in.ok || count > lives_listed_max || in.left.size() != count * life_bytes + signature_bytes)
        return malformed_record("not a revocation");
    if (record.what != Subject::node && record.what != Subject::invitation)
        return malformed_record("a revocation of what this version does not know");
    for (std::size_t at = 0; at < count; ++at) {
        LifeSeen seen{in.key(), in.number(), in.number()};
        if (!record.seen.empty() &&
            std::pair(seen.node, seen.life) <= std::pair(record.seen.back().node, record.seen.back().life))
            return malformed_record("its lives are out of order");
        record.seen.push_back(seen);
    }
    if (record.subject == trust.admin) return refused_record("nobody revokes the admin key");
    if (auto signed_by_admin = check_issuer(trust, record.issuer, bytes); !signed_by_admin)
        return signed_by_admin.fault();
    return MeshRecord(std::move(record));
}

Result<MeshRecord> checked_secret(const Trust& trust, BytesView bytes, RecordReader in) {
    SecretRecord record;
    record.epoch = get_be32(in.raw(4));
    record.digest = in.key();
    record.history = Bytes(in.take(in.count()));
    record.issuer = in.chain();
    const auto count = in.count();
    if (!in.ok || count > sealed_for_max || record.history.size() > MeshSecret::history_bytes_max ||
        in.left.size() != count * sealed_bytes + signature_bytes)
        return malformed_record("not a mesh secret's");
    for (std::size_t at = 0; at < count; ++at) {
        SecretRecord::Sealed sealed{in.key(), {}};
        const auto box = in.take(sealed.box.size());
        std::copy(box.begin(), box.end(), sealed.box.begin());
        if (!record.sealed.empty() && sealed.node <= record.sealed.back().node)
            return malformed_record("its nodes are out of order");
        record.sealed.push_back(sealed);
    }
    if (auto signed_by_admin = check_issuer(trust, record.issuer, bytes); !signed_by_admin)
        return signed_by_admin.fault();
    return MeshRecord(std::move(record));
}

Bytes with_signature(Bytes said, const Issuer& issuer, const MeshId& mesh) {
    const auto signature = issuer.key.sign(statement_of(mesh, said));
    return std::move(said.append(reinterpret_cast<const char*>(signature.data()), signature.size()));
}

}  // namespace

Bytes encode_record(const Issuer& issuer, const MeshSecret& known, const MeshKeys& secret, std::vector<NodeKey> nodes) {
    std::ranges::sort(nodes);
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    std::erase_if(nodes, [](const NodeKey& node) { return !curve_key_of(node); });
    STARLING_ASSERT(nodes.size() <= sealed_for_max, "a record is small");
    Bytes bytes(1, char(RecordKind::secret));
    std::array<std::uint8_t, 4> epoch{};
    put_be32(epoch.data(), secret.epoch);
    bytes.append(reinterpret_cast<const char*>(epoch.data()), epoch.size());
    put_key(bytes, secret.digest);
    const auto history = known.history_for(secret);
    put_count(bytes, history.size());
    bytes += history;
    bytes += encode_chain(issuer.chain);
    put_count(bytes, nodes.size());
    for (const auto& node : nodes) {
        put_key(bytes, node);
        SecretRecord::Sealed sealed;
        const auto failed =
            crypto_box_seal(sealed.box.data(), secret.root.data(), secret.root.size(), curve_key_of(node)->data());
        STARLING_ASSERT(failed == 0, "any valid key is sealed for");
        bytes.append(reinterpret_cast<const char*>(sealed.box.data()), sealed.box.size());
    }
    return with_signature(std::move(bytes), issuer, known.mesh_id());
}

std::optional<Secret<32>> open_secret(const SecretRecord& record, const MeshId& mesh, const Identity& node) {
    const auto at = std::ranges::find(record.sealed, node.node_key(), &SecretRecord::Sealed::node);
    if (at == record.sealed.end()) return std::nullopt;
    Secret<32> root;
    if (crypto_box_seal_open(root.data(), at->box.data(), at->box.size(), node.curve_public().data(),
                             node.curve_secret().data()) != 0)
        return std::nullopt;
    if (MeshKeys(mesh, record.epoch, root).digest != record.digest) return std::nullopt;
    return root;
}

bool claims_revocation(BytesView bytes) {
    return !bytes.empty() && RecordKind(bytes.front()) == RecordKind::revocation;
}

Bytes encode_record(const MemberRecord& record) {
    return Bytes(1, char(RecordKind::member)) + encode_chain(record.chain);
}

Bytes encode_record(const Issuer& issuer, const MeshId& mesh, Revocation record) {
    STARLING_ASSERT(record.seen.size() <= lives_listed_max, "a record is small");
    Bytes bytes(1, char(RecordKind::revocation));
    bytes.push_back(char(record.what));
    put_key(bytes, record.subject);
    put_number(bytes, record.at_s);
    bytes += encode_chain(issuer.chain);
    std::ranges::sort(record.seen);
    put_count(bytes, record.seen.size());
    for (const auto& seen : record.seen) {
        put_key(bytes, seen.node);
        put_number(bytes, seen.life);
        put_number(bytes, seen.seq);
    }
    return with_signature(std::move(bytes), issuer, mesh);
}

Result<MeshRecord> checked_record(const Trust& trust, BytesView bytes) {
    if (bytes.size() > record_bytes_max) return Fault{FaultCode::too_large, "too long for a membership record"};
    RecordReader in{bytes};
    switch (RecordKind(in.byte())) {
        case RecordKind::member:
            return checked_member(trust, in);
        case RecordKind::revocation:
            return checked_revocation(trust, bytes, in);
        case RecordKind::secret:
            return checked_secret(trust, bytes, in);
    }
    return malformed_record("of a kind that this version does not know");
}

}  // namespace starling::net
