#include "bench/agree_etcd.hpp"

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "crdt/assert.hpp"

namespace starling::bench {

using Json = nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t members = 3;
constexpr auto start_within = 60s;

std::string base64(std::string_view bytes) {
    static constexpr char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t word = 0;
        for (std::size_t i = 0; i < 3; ++i)
            word = word << 8 | (at + i < bytes.size() ? std::uint8_t(bytes[at + i]) : 0U);
        for (std::size_t i = 0; i < 4; ++i)
            text.push_back(at + i > bytes.size() ? '=' : letters[word >> (18 - 6 * i) & 63]);
    }
    return text;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// Ports that nobody had a moment ago.
std::vector<std::uint16_t> free_ports(std::size_t count) {
    std::vector<std::uint16_t> ports;
    std::vector<int> sockets;
    for (std::size_t i = 0; i < count; ++i) {
        const int held = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        auto address = loopback(0);
        socklen_t size = sizeof address;
        STARLING_ASSERT(bind(held, reinterpret_cast<sockaddr*>(&address), size) == 0, "a port can be had");
        getsockname(held, reinterpret_cast<sockaddr*>(&address), &size);
        ports.push_back(ntohs(address.sin_port));
        sockets.push_back(held);
    }
    for (const int held : sockets) close(held);
    return ports;
}

bool answers(std::uint16_t port) {
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = loopback(port);
    const bool there = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(probe);
    return there;
}

std::string url(std::uint16_t port) {
    return "http://127.0.0.1:" + std::to_string(port);
}

}  // namespace

// -- a client
// ---------------------------------------------------------------------------------------------------------------------

EtcdClient::EtcdClient(std::uint16_t port, std::chrono::milliseconds within)
    : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), within_(within) {
    const auto address = loopback(port);
    STARLING_ASSERT(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "etcd listens");
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval wait{within.count() / 1000, within.count() % 1000 * 1000};
    if (within_ > 0ms) setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
}

EtcdClient::~EtcdClient() {
    close(socket_);
}

bool EtcdClient::read_more() {
    std::array<char, 4096> more{};
    const auto count = silent_ ? 0 : recv(socket_, more.data(), more.size(), 0);
    if (count > 0) {
        read_.append(more.data(), std::size_t(count));
        return true;
    }
    STARLING_ASSERT(within_ > 0ms, "etcd answers");
    silent_ = true;
    return false;
}

std::string EtcdClient::read_until(std::string_view end) {
    std::size_t at = 0;
    while ((at = read_.find(end)) == std::string::npos) {
        if (!read_more()) return {};
    }
    auto text = read_.substr(0, at);
    read_.erase(0, at + end.size());
    return text;
}

std::string EtcdClient::read_bytes(std::size_t count) {
    while (read_.size() < count) {
        if (!read_more()) return {};
    }
    auto bytes = read_.substr(0, count);
    read_.erase(0, count);
    return bytes;
}

std::optional<Json> EtcdClient::try_post(const std::string& path, const Json& body) {
    const auto text = body.dump();
    const auto request = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
                         "Content-Length: " + std::to_string(text.size()) + "\r\n\r\n" + text;
    STARLING_ASSERT(send(socket_, request.data(), request.size(), MSG_NOSIGNAL) == ssize_t(request.size()),
                    "a small request fits");
    const auto head = read_until("\r\n\r\n");
    std::string answer;
    if (const auto at = head.find("Content-Length: "); at != std::string::npos) {
        answer = read_bytes(std::stoul(head.substr(at + 16)));
    } else {  // in chunks
        while (const auto size = std::strtoul(read_until("\r\n").c_str(), nullptr, 16)) answer += read_bytes(size + 2);
        (void)read_until("\r\n");
    }
    if (silent_ || head.find(" 200 ") == std::string::npos) return std::nullopt;
    return Json::parse(answer);
}

Json EtcdClient::post(const std::string& path, const Json& body) {
    auto answer = try_post(path, body);
    STARLING_ASSERT(answer, "etcd does what it is asked");
    return std::move(*answer);
}

void EtcdClient::put(const std::string& key, const std::string& value) {
    STARLING_ASSERT(try_put(key, value), "etcd keeps what it is given");
}

bool EtcdClient::try_put(const std::string& key, const std::string& value) {
    return try_post("/v3/kv/put", {{"key", base64(key)}, {"value", base64(value)}}).has_value();
}

std::optional<std::string> EtcdClient::get(const std::string& key) {
    const auto answer = post("/v3/kv/range", {{"key", base64(key)}});
    const auto found = answer.find("kvs");
    if (found == answer.end()) return std::nullopt;
    return found->at(0).at("value").get<std::string>();
}

std::string EtcdClient::grant(int ttl_s) {
    return post("/v3/lease/grant", {{"TTL", ttl_s}}).at("ID").get<std::string>();
}

bool EtcdClient::leads() {
    const auto status = post("/v3/maintenance/status", Json::object());
    return status.value("leader", "") == status.at("header").value("member_id", "none");
}

std::string EtcdClient::lock(const std::string& name, const std::string& lease) {
    return post("/v3/lock/lock", {{"name", base64(name)}, {"lease", lease}}).at("key").get<std::string>();
}

void EtcdClient::unlock(const std::string& key) {
    post("/v3/lock/unlock", {{"key", key}});
}

// -- a cluster
// ---------------------------------------------------------------------------------------------------------------------

std::unique_ptr<EtcdCluster> EtcdCluster::start(const std::string& directory) {
    if (access("/usr/bin/etcd", X_OK) != 0) return nullptr;
    std::unique_ptr<EtcdCluster> cluster(new EtcdCluster);
    const auto ports = free_ports(2 * members);
    std::string all;
    for (std::size_t i = 0; i < members; ++i)
        all.append(i == 0 ? "m" : ",m").append(std::to_string(i)).append("=").append(url(ports[members + i]));
    for (std::size_t i = 0; i < members; ++i) {
        const auto name = "m" + std::to_string(i);
        std::vector<std::string> words{"/usr/bin/etcd",
                                       "--name=" + name,
                                       "--data-dir=" + directory + "/" + name,
                                       "--listen-client-urls=" + url(ports[i]),
                                       "--advertise-client-urls=" + url(ports[i]),
                                       "--listen-peer-urls=" + url(ports[members + i]),
                                       "--initial-advertise-peer-urls=" + url(ports[members + i]),
                                       "--initial-cluster=" + all,
                                       "--initial-cluster-state=new",
                                       "--log-level=error"};
        std::vector<char*> arguments;
        for (auto& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        const pid_t child = fork();
        STARLING_ASSERT(child >= 0, "a process can be made");
        if (child == 0) {
            const int nothing = open("/dev/null", O_RDWR);
            for (int descriptor = 0; descriptor < 3; ++descriptor) dup2(nothing, descriptor);
            execv(arguments[0], arguments.data());
            _exit(127);
        }
        cluster->processes_.push_back(child);
        cluster->ports_.push_back(ports[i]);
    }
    const auto until = std::chrono::steady_clock::now() + start_within;
    for (const auto port : cluster->ports_) {
        while (!answers(port)) {
            STARLING_ASSERT(std::chrono::steady_clock::now() < until, "etcd starts");
            std::this_thread::sleep_for(50ms);
        }
    }
    std::this_thread::sleep_for(2s);  // for an election
    EtcdClient(cluster->port(0)).put("ready", "yes");
    return cluster;
}

void EtcdCluster::kill(std::size_t member) {
    ::kill(processes_.at(member), SIGKILL);
    waitpid(processes_[member], nullptr, 0);
    processes_.erase(processes_.begin() + std::ptrdiff_t(member));
    ports_.erase(ports_.begin() + std::ptrdiff_t(member));
}

EtcdCluster::~EtcdCluster() {
    for (const auto process : processes_) ::kill(process, SIGTERM);
    for (const auto process : processes_) waitpid(process, nullptr, 0);
}

}  // namespace starling::bench
