#include <filesystem>
#include <fstream>
#include <sys/stat.h>

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
    Node::join(scratch / "c", "starling1-nonsense", error);
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
    for (const char* file : {"d/node.key", "d/mesh.key"}) {
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
