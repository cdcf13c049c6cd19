#include "node/membership.hpp"

#include <starling/error.hpp>

namespace starling::detail {

namespace {

std::uint64_t wall_s() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::uint64_t(std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now).count()));
}

bool over(const net::Terms& terms, std::uint64_t now_s) {
    return terms.expires_s != 0 && terms.expires_s <= now_s;
}

/// Is there nothing to gain from other terms? Of two roles the higher is better, of two ends of one role the later.
bool as_good(const net::Terms& mine, const net::Terms& other) {
    if (mine.role != other.role) return mine.role > other.role;
    return mine.expires_s == 0 || (other.expires_s != 0 && mine.expires_s >= other.expires_s);
}

/// Throws Errc::key_malformed where the chain makes nothing of this node.
net::Standing standing_in(const net::Membership& membership, const net::NodeKey& node) {
    const auto standing = net::standing_of(membership.mesh.trust(), membership.chain, node);
    if (!standing) throw Error(Errc::key_malformed, "node.cert: " + standing.fault().what);
    return *standing;
}

Settled settled(net::Membership membership, const net::Identity& identity, std::optional<net::Identity> admin,
                std::vector<std::string> addresses) {
    const auto standing = standing_in(membership, identity.node_key());
    Settled made{std::move(membership), {}, std::nullopt, std::move(addresses)};
    made.standing = {Role(standing.terms.role), std::int64_t(standing.terms.expires_s)};
    // Signed by the admin key itself, a code is shorter.
    if (admin) {
        made.issuer = net::Issuer{std::move(*admin), {}};
    } else if (standing.terms.role == net::Role::admin) {
        made.issuer = net::Issuer{identity, made.membership.chain};
    }
    return made;
}

Settled found(const Directory* dir, const net::Identity& identity) {
    auto admin = dir == nullptr ? net::Identity::generate() : dir->admin_made();
    net::Membership membership{net::MeshSecret::generate(admin.node_key()), {}};
    membership.chain = net::issued({admin, {}}, membership.mesh.mesh_id(), net::Subject::node, identity.node_key(),
                                   {.role = net::Role::admin});
    if (dir != nullptr) dir->set_chain(membership.chain);
    if (dir != nullptr) dir->set_mesh(membership.mesh);
    return settled(std::move(membership), identity, std::move(admin), {});
}

std::optional<net::Membership> kept(const Directory* dir) {
    auto mesh = dir == nullptr ? std::nullopt : dir->mesh();
    if (!mesh) return std::nullopt;
    return net::Membership{std::move(*mesh), dir->chain()};
}

/// Of a code: what the node has, or what the code makes it.
net::Membership joined(const Directory* dir, const net::Identity& identity, const net::JoinCode& code) {
    auto own = kept(dir);
    if (own && !(own->mesh == code.mesh)) throw Error(Errc::mesh_differs, "open with another join code");
    const auto& terms = code.invitation.chain.back().terms;
    const auto now_s = wall_s();
    if (own) {
        const auto has = standing_in(*own, identity.node_key()).terms;
        if (over(terms, now_s) || (!over(has, now_s) && as_good(has, terms))) return std::move(*own);
    }
    if (over(terms, now_s)) throw Error(Errc::join_code_expired);
    auto made = code.admit(identity.node_key());
    if (dir != nullptr) dir->set_chain(made.chain);
    if (dir != nullptr && !own) dir->set_mesh(made.mesh);
    return made;
}

}  // namespace

net::JoinCode join_code_of(const std::string& text) {
    auto code = net::parse_join_code(text);
    if (!code) throw Error(Errc::join_code_malformed, code.fault().what);
    return std::move(*code);
}

Settled settle_membership(const Directory* dir, const net::Identity& identity, const std::string& code) {
    auto admin = dir == nullptr ? std::nullopt : dir->admin();
    if (code.empty()) {
        auto own = kept(dir);
        return own ? settled(std::move(*own), identity, std::move(admin), {}) : found(dir, identity);
    }
    const auto read = join_code_of(code);
    auto membership = joined(dir, identity, read);
    if (dir != nullptr && !read.addresses.empty()) dir->add_peers(read.addresses);
    return settled(std::move(membership), identity, std::move(admin), read.addresses);
}

std::string invite(const net::MeshSecret& mesh, const std::optional<net::Issuer>& issuer, const Invitation& invitation,
                   std::vector<std::string> addresses) {
    if (invitation.role < Role::reader || invitation.role > Role::admin)
        throw Error(Errc::invalid_argument, "no such role");
    if (invitation.valid_for.count() < 0) throw Error(Errc::invalid_argument, "an invitation lasts for some time");
    if (!issuer) throw Error(Errc::not_admin);
    net::Terms terms{net::Role(invitation.role), invitation.uses, 0, 0};
    if (invitation.valid_for.count() > 0) terms.expires_s = wall_s() + std::uint64_t(invitation.valid_for.count());
    auto key = net::Identity::generate();
    auto chain = net::issued(*issuer, mesh.mesh_id(), net::Subject::invitation, key.node_key(), terms);
    const auto standing = net::standing_of(mesh.trust(), chain, key.node_key());
    if (!standing) throw Error(Errc::invalid_argument, standing.fault().what);
    return net::JoinCode{mesh, {std::move(key), std::move(chain)}, std::move(addresses)}.text();
}

}  // namespace starling::detail
