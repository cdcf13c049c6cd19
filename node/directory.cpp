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
#include "net/secret_file.hpp"

namespace starling::detail {

namespace {

constexpr const char* first_voter_file = "voter.new";
constexpr std::size_t peers_line_bytes_max = 512;
constexpr std::string_view chain_label = "starling-certificates-1";

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

template <class T, class... More>
T load(const std::filesystem::path& path, const net::KeySeal* seal, More... more) {
    auto loaded = T::load(path, seal, more...);
    if (!loaded) rethrow_key(path, loaded.fault());
    return std::move(*loaded);
}

template <class T, class... More>
void save(const T& key, const std::filesystem::path& path, const net::KeySeal* seal, More... more) {
    if (const auto saved = key.save(path, seal, more...); !saved) unusable(path, saved.fault().what);
}

template <class T, class... More>
void seal_file(const std::filesystem::path& path, const net::KeySeal& seal, More... more) {
    if (!is_there(path)) return;
    if (const auto sealed = T::seal_file(path, seal, more...); !sealed) rethrow_key(path, sealed.fault());
}

net::KeySeal seal_of(const std::filesystem::path& path, const Unlock& unlock) {
    std::error_code absent;
    const auto mode = std::filesystem::status(path, absent).permissions();
    constexpr auto others = std::filesystem::perms::group_all | std::filesystem::perms::others_all;
    if (!absent && (mode & others) != std::filesystem::perms::none && is_there(path))
        throw Error(Errc::key_exposed, path.string());
    auto seal = unlock.key ? net::KeySeal::from_key(path, net::Secret<32>(*unlock.key))
                           : net::KeySeal::from_passphrase(path, unlock.passphrase);
    if (seal) return std::move(*seal);
    switch (seal.fault().code) {
        case crdt::FaultCode::refused:
            throw Error(Errc::key_sealed, seal.fault().what);
        case crdt::FaultCode::too_large:
            throw Error(Errc::invalid_argument, seal.fault().what);
        default:
            rethrow_key(path, seal.fault());
    }
}

net::Identity load_or_make(const std::filesystem::path& path, const net::KeySeal* seal, net::Identity::Of whose) {
    if (is_there(path)) return load<net::Identity>(path, seal, whose);
    auto made = net::Identity::generate();
    save(made, path, seal, whose);
    return made;
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
    if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) {
        net::remove_drafts(path_);
        return;
    }
    const auto why = errno;
    ::close(lock_);
    if (why == EWOULDBLOCK) throw Error(Errc::dir_in_use, path_.string());
    unusable(lock, reason_of(why));
}

Directory::~Directory() {
    if (lock_ >= 0) ::close(lock_);
}

Directory::Directory(Directory&& other) noexcept
    : path_(std::move(other.path_)), seal_(std::move(other.seal_)), lock_(std::exchange(other.lock_, -1)) {}

void Directory::unlock(const Unlock& unlock) {
    const auto file = path_ / "seal";
    const auto node = path_ / "node.key", admin = path_ / "admin.key", mesh = path_ / "mesh.key";
    if (!is_there(file) && (net::is_sealed(node) || net::is_sealed(admin) || net::is_sealed(mesh)))
        throw Error(Errc::key_sealed, file.string() + " is missing, and without it nothing opens them");
    if (!unlock.key && unlock.passphrase.empty()) {
        if (is_there(file)) throw Error(Errc::key_sealed, path_.string());
        return;
    }
    seal_ = seal_of(file, unlock);
    seal_file<net::Identity>(node, *seal_, net::Identity::Of::node);
    seal_file<net::Identity>(admin, *seal_, net::Identity::Of::admin);
    seal_file<net::MeshSecret>(mesh, *seal_);
}

net::Identity Directory::identity() const {
    return load_or_make(path_ / "node.key", seal(), net::Identity::Of::node);
}

std::optional<net::MeshSecret> Directory::mesh() const {
    const auto path = path_ / "mesh.key";
    if (!is_there(path)) return std::nullopt;
    return load<net::MeshSecret>(path, seal());
}

void Directory::set_mesh(const net::MeshSecret& mesh) const {
    const auto path = path_ / "mesh.key";
    if (const auto saved = mesh.save(path, seal()); !saved) unusable(path, saved.fault().what);
}

net::Chain Directory::chain() const {
    const auto path = path_ / "node.cert";
    net::Bytes bytes(net::chain_bytes_max, '\0');
    const auto size =
        net::read_secret_file(path, chain_label, {reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    if (!size) rethrow_key(path, size.fault());
    bytes.resize(*size);
    auto chain = net::decode_chain(bytes);
    if (!chain) rethrow_key(path, chain.fault());
    return std::move(*chain);
}

void Directory::set_chain(const net::Chain& chain) const {
    const auto path = path_ / "node.cert";
    const auto bytes = net::encode_chain(chain);
    const auto saved = net::replace_secret_file(path, chain_label,
                                                {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    if (!saved) unusable(path, saved.fault().what);
}

std::optional<net::Identity> Directory::admin() const {
    const auto path = path_ / "admin.key";
    if (!is_there(path)) return std::nullopt;
    return load<net::Identity>(path, seal(), net::Identity::Of::admin);
}

net::Identity Directory::admin_made() const {
    return load_or_make(path_ / "admin.key", seal(), net::Identity::Of::admin);
}

bool Directory::names_first_voter() const {
    return is_there(path_ / first_voter_file);
}

void Directory::name_first_voter() const {
    const auto path = path_ / first_voter_file;
    if (!std::ofstream(path).flush()) unusable(path, "cannot be written");
}

void Directory::first_voter_named() const {
    std::error_code error;
    std::filesystem::remove(path_ / first_voter_file, error);
    if (error) unusable(path_ / first_voter_file, error.message());
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

}  // namespace starling::detail
