#include "cli/demo/intruders.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <zmq.hpp>

#include <starling/types.hpp>

#include "cli/descriptor.hpp"
#include "net/door.hpp"
#include "net/zmq_sockets.hpp"

namespace starling::cli::demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds patience_ms{3'000};
constexpr int knock_ms = 600;
constexpr int look_ms = 50;
constexpr std::size_t greeting_bytes = 64;  // ZMTP 3: signature 10, version 2, mechanism 20, as-server 1, filler 31
constexpr std::size_t mechanism_at = 12, mechanism_bytes = 20;

Descriptor connect_to(std::uint16_t port) {
    Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return {};
    return socket;
}

std::array<unsigned char, greeting_bytes> plaintext_greeting() {
    std::array<unsigned char, greeting_bytes> greeting{};
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    std::memcpy(&greeting[mechanism_at], "NULL", 4);
    return greeting;
}

/// Reads until there are `bytes_max` bytes, the other side hangs up (which `hung_up` then says), or patience ends.
std::string read_up_to(int socket, std::size_t bytes_max, bool& hung_up) {
    std::string text;
    std::array<char, 512> buffer;
    const auto deadline = Clock::now() + patience_ms;
    hung_up = false;
    while (text.size() < bytes_max && Clock::now() < deadline) {
        pollfd item{socket, POLLIN, 0};
        if (::poll(&item, 1, look_ms) <= 0) continue;
        const ssize_t count = ::recv(socket, buffer.data(), std::min(buffer.size(), bytes_max - text.size()), 0);
        if (count <= 0) {
            hung_up = true;
            break;
        }
        text.append(buffer.data(), std::size_t(count));
    }
    return text;
}

/// A HELLO that would be right in another mesh, with the name of this mesh put over its own.
net::Bytes forged_hello(const net::Identity& self, const net::CurveKey& server, const std::string& mesh_id) {
    constexpr std::size_t mesh_at = 2;  // after kind and version
    net::Introduction introduction;
    introduction.node = self.node_key();
    introduction.boot = 1;
    introduction.port = 1;
    const auto founder = net::Identity::generate();
    const auto mesh = net::MeshSecret::founded_by(founder);
    const auto chain =
        net::issued({founder, {}}, mesh.mesh_id(), net::Subject::node, self.node_key(), {.role = net::Role::admin});
    const net::Door door({mesh, chain}, introduction);
    auto hello = door.hello({self.curve_public(), server}, 0);
    for (std::size_t at = 0; at < net::MeshId().size() && 2 * at + 1 < mesh_id.size(); ++at) {
        hello[mesh_at + at] = char(std::stoi(mesh_id.substr(2 * at, 2), nullptr, 16));
    }
    return hello;
}

}  // namespace

bool speaks_curve_only(std::uint16_t port) {
    Descriptor socket = connect_to(port);
    if (!socket) return false;
    // The node names its mechanism once it knows our version; only then do we say that we want none.
    const auto greeting = plaintext_greeting();
    const auto send = [&](std::size_t from, std::size_t to) {
        return ::send(socket.get(), &greeting[from], to - from, MSG_NOSIGNAL) == ssize_t(to - from);
    };
    bool hung_up = false;
    if (!send(0, mechanism_at)) return false;
    const std::string answer = read_up_to(socket.get(), greeting_bytes, hung_up);
    if (answer.size() != greeting_bytes || std::strncmp(&answer[mechanism_at], "CURVE", mechanism_bytes) != 0)
        return false;
    if (!send(mechanism_at, greeting_bytes)) return false;
    return read_up_to(socket.get(), 1, hung_up).empty() && hung_up;
}

std::size_t knock(std::uint16_t port, const std::string& node_id, const std::string& mesh_id) {
    const auto node = NodeId::parse(node_id);
    const auto server = node ? net::curve_key_of(node->bytes) : std::nullopt;
    if (!server) return 1;
    const auto self = net::Identity::generate();
    zmq::context_t context;
    zmq::socket_t socket(context, ZMQ_DEALER);
    socket.set(zmq::sockopt::linger, 0);
    net::set_curve_client(socket, self, *server);
    socket.connect("tcp://127.0.0.1:" + std::to_string(port));
    const auto hello = forged_hello(self, *server, mesh_id);
    socket.set(zmq::sockopt::sndtimeo, knock_ms);
    socket.set(zmq::sockopt::rcvtimeo, knock_ms);
    if (!socket.send(zmq::buffer(hello))) return 1;
    std::size_t frames = 0;
    zmq::message_t frame;
    while (socket.recv(frame)) ++frames;
    return frames;
}

}  // namespace starling::cli::demo
