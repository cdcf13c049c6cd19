// Where somebody listens: as people write it ("host:port", "[v6]:port"), and as the system wants it.
#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>

#include "net/identity.hpp"

namespace starling::net {

constexpr std::size_t host_bytes_max = 253;  // of a DNS name

struct HostPort {
    std::string host;  ///< without brackets
    std::uint16_t port = 0;
};

/// "host:port" or "[v6]:port", port 1–65535. Syntax alone: nothing is looked up.
Result<HostPort> parse_host_port(std::string_view text);

/// An IPv4 or IPv6 address with a port.
class SocketAddress {
  public:
    SocketAddress() = default;
    /// Takes over what the system returned; an IPv4 address mapped into IPv6 becomes plain IPv4.
    explicit SocketAddress(const sockaddr_storage& from);
    SocketAddress(const in_addr& v4, std::uint16_t port);
    SocketAddress(const in6_addr& v6, std::uint32_t scope, std::uint16_t port);

    bool is_v6() const { return storage_.ss_family == AF_INET6; }
    bool valid() const { return storage_.ss_family != AF_UNSPEC; }
    std::uint16_t port() const;
    void set_port(std::uint16_t port);
    /// Numeric "1.2.3.4:5" or "[fe80::1%eth0]:5"; also what a ZeroMQ endpoint wants behind "tcp://".
    std::string text() const;
    const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }
    socklen_t raw_size() const { return is_v6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }
    bool operator==(const SocketAddress& other) const { return text() == other.text(); }

  private:
    sockaddr_storage storage_{};
};

/// A numeric address, without any look-up; nothing where `host` is a name.
std::optional<SocketAddress> numeric_address(const HostPort& at);

}  // namespace starling::net
