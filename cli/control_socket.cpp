#include "cli/control_socket.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <thread>

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;

constexpr int backlog_connections = 64;
constexpr int connect_tries_max = 100;  // to a node whose backlog is full
constexpr std::chrono::milliseconds connect_again_ms{20};

std::string reason() {
    return std::strerror(errno);
}

/// A socket address may hold 107 bytes of path; a longer directory is named through an open descriptor of it.
struct SocketName {
    sockaddr_un address{};
    Descriptor directory;
};

crdt::Result<SocketName> name_in(const std::filesystem::path& directory) {
    SocketName name;
    name.address.sun_family = AF_UNIX;
    std::string path = (directory / control_socket_name).string();
    if (path.size() >= sizeof(name.address.sun_path)) {
        name.directory = Descriptor(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!name.directory) {
            return Fault{FaultCode::not_available, "cannot open the directory " + directory.string() + ": " + reason()};
        }
        auto link = "/proc/self/fd/" + std::to_string(name.directory.get());
        struct stat there{};
        if (::stat(link.c_str(), &there) != 0) {
            return Fault{FaultCode::too_large, "the path " + path +
                                                   " is too long for a socket: use a directory with a " +
                                                   "path shorter than 90 characters"};
        }
        path = link + "/" + control_socket_name;
    }
    std::memcpy(name.address.sun_path, path.c_str(), path.size() + 1);
    return name;
}

Descriptor unix_socket() {
    return Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace

crdt::Result<Descriptor> listen_in(const std::filesystem::path& directory) {
    auto name = name_in(directory);
    if (!name) return name.fault();
    const char* path = name->address.sun_path;
    struct stat there{};
    if (::lstat(path, &there) == 0) {
        if (!S_ISSOCK(there.st_mode)) {
            return Fault{FaultCode::refused, (directory / control_socket_name).string() +
                                                 " is not a socket: move it away, the node needs that name"};
        }
        ::unlink(path);
    }
    Descriptor socket = unix_socket();
    // Nobody can connect between bind and listen, so the mode is right before the first client.
    if (!socket ||
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name->address), sizeof(name->address)) != 0 ||
        ::chmod(path, S_IRUSR | S_IWUSR) != 0 || ::listen(socket.get(), backlog_connections) != 0) {
        return Fault{FaultCode::not_available,
                     "cannot listen on " + (directory / control_socket_name).string() + ": " + reason()};
    }
    return socket;
}

crdt::Result<Descriptor> connect_in(const std::filesystem::path& directory) {
    auto name = name_in(directory);
    if (!name) return name.fault();
    Descriptor socket = unix_socket();
    if (!socket) return Fault{FaultCode::not_available, "cannot open a socket: " + reason()};
    const auto* address = reinterpret_cast<const sockaddr*>(&name->address);
    for (int tries = 0; tries < connect_tries_max; ++tries) {
        if (::connect(socket.get(), address, sizeof(name->address)) == 0) return socket;
        if (errno != EAGAIN) break;
        std::this_thread::sleep_for(connect_again_ms);
        errno = EAGAIN;
    }
    if (errno == EAGAIN)
        return Fault{FaultCode::not_available, "the node in " + directory.string() + " is busy: try again"};
    if (errno == EACCES || errno == EPERM) {
        return Fault{FaultCode::refused, "the node in " + directory.string() + " belongs to another user: " + reason()};
    }
    return Fault{FaultCode::not_available, "no node is running in " + directory.string() +
                                               ": start one with 'starling up --dir " + directory.string() + "'"};
}

}  // namespace starling::cli
