// Membership records: what holds, what does not however it was changed, and that a set of them says the same in any
// order.
#include <algorithm>
#include <random>

#include "net/mesh_record.hpp"
#include "net/roster.hpp"
#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

struct Issued {
    Identity key = Identity::generate();
    Chain chain;
    const NodeKey& name() const { return key.node_key(); }
    Issuer issuer() const { return {key, chain}; }
};

/// The admin key, an admin node that it let in, and whom that one invites.
struct Records {
    Founded mesh;
    const MeshId& id = mesh.secret.mesh_id();
    const Trust& trust = mesh.secret.trust();
    Issuer root{mesh.admin, {}};
    Issued admin = by(root, Subject::node, Role::admin);
    Issued invitation = by(admin.issuer(), Subject::invitation, Role::writer);
    Issued writer = by(invitation.issuer(), Subject::node, Role::writer);

    Issued by(const Issuer& issuer, Subject what, Role role) const {
        Issued made;
        made.chain = issued(issuer, id, what, made.name(), {.role = role});
        return made;
    }
    Bytes member(const Issued& who) const { return encode_record(MemberRecord{who.chain}); }
    Bytes revoked(const Issuer& issuer, Subject what, const NodeKey& subject, std::vector<LifeSeen> seen = {}) const {
        return encode_record(issuer, id, {what, subject, 1'800'000'000, issuer.chain, std::move(seen)});
    }
    bool holds(BytesView bytes) const { return bool(checked_record(trust, bytes)); }
};

TEST_CASE("records of members and of revocations hold, and read as they were written") {
    const Records court;
    const auto member = checked_record(court.trust, court.member(court.writer));
    REQUIRE(member);
    CHECK(*member == MeshRecord(MemberRecord{court.writer.chain}));
    const std::vector<LifeSeen> seen{{court.writer.name(), 7, 100}, {court.writer.name(), 9, 1}};
    for (const auto& issuer : {court.root, court.admin.issuer()}) {
        const auto bytes = court.revoked(issuer, Subject::node, court.writer.name(), seen);
        const auto revocation = checked_record(court.trust, bytes);
        REQUIRE(revocation);
        CHECK(*revocation ==
              MeshRecord(Revocation{Subject::node, court.writer.name(), 1'800'000'000, issuer.chain, seen}));
    }
    CHECK(court.holds(court.revoked(court.root, Subject::invitation, court.invitation.name())));
}

TEST_CASE("a new secret is sealed for those who are to have it, and for nobody else") {
    const Records court;
    auto known = court.mesh.secret;
    const auto secret = *known.successor();
    const auto bytes = encode_record(court.admin.issuer(), known, secret,
                                     {court.writer.name(), court.admin.name(), court.writer.name(), NodeKey{}});
    const auto record = checked_record(court.trust, bytes);
    REQUIRE(record);
    const auto& sealed = std::get<SecretRecord>(*record);
    CHECK(sealed.sealed.size() == 2);
    for (const auto* node : {&court.writer, &court.admin}) {
        const auto root = open_secret(sealed, court.id, node->key);
        REQUIRE(root);
        CHECK(*root == secret.root);
    }
    CHECK_FALSE(open_secret(sealed, court.id, court.invitation.key));
    auto other = sealed;
    other.epoch = 2;  // of which it is not the secret
    CHECK_FALSE(open_secret(other, court.id, court.writer.key));
    CHECK(known.add(secret.epoch, secret.root));
    CHECK_FALSE(known.add_history(secret.digest, sealed.history));  // there is nothing that it did not know

    CHECK_FALSE(court.holds(encode_record(court.writer.issuer(), known, secret, {court.writer.name()})));
    CHECK_FALSE(court.holds(encode_record({court.writer.key, {}}, known, secret, {court.writer.name()})));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        auto changed = bytes;
        changed[at] = char(changed[at] ^ (1 << at % 8));
        CHECK_FALSE(court.holds(changed));
        CHECK_FALSE(court.holds(bytes.substr(0, at)));
    }
    CHECK_FALSE(court.holds(bytes + '\0'));
}

TEST_CASE("what nobody with the right to it signed does not hold") {
    const Records court, other;
    const auto& writer = court.writer;
    CHECK_FALSE(other.holds(court.member(writer)));
    CHECK_FALSE(court.holds(court.member(court.invitation)));
    CHECK_FALSE(court.holds(encode_record(MemberRecord{})));
    CHECK_FALSE(court.holds({}));
    CHECK_FALSE(court.holds("\x04"));
    // A writer, an invitation, an admin's chain with another key, and an admin of another mesh.
    CHECK_FALSE(court.holds(court.revoked(writer.issuer(), Subject::node, court.admin.name())));
    CHECK_FALSE(court.holds(court.revoked(court.invitation.issuer(), Subject::node, writer.name())));
    CHECK_FALSE(court.holds(court.revoked({writer.key, court.admin.chain}, Subject::node, court.admin.name())));
    CHECK_FALSE(court.holds(court.revoked({writer.key, {}}, Subject::node, court.admin.name())));
    CHECK_FALSE(court.holds(other.revoked(other.root, Subject::node, writer.name())));
    CHECK_FALSE(court.holds(court.revoked(court.root, Subject::node, court.mesh.admin.node_key())));
}

TEST_CASE("a record that was changed in any byte, cut short or made longer does not hold") {
    const Records court;
    const std::vector<LifeSeen> seen{{court.writer.name(), 7, 100}, {court.writer.name(), 9, 1}};
    for (const auto& honest :
         {court.member(court.writer), court.revoked(court.admin.issuer(), Subject::node, court.writer.name(), seen)}) {
        REQUIRE(court.holds(honest));
        for (std::size_t at = 0; at < honest.size(); ++at) {
            auto bytes = honest;
            bytes[at] = char(bytes[at] ^ (1 << at % 8));
            CHECK_FALSE(court.holds(bytes));
            CHECK_FALSE(court.holds(honest.substr(0, at)));
        }
        CHECK_FALSE(court.holds(honest + '\0'));
        CHECK_FALSE(court.holds(Bytes(record_bytes_max + 1, honest[0])));
    }
    // The signer may not even say it in another order.
    auto swapped = court.revoked(court.root, Subject::node, court.writer.name(), {{{}, 1, 1}, {{}, 1, 2}});
    CHECK_FALSE(court.holds(swapped));
}

TEST_CASE("a roster says the same in whatever order its records came") {
    const Records court;
    const auto second = court.by(court.root, Subject::node, Role::admin);
    const auto later = court.by(court.invitation.issuer(), Subject::node, Role::reader);
    const auto code = court.by(second.issuer(), Subject::invitation, Role::keeper);
    Issued again{court.writer.key, {}};  // the writer, with another code
    again.chain = issued(code.issuer(), court.id, Subject::node, again.name(), {.role = Role::keeper});
    std::vector<Bytes> records{court.member(court.admin),
                               court.member(court.writer),
                               court.member(second),
                               court.member(later),
                               court.member(again),
                               court.revoked(second.issuer(), Subject::invitation, court.invitation.name()),
                               court.revoked(court.root, Subject::invitation, court.invitation.name()),
                               court.revoked(court.admin.issuer(), Subject::node, second.name()),
                               court.revoked(second.issuer(), Subject::node, court.admin.name())};
    std::mt19937 random(7);
    for (int round = 0; round < 50; ++round) {
        std::ranges::shuffle(records, random);
        Roster roster(court.trust);
        for (const auto& bytes : records) {
            auto record = checked_record(court.trust, bytes);
            REQUIRE(record);
            const bool news = roster.add(*record);
            CHECK((news || std::holds_alternative<Revocation>(*record)));
            CHECK_FALSE(roster.add(*record));
        }
        const auto members = roster.members();
        REQUIRE(members.size() == 4);
        // Both admins revoked each other, and with them all that they let in.
        for (const auto& [key, member] : members) CHECK(member.revoked);
        CHECK(members.at(court.writer.name()).standing.terms.role == Role::keeper);
        CHECK(members.at(court.writer.name()).invited_by == second.name());
        CHECK(members.at(second.name()).invited_by == court.mesh.admin.node_key());
        CHECK(roster.revoked().at(court.invitation.name()).issuer.empty());  // of two the shorter chain
        CHECK(roster.holds(again.chain));
        CHECK_FALSE(roster.revokes({}));
    }
}

TEST_CASE("an invitation that was revoked takes those who joined with it, unless they joined with another too") {
    const Records court;
    const auto code = court.by(court.root, Subject::invitation, Role::keeper);
    Issued again{court.writer.key, {}};
    again.chain = issued(code.issuer(), court.id, Subject::node, again.name(), {.role = Role::keeper});
    Roster roster(court.trust);
    for (const auto& bytes :
         {court.member(court.writer), court.revoked(court.root, Subject::invitation, court.invitation.name())})
        roster.add(*checked_record(court.trust, bytes));
    CHECK(roster.members().at(court.writer.name()).revoked);
    roster.add(*checked_record(court.trust, court.member(again)));
    CHECK_FALSE(roster.members().at(court.writer.name()).revoked);
    CHECK(roster.revokes(court.writer.chain));
    CHECK_FALSE(roster.revokes(again.chain));
    CHECK_FALSE(roster.revokes(court.admin.chain));
}

}  // namespace
}  // namespace starling::net
