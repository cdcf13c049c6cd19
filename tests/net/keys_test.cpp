// Identities, mesh secrets and join codes: what is written is read again, and damage is noticed.
#include <fstream>
#include <sys/stat.h>

#include "net/identity.hpp"
#include "net/mesh.hpp"
#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

std::string slurp(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void rewrite(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
}

TEST_CASE("an identity is saved for its owner alone, read back, and never overwritten") {
    TemporaryDirectory dir;
    auto path = dir.path / "identity";
    auto identity = Identity::generate();
    identity.check();
    REQUIRE(identity.save(path));
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);

    auto again = Identity::load(path);
    REQUIRE(again);
    CHECK(again->node_key() == identity.node_key());
    CHECK(again->curve_secret() == identity.curve_secret());

    auto text = slurp(path);
    auto second = Identity::generate().save(path);
    REQUIRE(!second);
    CHECK(second.fault().code == FaultCode::refused);
    CHECK(slurp(path) == text);
    // Nothing but the file is left behind.
    CHECK(std::distance(std::filesystem::directory_iterator(dir.path), {}) == 1);
}

TEST_CASE("an identity that is missing, readable by others, damaged or of another kind is not taken") {
    TemporaryDirectory dir;
    auto path = dir.path / "identity";
    auto missing = Identity::load(path);
    REQUIRE(!missing);
    CHECK(missing.fault().code == FaultCode::not_available);

    REQUIRE(Identity::generate().save(path));
    auto text = slurp(path);
    ::chmod(path.c_str(), 0640);
    auto open_to_others = Identity::load(path);
    REQUIRE(!open_to_others);
    CHECK(open_to_others.fault().code == FaultCode::refused);
    ::chmod(path.c_str(), 0600);

    for (std::size_t at = 0; at < text.size(); at += 7) {
        auto damaged = text;
        damaged[at] = damaged[at] == '0' ? '1' : '0';
        rewrite(path, damaged);
        auto loaded = Identity::load(path);
        REQUIRE(!loaded);
        CHECK(loaded.fault().code == FaultCode::malformed);
    }
    for (const auto& junk : {std::string(), text.substr(0, 40), text + text, std::string(100000, 'x')}) {
        rewrite(path, junk);
        CHECK(!Identity::load(path));
    }
    rewrite(path, text);
    CHECK(Identity::load(path));
    CHECK(!MeshSecret::load(path));
    CHECK(!Identity::load(dir.path));
    CHECK(!Identity::generate().save(dir.path / "nowhere" / "identity"));
}

TEST_CASE("the CURVE key follows from the node key, and a node key that is none is noticed") {
    auto identity = Identity::generate();
    auto curve = curve_key_of(identity.node_key());
    REQUIRE(curve);
    CHECK(*curve == identity.curve_public());
    CHECK(!curve_key_of(NodeKey{}));
    NodeKey all_ones{};
    all_ones.fill(0xff);
    CHECK(!curve_key_of(all_ones));
}

TEST_CASE("a mesh secret is read back with all its keys, which differ from each other") {
    TemporaryDirectory dir;
    const auto admin = Identity::generate();
    auto mesh = MeshSecret::founded_by(admin);
    CHECK(MeshSecret::founded_by(admin) == mesh);
    REQUIRE(mesh.save(dir.path / "mesh"));
    auto again = MeshSecret::load(dir.path / "mesh");
    REQUIRE(again);
    CHECK(*again == mesh);
    CHECK(again->mesh_id() == mesh.mesh_id());
    CHECK(again->trust().admin == mesh.trust().admin);
    CHECK(again->beacon_key() == mesh.beacon_key());
    CHECK(!(mesh.beacon_key() == mesh.door_key()));
    CHECK(MeshSecret::founded_by(Identity::generate()).mesh_id() != mesh.mesh_id());
}

TEST_CASE("newer mesh secrets go first, a few earlier ones are kept, and all are read back") {
    TemporaryDirectory dir;
    const auto path = dir.path / "mesh";
    auto mesh = MeshSecret::founded_by(Identity::generate());
    const auto founded = mesh;
    auto other = mesh;
    for (std::uint32_t epoch = 1; epoch <= secrets_kept_max + 2; ++epoch) {
        const auto next = mesh.successor();
        REQUIRE(next);
        CHECK(next->epoch == epoch);
        CHECK(mesh.add(epoch, next->root));
        CHECK_FALSE(mesh.add(epoch, next->root));
        CHECK(mesh.newest().digest == next->digest);
        CHECK(mesh.all().size() == std::min<std::size_t>(epoch + 1, secrets_kept_max));
        REQUIRE(mesh.save(path));  // over the one before
        const auto again = MeshSecret::load(path);
        REQUIRE(again);
        CHECK(*again == mesh);
    }
    CHECK_FALSE(mesh.add(founded));  // too old
    CHECK(mesh.trust().admin == founded.trust().admin);

    // Of one number the higher digest is newer, in whatever order they come.
    const auto one = other.successor(), two = other.successor();
    auto same = other;
    CHECK(other.add(1, one->root));
    CHECK(other.add(1, two->root));
    CHECK(same.add(1, two->root));
    CHECK(same.add(1, one->root));
    CHECK(other == same);
    CHECK(other.newest().digest == std::max(one->digest, two->digest));

    // Who learns the newest alone learns the others from its history.
    const auto history = mesh.history_for(mesh.newest());
    CHECK(history.size() <= MeshSecret::history_bytes_max);
    auto late = founded;
    CHECK_FALSE(late.add_history(mesh.newest().digest, history));
    CHECK(late.add(mesh.newest().epoch, mesh.newest().root));
    for (std::size_t at = 0; at < history.size(); at += 5) {
        auto changed = history;
        changed[at] = char(changed[at] ^ 1);
        CHECK_FALSE(late.add_history(mesh.newest().digest, changed));
    }
    CHECK(late.add_history(mesh.newest().digest, history));
    CHECK(late == mesh);
    CHECK_FALSE(late.add_history(mesh.newest().digest, history));
    REQUIRE(late.add(UINT32_MAX, one->root));
    CHECK_FALSE(late.successor());
}

TEST_CASE("a join code carries the secret, an invitation and the addresses") {
    const Founded mesh;
    const std::vector<std::string> addresses{"10.0.0.7:4000", "[fd00::2]:4001", "shop.example:4002"};
    const auto invitation = mesh.invitation({.role = Role::writer, .uses = 3, .expires_s = 4'000'000'000}, addresses);
    const auto code = invitation.text();
    CHECK(code.starts_with("starling3-"));
    auto joined = parse_join_code(" \n" + code + "\r\n");
    REQUIRE(joined);
    CHECK(joined->mesh == mesh.secret);
    CHECK(joined->invitation.key.node_key() == invitation.invitation.key.node_key());
    CHECK(joined->invitation.chain == invitation.invitation.chain);
    CHECK(joined->addresses == addresses);
    auto bare = parse_join_code(mesh.invitation().text());
    REQUIRE(bare);
    CHECK(bare->addresses.empty());

    const auto node = Identity::generate().node_key();
    const auto standing = standing_of(mesh.secret.trust(), joined->admit(node).chain, node);
    REQUIRE(standing);
    CHECK(standing->terms == Terms{Role::writer, 0, 0, 4'000'000'000});
    CHECK(standing->invitation == invitation.invitation.key.node_key());
    CHECK(standing->invitation_uses == 3);
}

TEST_CASE("a join code whose invitation is none of its mesh is not taken") {
    const Founded mesh, foreign;
    const auto fine = mesh.invitation();
    CHECK(parse_join_code(fine.text()));
    auto wrong = fine;
    wrong.invitation.chain = foreign.invitation().invitation.chain;
    CHECK(!parse_join_code(wrong.text()));
    wrong = fine;
    wrong.mesh = foreign.secret;
    CHECK(!parse_join_code(wrong.text()));
    wrong = fine;
    wrong.invitation.chain.clear();
    CHECK(!parse_join_code(wrong.text()));
    wrong = fine;  // a node's certificate, and its key: a stolen device
    wrong.invitation.key = Identity::generate();
    wrong.invitation.chain = mesh.member(wrong.invitation.key.node_key()).chain;
    CHECK(!parse_join_code(wrong.text()));
}

TEST_CASE("addresses over the limits are left out of a join code") {
    std::vector<std::string> many(join_addresses_max + 3, "10.0.0.7:4000");
    many.insert(many.begin(), {std::string(400, 'a') + ":1", "no port"});
    auto joined = parse_join_code(Founded().invitation({}, many).text());
    REQUIRE(joined);
    CHECK(joined->addresses.size() == join_addresses_max);
}

TEST_CASE("a typing error in a join code is found wherever it is, and said in words") {
    auto code = Founded().invitation({}, {"10.0.0.7:4000"}).text();
    for (std::size_t at = 0; at < code.size(); ++at) {
        auto wrong = code;
        wrong[at] = wrong[at] == 'A' ? 'B' : 'A';
        auto parsed = parse_join_code(wrong);
        REQUIRE(!parsed);
        CHECK(!parsed.fault().what.empty());
    }
    for (std::size_t size = 0; size < code.size(); ++size) CHECK(!parse_join_code(code.substr(0, size)));
    CHECK(!parse_join_code(code + "AA"));
    CHECK(!parse_join_code(code + "!"));
    CHECK(!parse_join_code(std::string(100000, 'A')));
    auto other = parse_join_code("starling1-AAAA");
    REQUIRE(!other);
    CHECK(other.fault().code == FaultCode::unknown_kind);
}

}  // namespace
}  // namespace starling::net
