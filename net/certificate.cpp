#include "net/certificate.hpp"

#include <algorithm>
#include <cstring>

#include <sodium.h>

#include "net/byte_order.hpp"

namespace starling::net {
namespace {

constexpr std::string_view certificate_domain = "starling certificate 1";
constexpr std::string_view mesh_id_domain = "starling mesh 1";
constexpr std::size_t signed_fields_bytes = certificate_bytes - std::tuple_size_v<Signature>;

BytesView view_of(const NodeKey& key) {
    return BytesView(reinterpret_cast<const char*>(key.data()), key.size());
}

/// kind and role, uses, epoch, end, subject: what a certificate says.
Bytes fields_of(const Certificate& certificate) {
    std::array<std::uint8_t, signed_fields_bytes> fields{};
    fields[0] = std::uint8_t(std::uint8_t(certificate.what) << 4 | std::uint8_t(certificate.terms.role));
    put_be16(&fields[1], certificate.terms.uses);
    put_be32(&fields[3], certificate.terms.epoch);
    put_be64(&fields[7], certificate.terms.expires_s);
    std::copy(certificate.subject.begin(), certificate.subject.end(), &fields[15]);
    return Bytes(reinterpret_cast<const char*>(fields.data()), fields.size());
}

/// What is signed. All parts have fixed lengths.
Bytes statement_of(const MeshId& mesh, const NodeKey& issuer, const Certificate& certificate) {
    Bytes statement(certificate_domain);
    statement.append(reinterpret_cast<const char*>(mesh.data()), mesh.size());
    statement += view_of(issuer);
    return statement += fields_of(certificate);
}

Result<Certificate> certificate_of(BytesView bytes) {
    const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data());
    Certificate certificate;
    const unsigned what = in[0] >> 4, role = in[0] & 15U;
    if (what < unsigned(Subject::node) || what > unsigned(Subject::invitation) || role < unsigned(Role::reader) ||
        role > unsigned(Role::admin))
        return Fault{FaultCode::malformed, "a certificate of a kind or role that this version does not know"};
    certificate.what = Subject(what);
    certificate.terms = {Role(role), get_be16(in + 1), get_be32(in + 3), get_be64(in + 7)};
    std::copy_n(in + 15, certificate.subject.size(), certificate.subject.begin());
    std::copy_n(in + signed_fields_bytes, certificate.signature.size(), certificate.signature.begin());
    return certificate;
}

bool later(std::uint64_t end_s, std::uint64_t than_s) {
    return than_s != 0 && (end_s == 0 || end_s > than_s);
}

/// What is wrong with a link, its signature aside; `before` is nothing at the admin key.
const char* objection(const Certificate* before, const Certificate& next) {
    if (next.what != Subject::invitation && next.terms.uses != 0) return "only invitations have uses";
    if (next.terms.epoch != 0) return "of an epoch that this version does not know";
    if (before == nullptr) return nullptr;
    if (before->what == next.what)
        return next.what == Subject::node ? "a node does not vouch for nodes" : "an invitation does not invite";
    if (before->what == Subject::node && before->terms.role != Role::admin) return "only admins invite";
    if (next.terms.role > before->terms.role) return "it grants a higher role than its issuer has";
    if (later(next.terms.expires_s, before->terms.expires_s)) return "it lasts longer than its issuer does";
    return nullptr;
}

Fault refused(const char* why) {
    return Fault{FaultCode::refused, std::string("the certificate chain does not hold: ") + why};
}

}  // namespace

MeshId mesh_id_of(const NodeKey& admin) {
    MeshId id{};
    crypto_generichash(id.data(), id.size(), admin.data(), admin.size(),
                       reinterpret_cast<const unsigned char*>(mesh_id_domain.data()), mesh_id_domain.size());
    return id;
}

Chain issued(const Issuer& issuer, const MeshId& mesh, Subject what, const NodeKey& subject, const Terms& terms) {
    Certificate certificate{what, terms, subject, {}};
    certificate.signature = issuer.key.sign(statement_of(mesh, issuer.key.node_key(), certificate));
    auto chain = issuer.chain;
    chain.push_back(certificate);
    return chain;
}

bool expired(const Terms& terms, std::uint64_t now_s) {
    return terms.expires_s != 0 && now_s >= terms.expires_s;
}

Result<Standing> standing_of(const Trust& trust, const Chain& chain, const NodeKey& subject) {
    if (chain.empty() || chain.size() > certificates_max) return refused("it has no, or too many, certificates");
    if (chain.back().subject != subject) return refused("it is of another key");
    if (chain.back().what == Subject::invitation && chain.size() == certificates_max)
        return refused("nobody could join with its invitation: too many admins come before it");
    Standing standing{chain.back().what, chain.back().terms, std::nullopt, 0};
    const Certificate* before = nullptr;
    for (const auto& next : chain) {
        if (const char* why = objection(before, next)) return refused(why);
        if (next.what == Subject::invitation && &next != &chain.back()) {
            standing.invitation = next.subject;
            standing.invitation_uses = next.terms.uses;
        }
        before = &next;
    }
    const NodeKey* issuer = &trust.admin;
    for (const auto& next : chain) {
        if (!verify(*issuer, statement_of(trust.mesh, *issuer, next), next.signature))
            return refused("a signature is not its issuer's");
        issuer = &next.subject;
    }
    return standing;
}

Bytes encode_chain(const Chain& chain) {
    STARLING_ASSERT(chain.size() <= certificates_max, "a chain is short");
    Bytes bytes(1, char(chain.size()));
    for (const auto& certificate : chain) {
        bytes += fields_of(certificate);
        bytes.append(reinterpret_cast<const char*>(certificate.signature.data()), certificate.signature.size());
    }
    return bytes;
}

std::optional<std::size_t> chain_size(BytesView bytes) {
    if (bytes.empty()) return std::nullopt;
    const std::size_t count = std::uint8_t(bytes[0]);
    const std::size_t size = 1 + count * certificate_bytes;
    if (count > certificates_max || bytes.size() < size) return std::nullopt;
    return size;
}

Result<Chain> decode_chain(BytesView bytes) {
    if (bytes.size() > chain_bytes_max) return Fault{FaultCode::too_large, "too long for a certificate chain"};
    if (chain_size(bytes) != bytes.size()) return Fault{FaultCode::malformed, "not a certificate chain"};
    Chain chain;
    for (std::size_t at = 1; at < bytes.size(); at += certificate_bytes) {
        auto certificate = certificate_of(bytes.substr(at, certificate_bytes));
        if (!certificate) return certificate.fault();
        chain.push_back(*certificate);
    }
    return chain;
}

}  // namespace starling::net
