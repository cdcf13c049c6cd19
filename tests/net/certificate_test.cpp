// Certificate chains: what holds, what does not, and random chains against a naive reading of the rules.
#include "net/certificate.hpp"

#include <random>

#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

struct Party {
    Identity key = Identity::generate();
    Issuer with(const Chain& chain) const { return {key, chain}; }
};

struct Court {
    Founded mesh;
    Issuer root{mesh.admin, {}};

    Chain add(const Issuer& issuer, Subject what, const Party& party, const Terms& terms = {}) const {
        return issued(issuer, mesh.secret.mesh_id(), what, party.key.node_key(), terms);
    }
    bool holds(const Chain& chain, const Party& party) const {
        return bool(standing_of(mesh.secret.trust(), chain, party.key.node_key()));
    }
};

TEST_CASE("a chain from the admin key to a node says what it is and by which invitation") {
    const Court court;
    const Party admin, invitation, node;
    const auto to_admin = court.add(court.root, Subject::node, admin, {.role = Role::admin});
    const auto to_invitation = court.add(admin.with(to_admin), Subject::invitation, invitation,
                                         {.role = Role::writer, .uses = 2, .expires_s = 500});
    const auto to_node =
        court.add(invitation.with(to_invitation), Subject::node, node, {.role = Role::reader, .expires_s = 400});
    const auto standing = standing_of(court.mesh.secret.trust(), to_node, node.key.node_key());
    REQUIRE(standing);
    CHECK(standing->what == Subject::node);
    CHECK(standing->terms == Terms{Role::reader, 0, 0, 400});
    CHECK(standing->invitation == invitation.key.node_key());
    CHECK(standing->invitation_uses == 2);
    CHECK(!expired(standing->terms, 399));
    CHECK(expired(standing->terms, 400));
    CHECK(court.holds(to_admin, admin));
    CHECK(court.holds(to_invitation, invitation));
    CHECK(!court.holds(to_node, admin));
    CHECK(!court.holds(to_invitation, node));
    CHECK(!court.holds({}, node));
}

TEST_CASE("nobody passes on more than it has") {
    const Court court;
    const Party admin, keeper, invitation, other, node;
    const auto to_keeper = court.add(court.root, Subject::node, keeper, {.role = Role::keeper});
    CHECK(!court.holds(court.add(keeper.with(to_keeper), Subject::invitation, invitation), invitation));
    CHECK(!court.holds(court.add(keeper.with(to_keeper), Subject::node, node), node));
    const auto to_admin = court.add(court.root, Subject::node, admin, {.role = Role::admin, .expires_s = 900});
    CHECK(!court.holds(court.add(admin.with(to_admin), Subject::node, node), node));
    const auto invited = [&](const Terms& terms) {
        return court.holds(court.add(admin.with(to_admin), Subject::invitation, invitation, terms), invitation);
    };
    CHECK(invited({.expires_s = 900}));
    CHECK(!invited({.expires_s = 901}));
    CHECK(!invited({.expires_s = 0}));
    const auto to_invitation =
        court.add(court.root, Subject::invitation, invitation, {.role = Role::writer, .uses = 1, .expires_s = 900});
    const auto joined = [&](const Terms& terms) {
        return court.holds(court.add(invitation.with(to_invitation), Subject::node, node, terms), node);
    };
    CHECK(joined({.role = Role::writer, .expires_s = 900}));
    CHECK(joined({.role = Role::reader, .expires_s = 1}));
    CHECK(!joined({.role = Role::keeper, .expires_s = 900}));
    CHECK(!joined({.role = Role::writer, .expires_s = 0}));
    CHECK(!joined({.role = Role::writer, .uses = 1, .expires_s = 900}));
    CHECK(!court.holds(court.add(invitation.with(to_invitation), Subject::invitation, other, {.role = Role::reader}),
                       other));
}

TEST_CASE("no bit of a chain can be changed, and its links cannot be taken out, swapped or used elsewhere") {
    const Court court;
    const Party invitation, node;
    const auto to_invitation = court.add(court.root, Subject::invitation, invitation);
    const auto chain = court.add(invitation.with(to_invitation), Subject::node, node);
    const auto bytes = encode_chain(chain);
    CHECK(bytes.size() == 1 + 2 * certificate_bytes);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            auto changed = bytes;
            changed[at] = char(std::uint8_t(changed[at]) ^ 1U << bit);
            const auto read = decode_chain(changed);
            CHECK((!read || !court.holds(*read, node)));
        }
        CHECK(!decode_chain(bytes.substr(0, at)));
    }
    CHECK(!decode_chain(bytes + "x"));
    CHECK(!decode_chain(Bytes(chain_bytes_max + certificate_bytes, '\1')));
    REQUIRE(decode_chain(bytes));
    CHECK(*decode_chain(bytes) == chain);
    CHECK(!court.holds({chain[1]}, node));
    CHECK(!court.holds({chain[1], chain[0]}, node));
    CHECK(!court.holds({chain[0], chain[0], chain[1]}, node));
    const Court other;
    CHECK(!other.holds(chain, node));
    Trust mixed = court.mesh.secret.trust();
    mixed.mesh[0] ^= 1;
    CHECK(!standing_of(mixed, chain, node.key.node_key()));
}

// -- against a naive reading

struct Said {
    Subject what;
    Terms terms;
    bool well_signed;
};

/// May `said[0 … count-1]` be? As a person would check it from the end: this one may be what it is if the one before
/// may be, and may say it.
bool naive(const std::vector<Said>& said, std::size_t count) {
    if (count == 0) return true;
    const auto& last = said[count - 1];
    if (!last.well_signed || (last.what == Subject::node && last.terms.uses > 0) || last.terms.epoch != 0) return false;
    if (count > 1) {
        const auto& by = said[count - 2];
        const bool may = by.what == Subject::invitation
                             ? last.what == Subject::node
                             : last.what == Subject::invitation && by.terms.role == Role::admin;
        const auto ends = [](const Terms& terms) { return terms.expires_s == 0 ? UINT64_MAX : terms.expires_s; };
        if (!may || last.terms.role > by.terms.role || ends(last.terms) > ends(by.terms)) return false;
    }
    return naive(said, count - 1);
}

TEST_CASE("random chains hold exactly where a naive reading of the rules says so") {
    const Court court;
    std::vector<Party> parties(certificates_max + 2);
    std::mt19937_64 random(5);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    std::size_t held = 0;
    for (int round = 0; round < 3000; ++round) {
        std::vector<Said> said;
        Chain chain;
        const auto length = 1 + below(certificates_max + 1);
        for (std::size_t at = 0; at < length; ++at) {
            // Mostly what may be, so that long chains hold now and then.
            const auto usual = at > 0 && said.back().what == Subject::node ? Subject::invitation : Subject::node;
            Said next{below(4) > 0 ? usual : Subject(1 + below(2)), {}, below(25) > 0};
            next.terms.role = below(3) > 0 ? Role::admin : Role(1 + below(4));
            next.terms.expires_s = below(3) > 0 ? 100 : below(2) * 50;
            next.terms.epoch = below(40) == 0 ? 1 : 0;
            next.terms.uses = next.what == Subject::invitation || below(20) == 0 ? std::uint16_t(below(2)) : 0;
            const auto& signer =
                next.well_signed ? (at == 0 ? court.mesh.admin : parties[at - 1].key) : parties.back().key;
            chain =
                issued({signer, chain}, court.mesh.secret.mesh_id(), next.what, parties[at].key.node_key(), next.terms);
            said.push_back(next);
        }
        const bool holds = court.holds(chain, parties[length - 1]);
        const bool short_enough = length + (said.back().what == Subject::invitation ? 1 : 0) <= certificates_max;
        CHECK(holds == (short_enough && naive(said, length)));
        held += holds ? 1 : 0;
    }
    CHECK(held > 300);
    CHECK(held < 2500);
}

}  // namespace
}  // namespace starling::net
