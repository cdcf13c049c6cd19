#include "node/membership.hpp"

#include <algorithm>

#include <starling/error.hpp>

namespace starling::detail {

namespace {

std::uint64_t wall_s() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::uint64_t(std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(now).count()));
}

/// Would other terms be a loss? Of two roles the higher is better, of two ends of one role the later.
bool better(const net::Terms& mine, const net::Terms& other) {
    if (mine.role != other.role) return mine.role > other.role;
    return other.expires_s != 0 && (mine.expires_s == 0 || mine.expires_s > other.expires_s);
}

bool joined_by(const net::Chain& chain, const net::NodeKey& invitation) {
    return chain.size() > 1 && chain[chain.size() - 2].subject == invitation;
}

/// Throws Errc::key_malformed where the chain makes nothing of this node.
net::Standing standing_in(const net::Membership& membership, const net::NodeKey& node) {
    const auto standing = net::standing_of(membership.mesh.trust(), membership.chain, node);
    if (!standing) throw Error(Errc::key_malformed, "node.cert: " + standing.fault().what);
    return *standing;
}

Settled settled(net::Membership membership, const net::Identity& identity, std::optional<net::Identity> admin,
                std::vector<std::string> addresses) {
    const auto terms = standing_in(membership, identity.node_key()).terms;
    Settled made{std::move(membership), {Role(terms.role), std::int64_t(terms.expires_s)}, {}, std::move(addresses)};
    // A key of another mesh may have been left in the directory. Signed by the admin key itself, a code is shorter.
    if (admin && admin->node_key() == made.membership.mesh.trust().admin) {
        made.issuer = net::Issuer{std::move(*admin), {}};
    } else if (terms.role == net::Role::admin) {
        made.issuer = net::Issuer{identity, made.membership.chain};
        made.issuer_end_s = terms.expires_s;
    }
    return made;
}

net::Chain founders(const net::Identity& admin, const net::MeshSecret& mesh, const net::NodeKey& node) {
    return net::issued({admin, {}}, mesh.mesh_id(), net::Subject::node, node, {.role = net::Role::admin});
}

Settled found(const Directory* dir, const net::Identity& identity) {
    // A mesh that is founded again from its admin key may have voters elsewhere.
    if (dir != nullptr && !dir->admin()) dir->name_first_voter();
    auto admin = dir == nullptr ? net::Identity::generate() : dir->admin_made();
    net::Membership membership{net::MeshSecret::founded_by(admin), {}};
    membership.chain = founders(admin, membership.mesh, identity.node_key());
    if (dir != nullptr) dir->set_chain(membership.chain);
    if (dir != nullptr) dir->set_mesh(membership.mesh);
    return settled(std::move(membership), identity, std::move(admin), {});
}

/// What the directory says, where that makes something of the node.
std::optional<net::Chain> good_chain(const Directory& dir, const net::MeshSecret& mesh, const net::NodeKey& node) {
    try {
        auto chain = dir.chain();
        if (net::standing_of(mesh.trust(), chain, node)) return chain;
    } catch (const Error&) {
        return std::nullopt;  // missing or damaged
    }
    return std::nullopt;
}

/// The directory's own mesh. Its founder heals its own certificate.
net::Membership kept(const Directory& dir, net::MeshSecret mesh, const net::Identity& identity,
                     const std::optional<net::Identity>& admin) {
    auto chain = good_chain(dir, mesh, identity.node_key());
    if (!chain && admin && admin->node_key() == mesh.trust().admin) {
        chain = founders(*admin, mesh, identity.node_key());
        dir.set_chain(*chain);
    }
    if (!chain) chain = dir.chain();  // says what is wrong with it, or standing_in does
    return {std::move(mesh), std::move(*chain)};
}

/// Of a code: what the node has, or what the code makes it.
net::Membership joined(const Directory* dir, const net::Identity& identity, const net::JoinCode& code) {
    auto mesh = dir == nullptr ? std::nullopt : dir->mesh();
    if (mesh && mesh->trust().admin != code.mesh.trust().admin)
        throw Error(Errc::mesh_differs, "open with another join code");
    const auto& terms = code.invitation.chain.back().terms;
    const auto now_s = wall_s();
    if (mesh && !net::expired(terms, now_s) && mesh->add(code.mesh)) dir->set_mesh(*mesh);
    if (mesh) {
        if (auto chain = good_chain(*dir, *mesh, identity.node_key())) {
            const auto& has = chain->back().terms;
            // Of equal terms those of the code: what the node had may have been revoked.
            const bool same = joined_by(*chain, code.invitation.key.node_key());
            if (same || net::expired(terms, now_s) || (!net::expired(has, now_s) && better(has, terms)))
                return {std::move(*mesh), std::move(*chain)};
        }
    }
    if (net::expired(terms, now_s)) throw Error(Errc::join_code_expired);
    auto made = code.admit(identity.node_key());
    if (dir != nullptr) dir->set_chain(made.chain);
    if (dir != nullptr && !mesh) dir->set_mesh(made.mesh);
    if (mesh) made.mesh = std::move(*mesh);
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
        auto mesh = dir == nullptr ? std::nullopt : dir->mesh();
        if (!mesh) return found(dir, identity);
        return settled(kept(*dir, std::move(*mesh), identity, admin), identity, admin, {});
    }
    const auto read = join_code_of(code);
    auto membership = joined(dir, identity, read);
    if (dir != nullptr && !read.addresses.empty()) dir->add_peers(read.addresses);
    return settled(std::move(membership), identity, std::move(admin), read.addresses);
}

void require_current(const net::JoinCode& code) {
    if (net::expired(code.invitation.chain.back().terms, wall_s())) throw Error(Errc::join_code_expired);
}

bool is_over(const Standing& standing) {
    return standing.expires_s != 0 && std::uint64_t(standing.expires_s) <= wall_s();
}

std::string invite(const Settled& settled, const net::MeshSecret& mesh, const Invitation& invitation,
                   std::vector<std::string> addresses) {
    if (invitation.role < Role::reader || invitation.role > Role::admin)
        throw Error(Errc::invalid_argument, "no such role");
    if (invitation.valid_for.count() < 0 || invitation.valid_for > valid_for_max)
        throw Error(Errc::invalid_argument, "an invitation lasts for some time, at most a hundred years");
    if (!settled.issuer) throw Error(Errc::not_admin);
    net::Terms terms{net::Role(invitation.role), invitation.uses, 0, settled.issuer_end_s};
    if (invitation.valid_for.count() > 0) terms.expires_s = wall_s() + std::uint64_t(invitation.valid_for.count());
    if (settled.issuer_end_s != 0 && terms.expires_s > settled.issuer_end_s)
        throw Error(Errc::invalid_argument, "this admin's own certificate ends before that");
    auto key = net::Identity::generate();
    auto chain = net::issued(*settled.issuer, mesh.mesh_id(), net::Subject::invitation, key.node_key(), terms);
    if (!net::standing_of(mesh.trust(), chain, key.node_key()))
        throw Error(Errc::not_admin,
                    "too many admins stand between this node and the mesh's admin key: "
                    "invite on one nearer to it");
    return net::JoinCode{mesh, {std::move(key), std::move(chain)}, std::move(addresses)}.text();
}

}  // namespace starling::detail
