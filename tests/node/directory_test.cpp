#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <thread>

#include "net/mesh.hpp"
#include "tests/node/pair.hpp"
#include "tests/temporary_directory.hpp"

using namespace starling;
using namespace starling::test;

namespace {

void spoil(const std::filesystem::path& path) {
    std::ofstream(path, std::ios::trunc) << "starling-node rubbish\n";
}

unsigned mode_of(const std::filesystem::path& path) {
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    return info.st_mode & 0777;
}

}  // namespace

TEST_CASE("a directory keeps who the node is and which mesh it is in") {
    const testing::TemporaryDirectory scratch;
    const auto dir = scratch / "deep/er";
    NodeId id;
    std::string mesh;
    {
        const auto node = Node::open(in(dir));
        id = node.id();
        mesh = node.status().mesh_id;
        CHECK(mode_of(dir / "node.key") == 0600);
        CHECK(mode_of(dir / "mesh.key") == 0600);
        CHECK(mode_of(dir) == 0700);
    }
    const auto node = Node::open(in(dir));
    CHECK(node.id() == id);
    CHECK(node.status().mesh_id == mesh);
}

TEST_CASE("a directory serves one node at a time") {
    const testing::TemporaryDirectory scratch;
    auto first = Node::open(in(scratch / "d"));
    CHECK(code_of([&] { Node::open(in(scratch / "d")); }) == Errc::dir_in_use);
    CHECK(code_of([&] { Node::create_mesh(scratch / "d"); }) == Errc::dir_in_use);
    std::error_code error;
    CHECK_FALSE(Node::open(in(scratch / "d"), error));
    CHECK(error == Errc::dir_in_use);
    first.close();
    CHECK(Node::open(in(scratch / "d"), error));
    CHECK_FALSE(error);
}

TEST_CASE("a mesh is made and joined without opening") {
    const testing::TemporaryDirectory scratch;
    const auto code = Node::create_mesh(scratch / "a");
    CHECK(code_of([&] { Node::create_mesh(scratch / "a"); }) == Errc::mesh_exists);
    Node::join(scratch / "b", code);
    Node::join(scratch / "b", " " + code + "\n");
    const auto a = Node::open(in(scratch / "a"));
    const auto b = Node::open(in(scratch / "b"));
    CHECK(a.status().mesh_id == b.status().mesh_id);
    CHECK(a.id() != b.id());

    std::error_code error;
    Node::join(scratch / "c", "starling3-nonsense", error);
    CHECK(error == Errc::join_code_malformed);
    CHECK_FALSE(std::filesystem::exists(scratch / "c"));
    const auto other = Node::create_mesh(scratch / "other", error);
    CHECK_FALSE(error);
    CHECK(code_of([&] { Node::join(scratch / "other", code); }) == Errc::mesh_differs);
    auto options = in(scratch / "other");
    options.mesh = code;
    CHECK(code_of([&] { Node::open(options); }) == Errc::mesh_differs);
    options.mesh = other;
    CHECK(Node::open(options));
}

TEST_CASE("admins invite, with the role and the end they say, and nobody else does") {
    const testing::TemporaryDirectory scratch;
    const auto founder = lone();
    CHECK(founder.status().standing.role == Role::admin);
    CHECK(founder.status().standing.expires_s == 0);
    const auto join = [&](const char* name, const Invitation& invitation) {
        Node::join(scratch / name, founder.invite(invitation));
        return Node::open(in(scratch / name));
    };
    const auto admin = join("admin", {.role = Role::admin, .valid_for = 1h});
    const auto keeper = join("keeper", {});
    CHECK(admin.status().standing.role == Role::admin);
    CHECK(keeper.status().standing.role == Role::keeper);
    CHECK(code_of([&] { (void)keeper.join_code(); }) == Errc::not_admin);
    std::error_code error;
    CHECK(keeper.invite({}, error).empty());
    CHECK(error == Errc::not_admin);

    // What an admin grants ends no later than it does itself.
    CHECK(net::parse_join_code(admin.invite({}))->invitation.chain.back().terms.expires_s ==
          std::uint64_t(admin.status().standing.expires_s));
    CHECK(code_of([&] { (void)admin.invite({.valid_for = 2h}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { (void)founder.invite({.valid_for = -1s}); }) == Errc::invalid_argument);
    CHECK(code_of([&] { (void)founder.invite({.role = Role(9)}); }) == Errc::invalid_argument);
    auto options = quiet();
    options.mesh = admin.invite({.role = Role::writer, .valid_for = 10min});
    const auto writer = Node::open(options);
    CHECK(writer.status().standing.role == Role::writer);
    writer.counter("x").add(1);
    CHECK(founder.wait_until(writer.version(), patience));
    CHECK(keeper.wait_until(writer.version(), patience));
    const auto seen = [&] {  // figures of links come a little later
        for (const auto& peer : founder.peers())
            if (peer.id == writer.id() && peer.standing.role == Role::writer) return true;
        return false;
    };
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!seen() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(10ms);
    CHECK(seen());
}

TEST_CASE("a reader receives, and its own writes are refused before they take a dot") {
    const auto founder = lone();
    auto options = quiet();
    options.mesh = founder.invite({.role = Role::reader});
    const auto reader = Node::open(options);
    founder.counter("x").add(3);
    REQUIRE(reader.wait_until(founder.version(), patience));
    CHECK(reader.counter("x").value() == 3);
    // What it publishes of itself is no write of its application.
    const auto until = std::chrono::steady_clock::now() + patience;
    while (founder.members().size() < 2 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(10ms);
    REQUIRE(founder.members().size() == 2);
    const auto before = reader.version();
    CHECK(code_of([&] { reader.counter("x").add(1); }) == Errc::role_forbids);
    CHECK(code_of([&] { reader.transact([](auto&) {}); }) == Errc::role_forbids);
    CHECK(reader.version() == before);
}

TEST_CASE("a reader brings a newcomer up to date, by a state diff too, and its word makes nobody a writer") {
    auto options = quiet();
    options.log_bytes_max = 1'000;  // of the newest writes: what was before comes by a state diff
    std::string code;
    const auto reader = [&] {
        const auto founder = Node::open(options);
        auto its = options;
        its.mesh = founder.invite({.role = Role::reader});
        auto made = Node::open(its);
        for (int i = 0; i < 5; ++i) {
            founder.counter("x").add(10);
            founder.map<std::string, std::string>("texts").put("text " + std::to_string(i), std::string(2'000, 't'));
            REQUIRE(made.wait_until(founder.version(), patience));
        }
        code = founder.join_code();
        return made;
    }();  // and the founder is gone
    options.mesh = code;
    options.peers = {"127.0.0.1:" + std::to_string(reader.status().port)};
    const auto newcomer = Node::open(options);
    REQUIRE(newcomer.wait_until(reader.version(), patience));
    CHECK(newcomer.counter("x").value() == 50);
    CHECK(newcomer.status().counters.diffs > 0);
    CHECK(code_of([&] { reader.counter("x").add(1); }) == Errc::role_forbids);
    CHECK(newcomer.counter("x").value() == 50);
}

TEST_CASE("joining again renews what a node is, and takes nothing away") {
    const testing::TemporaryDirectory scratch;
    (void)Node::create_mesh(scratch / "a");
    const auto a = Node::open(in(scratch / "a"));
    const auto role_of = [&] { return Node::open(in(scratch / "b")).status().standing; };
    Node::join(scratch / "b", a.invite({.role = Role::writer, .valid_for = 1h}));
    const auto first = role_of();
    CHECK(first.role == Role::writer);
    CHECK(first.expires_s > 0);
    Node::join(scratch / "b", a.invite({.role = Role::reader, .valid_for = 1h}));
    CHECK(role_of().role == Role::writer);
    Node::join(scratch / "b", a.invite({.role = Role::keeper}));
    CHECK(role_of().role == Role::keeper);
    CHECK(role_of().expires_s == 0);

    const auto brief = a.invite({.valid_for = 1s});
    std::this_thread::sleep_for(1100ms);
    CHECK(code_of([&] { Node::join(scratch / "c", brief); }) == Errc::join_code_expired);
    CHECK_FALSE(std::filesystem::exists(scratch / "c"));
    CHECK(Node::join(scratch / "b", brief).role == Role::keeper);  // a member keeps what it has
    CHECK(role_of().role == Role::keeper);
}

TEST_CASE("admins invite admins, as far as a chain reaches, and no code leads past it") {
    std::vector<Node> admins;
    admins.push_back(lone());
    const testing::TemporaryDirectory scratch;
    for (int generation = 0;; ++generation) {
        std::error_code error;
        const auto code = admins.back().invite({.role = Role::admin}, error);
        if (error) {
            CHECK(error == Errc::not_admin);
            CHECK(generation == 3);
            break;
        }
        auto options = in(scratch / std::to_string(generation).c_str());
        options.mesh = code;
        admins.push_back(Node::open(options));
        CHECK(admins.back().status().standing.role == Role::admin);
        REQUIRE(generation < 10);
    }
}

TEST_CASE("what is lost or left of a membership is healed, and says so where it cannot be") {
    const testing::TemporaryDirectory scratch;
    const auto code = Node::create_mesh(scratch / "a");
    const auto mesh = Node::open(in(scratch / "a")).status().mesh_id;
    // The admin key alone brings back certificate and mesh.
    std::filesystem::remove(scratch / "a/node.cert");
    CHECK(Node::open(in(scratch / "a")).status().standing.role == Role::admin);
    std::filesystem::remove(scratch / "a/mesh.key");
    Node::join(scratch / "b", Node::create_mesh(scratch / "a"));
    Node::join(scratch / "b", code);  // of before: it is the very same mesh
    CHECK(Node::open(in(scratch / "a")).status().mesh_id == mesh);

    // A certificate that is gone or damaged: with a code, as new.
    for (const bool gone : {true, false}) {
        const auto path = scratch / "b/node.cert";
        gone ? void(std::filesystem::remove(path)) : spoil(path);
        CHECK(code_of([&] { Node::open(in(scratch / "b")); }) != Errc{});
        CHECK(Node::join(scratch / "b", code).role == Role::keeper);
        CHECK(Node::open(in(scratch / "b")));
    }

    // An admin key of another mesh, left by an init that was killed, is not what this node invites with.
    (void)Node::create_mesh(scratch / "c");
    std::filesystem::remove(scratch / "c/mesh.key");
    const auto founder = Node::open(in(scratch / "a"));
    Node::join(scratch / "c", founder.invite({.role = Role::admin}));
    const auto invited = Node::open(in(scratch / "c")).invite();
    CHECK(net::parse_join_code(invited)->mesh.mesh_id() == net::parse_join_code(code)->mesh.mesh_id());

    // What a killed process was writing lies in nobody's way.
    std::ofstream(scratch / "b/node.key.draft-123") << "a key in clear";
    std::ofstream(scratch / "b/node.cert.next") << "half";
    CHECK(Node::open(in(scratch / "b")));
    CHECK_FALSE(std::filesystem::exists(scratch / "b/node.key.draft-123"));
    CHECK_FALSE(std::filesystem::exists(scratch / "b/node.cert.next"));
}

TEST_CASE("sealed keys are opened by what sealed them alone, and nothing on the disk gives them away") {
    const testing::TemporaryDirectory scratch;
    (void)Node::create_mesh(scratch / "d");
    const auto slurp = [](const std::filesystem::path& path) {
        std::ifstream file(path, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    std::vector<std::string> secrets;
    for (const char* name : {"d/node.key", "d/mesh.key", "d/admin.key"}) {
        const auto line = slurp(scratch / name);
        secrets.push_back(line.substr(line.find(' ') + 1, 64));  // the first 32 bytes of each are secret
    }
    auto options = in(scratch / "d");
    const auto id = Node::open(options).id();

    options.unlock.passphrase = "murmuration";
    CHECK(Node::open(options).id() == id);
    CHECK(Node::open(options).id() == id);
    for (const auto& file : std::filesystem::recursive_directory_iterator(scratch / "d")) {
        if (!file.is_regular_file()) continue;
        const auto bytes = slurp(file.path());
        for (const auto& secret : secrets) {
            std::string raw;
            for (std::size_t at = 0; at < secret.size(); at += 2)
                raw += char(std::stoi(secret.substr(at, 2), nullptr, 16));
            CHECK(bytes.find(secret) == std::string::npos);
            CHECK(bytes.find(raw) == std::string::npos);
        }
        CHECK(bytes.find("murmuration") == std::string::npos);
    }
    options.unlock.passphrase = "murmurations";
    CHECK(code_of([&] { Node::open(options); }) == Errc::key_sealed);
    options.unlock.passphrase.clear();
    CHECK(code_of([&] { Node::open(options); }) == Errc::key_sealed);
    options.unlock.key.emplace().fill(7);
    CHECK(code_of([&] { Node::open(options); }) == Errc::key_sealed);
    CHECK(code_of([&] { Node::join(scratch / "d", Node::create_mesh(scratch / "e")); }) == Errc::key_sealed);
    options.unlock = {.passphrase = std::string(2000, 'x')};
    CHECK(code_of([&] { Node::open(options); }) == Errc::invalid_argument);
    CHECK(Node::check_store(scratch / "d"));  // needs no key
    options.unlock = {.passphrase = "murmuration"};
    REQUIRE(::chmod((scratch / "d/seal").c_str(), 0644) == 0);
    CHECK(code_of([&] { Node::open(options); }) == Errc::key_exposed);
    std::filesystem::remove(scratch / "d/seal");
    CHECK(code_of([&] { Node::open(options); }) == Errc::key_sealed);
    options.unlock = {};
    CHECK(code_of([&] { Node::open(options); }) == Errc::key_sealed);
    CHECK_FALSE(std::filesystem::exists(scratch / "d/seal"));
}

TEST_CASE("keys may be sealed by a key of the application, from the start") {
    const testing::TemporaryDirectory scratch;
    Unlock unlock;
    unlock.key.emplace().fill(9);
    const auto code = Node::create_mesh(scratch / "a", unlock);
    Node::join(scratch / "b", code, unlock);
    for (const char* name : {"a", "b"}) {
        auto options = in(scratch / name);
        CHECK(code_of([&] { Node::open(options); }) == Errc::key_sealed);
        options.unlock = unlock;
        CHECK(Node::open(options));
        (*options.unlock.key)[0] ^= 1;
        CHECK(code_of([&] { Node::open(options); }) == Errc::key_sealed);
        options.unlock = {.passphrase = "x"};
        CHECK(code_of([&] { Node::open(options); }) == Errc::key_sealed);
    }
    // A key of another directory's, sealed with the same key, is still another node's; a swapped one is none.
    std::filesystem::copy_file(scratch / "a/mesh.key", scratch / "a/node.key",
                               std::filesystem::copy_options::overwrite_existing);
    auto options = in(scratch / "a");
    options.unlock = unlock;
    CHECK(code_of([&] { Node::open(options); }) == Errc::key_malformed);
}

TEST_CASE("addresses in a join code are kept") {
    const testing::TemporaryDirectory scratch;
    const auto a = lone();
    Node::join(scratch / "b", a.join_code());
    const auto b = Node::open(in(scratch / "b"));
    a.counter("x").add(1);
    CHECK(b.wait_until(a.version(), patience));
}

TEST_CASE("damaged, exposed and unusable files are named errors") {
    const testing::TemporaryDirectory scratch;
    (void)Node::create_mesh(scratch / "d");
    {
        const auto node = Node::open(in(scratch / "d"));
    }
    for (const char* file : {"d/node.key", "d/mesh.key", "d/admin.key"}) {
        const auto path = scratch / file;
        const auto saved = scratch / "saved";
        std::filesystem::copy_file(path, saved);
        spoil(path);
        CHECK(code_of([&] { Node::open(in(scratch / "d")); }) == Errc::key_malformed);
        std::filesystem::remove(path);
        std::filesystem::rename(saved, path);
        REQUIRE(::chmod(path.c_str(), 0644) == 0);
        CHECK(code_of([&] { Node::open(in(scratch / "d")); }) == Errc::key_exposed);
        REQUIRE(::chmod(path.c_str(), 0600) == 0);
    }
    CHECK(Node::open(in(scratch / "d")));
    std::ofstream(scratch / "file") << "not a directory";
    CHECK(code_of([&] { Node::open(in(scratch / "file")); }) == Errc::dir_unusable);
    CHECK(code_of([&] { Node::open(in(scratch / "file/below")); }) == Errc::dir_unusable);
    CHECK(code_of([&] { Node::open(in("/proc/starling")); }) == Errc::dir_unusable);
}

TEST_CASE("an address that cannot be listened on is a named error") {
    auto options = quiet();
    options.listen_address = "192.0.2.1";  // nobody's (RFC 5737)
    CHECK(code_of([&] { Node::open(options); }) == Errc::network_unavailable);
    options = quiet();
    const auto first = lone();
    options.listen_port = first.status().port;
    CHECK(code_of([&] { Node::open(options); }) == Errc::network_unavailable);
    options = quiet();
    options.peers = {"no address"};
    CHECK(code_of([&] { Node::open(options); }) == Errc::invalid_argument);
}
