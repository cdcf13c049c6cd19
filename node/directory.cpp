#include "node/directory.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <starling/error.hpp>

#include "net/address.hpp"

namespace starling::detail {

namespace {

constexpr std::size_t peers_line_bytes_max = 512;

[[noreturn]] void unusable(const std::filesystem::path& path, const std::string& why) {
    throw Error(Errc::dir_unusable, path.string() + ": " + why);
}

std::string reason_of(int error) {
    return std::generic_category().message(error);
}

[[noreturn]] void rethrow_key(const std::filesystem::path& path, const crdt::Fault& fault) {
    const auto code = fault.code == crdt::FaultCode::malformed ? Errc::key_malformed
                      : fault.code == crdt::FaultCode::refused ? Errc::key_exposed
                                                               : Errc::dir_unusable;
    throw Error(code, path.string() + ": " + fault.what);
}

bool is_there(const std::filesystem::path& path) {
    std::error_code error;
    const bool there = std::filesystem::exists(std::filesystem::symlink_status(path, error));
    if (error && error != std::errc::no_such_file_or_directory) unusable(path, error.message());
    return there;
}

template <class T>
T load(const std::filesystem::path& path) {
    auto loaded = T::load(path);
    if (!loaded) rethrow_key(path, loaded.fault());
    return std::move(*loaded);
}

template <class T>
void save(const T& key, const std::filesystem::path& path) {
    if (const auto saved = key.save(path); !saved) unusable(path, saved.fault().what);
}

}  // namespace

Directory::Directory(std::filesystem::path path) : path_(std::move(path)) {
    std::error_code error;
    if (const auto parent = std::filesystem::absolute(path_, error).lexically_normal().parent_path(); !error)
        std::filesystem::create_directories(parent, error);
    if (error) unusable(path_, error.message());
    if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) unusable(path_, reason_of(errno));
    const auto lock = path_ / "lock";
    lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock_ < 0) unusable(lock, reason_of(errno));
    if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
    const auto why = errno;
    ::close(lock_);
    if (why == EWOULDBLOCK) throw Error(Errc::dir_in_use, path_.string());
    unusable(lock, reason_of(why));
}

Directory::~Directory() {
    if (lock_ >= 0) ::close(lock_);
}

Directory::Directory(Directory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

net::Identity Directory::identity() const {
    const auto path = path_ / "node.key";
    if (is_there(path)) return load<net::Identity>(path);
    auto made = net::Identity::generate();
    save(made, path);
    return made;
}

std::optional<net::MeshSecret> Directory::mesh() const {
    const auto path = path_ / "mesh.key";
    if (!is_there(path)) return std::nullopt;
    return load<net::MeshSecret>(path);
}

void Directory::set_mesh(const net::MeshSecret& mesh) const {
    save(mesh, path_ / "mesh.key");
}

std::vector<std::string> Directory::peers() const {
    std::vector<std::string> peers;
    std::ifstream file(path_ / "peers");
    for (std::string line; peers.size() < peers_file_lines_max && std::getline(file, line);) {
        if (line.size() <= peers_line_bytes_max && net::parse_host_port(line)) peers.push_back(line);
    }
    return peers;
}

void Directory::add_peers(const std::vector<std::string>& addresses) const {
    auto known = peers();
    std::ofstream file(path_ / "peers", std::ios::app);
    for (const auto& address : addresses) {
        if (known.size() >= peers_file_lines_max || std::find(known.begin(), known.end(), address) != known.end())
            continue;
        known.push_back(address);
        file << address << '\n';
    }
    if (!file.flush()) unusable(path_ / "peers", "cannot be written");
}

net::JoinCode join_code_of(const std::string& text) {
    auto code = net::parse_join_code(text);
    if (!code) throw Error(Errc::join_code_malformed, code.fault().what);
    return std::move(*code);
}

Membership settle_mesh(const Directory* dir, const std::string& code) {
    auto own = dir == nullptr ? std::nullopt : dir->mesh();
    if (code.empty() && own) return {std::move(*own), {}};
    auto membership = Membership{net::MeshSecret::generate(), {}};
    if (!code.empty()) {
        auto joined = join_code_of(code);
        if (own && !(*own == joined.mesh)) throw Error(Errc::mesh_differs, "open with another join code");
        membership = {std::move(joined.mesh), std::move(joined.addresses)};
    }
    if (dir != nullptr && !own) dir->set_mesh(membership.mesh);
    if (dir != nullptr && !membership.addresses.empty()) dir->add_peers(membership.addresses);
    return membership;
}

}  // namespace starling::detail
