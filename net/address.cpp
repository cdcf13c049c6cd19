#include "net/address.hpp"

#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstring>
#include <net/if.h>
#include <netdb.h>

namespace starling::net {

Result<HostPort> parse_host_port(std::string_view text) {
    auto bad = [&](const char* why) {
        std::string shown(text.substr(0, host_bytes_max));
        return Fault{FaultCode::malformed, "\"" + shown + "\" is not host:port: " + why};
    };
    auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return bad("there is no port");
    std::string_view host = text.substr(0, colon);
    std::string_view digits = text.substr(colon + 1);
    unsigned port = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size() || port == 0 || port > 65535) {
        return bad("the port is a number from 1 to 65535");
    }
    if (!host.empty() && host.front() == '[') {
        if (host.size() < 3 || host.back() != ']') return bad("a bracket is missing");
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return bad("an IPv6 address goes into brackets");
    }
    if (host.empty()) return bad("there is no host");
    if (host.size() > host_bytes_max) return bad("the host is too long");
    for (char c : host) {
        if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7f || c == '/') {
            return bad("the host has a character that does not belong there");
        }
    }
    return HostPort{std::string(host), std::uint16_t(port)};
}

SocketAddress::SocketAddress(const sockaddr_storage& from) {
    if (from.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &from, sizeof v6);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
            in_addr v4{};
            std::memcpy(&v4, v6.sin6_addr.s6_addr + 12, sizeof v4);
            *this = SocketAddress(v4, ntohs(v6.sin6_port));
        } else {
            *this = SocketAddress(v6.sin6_addr, v6.sin6_scope_id, ntohs(v6.sin6_port));
        }
    } else if (from.ss_family == AF_INET) {
        std::memcpy(&storage_, &from, sizeof(sockaddr_in));
    }
}

SocketAddress::SocketAddress(const in_addr& v4, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr = v4;
    address.sin_port = htons(port);
    std::memcpy(&storage_, &address, sizeof address);
}

SocketAddress::SocketAddress(const in6_addr& v6, std::uint32_t scope, std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = v6;
    address.sin6_scope_id = scope;
    address.sin6_port = htons(port);
    std::memcpy(&storage_, &address, sizeof address);
}

std::uint16_t SocketAddress::port() const {
    // The port lies at the same place in both families.
    sockaddr_in address{};
    std::memcpy(&address, &storage_, sizeof address);
    return ntohs(address.sin_port);
}

void SocketAddress::set_port(std::uint16_t port) {
    sockaddr_in address{};
    std::memcpy(&address, &storage_, sizeof address);
    address.sin_port = htons(port);
    std::memcpy(&storage_, &address, sizeof address);
}

std::string SocketAddress::text() const {
    std::array<char, INET6_ADDRSTRLEN + IF_NAMESIZE + 2> host{};
    if (!valid() || getnameinfo(raw(), raw_size(), host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) != 0)
        return "?";
    std::string name(host.data());
    return (is_v6() ? "[" + name + "]" : name) + ":" + std::to_string(port());
}

std::optional<SocketAddress> numeric_address(const HostPort& at) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints, &found) != 0) return std::nullopt;
    sockaddr_storage storage{};
    std::memcpy(&storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return SocketAddress(storage);
}

}  // namespace starling::net
