#include "net/beacon_sockets.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace starling::net {
namespace {

// Administratively scoped (RFC 2365) and link-local: neither leaves the site.
constexpr const char* group_v4 = "239.255.83.76";
constexpr const char* group_v6 = "ff02::5354:4152";
constexpr int foreign_datagrams_max = 64;  // skipped in one receive(), on cards that are not ours to use

in_addr group_address_v4() {
    in_addr group{};
    inet_pton(AF_INET, group_v4, &group);
    return group;
}
in6_addr group_address_v6() {
    in6_addr group{};
    inet_pton(AF_INET6, group_v6, &group);
    return group;
}

void set_flag(int socket, int level, int option, int value = 1) {
    // Each of these only widens what is heard; without it there is a little less of it.
    [[maybe_unused]] int done = ::setsockopt(socket, level, option, &value, sizeof value);
}

int open_udp(int family) {
    int socket = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket >= 0 && family == AF_INET6) set_flag(socket, IPPROTO_IPV6, IPV6_V6ONLY);
    return socket;
}

bool bind_to(int socket, const SocketAddress& at) {
    return ::bind(socket, at.raw(), at.raw_size()) == 0;
}

void close_and_forget(int& socket) {
    if (socket >= 0) ::close(socket);
    socket = -1;
}

template <class Info>
void attach_control(msghdr& message, cmsghdr* header, int level, int type, const Info& info) {
    message.msg_control = header;
    message.msg_controllen = CMSG_SPACE(sizeof info);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

unsigned card_of(msghdr& message) {
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            in_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(header), sizeof info);
            return unsigned(info.ipi_ifindex);
        }
        if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
            in6_pktinfo info{};
            std::memcpy(&info, CMSG_DATA(header), sizeof info);
            return info.ipi6_ifindex;
        }
    }
    return 0;
}

}  // namespace

Result<std::unique_ptr<BeaconSockets>> BeaconSockets::open(const Settings& settings) {
    std::unique_ptr<BeaconSockets> self(new BeaconSockets);
    if (auto opened = self->open_own(settings); !opened) return opened.fault();
    if (settings.shared) self->open_shared(settings.shared_port);
    return self;
}

BeaconSockets::~BeaconSockets() {
    for (int& socket : sockets_) close_and_forget(socket);
}

Result<Done> BeaconSockets::open_own(const Settings& settings) {
    const bool any = settings.listen_address.empty();
    auto only = any ? std::nullopt : numeric_address(HostPort{settings.listen_address, settings.port});
    if (!any && !only) return Fault{FaultCode::malformed, settings.listen_address + " is no numeric address"};
    auto try_bind = [&](std::size_t which, int family, const SocketAddress& at) {
        sockets_[which] = open_udp(family);
        if (sockets_[which] < 0) return errno == EAFNOSUPPORT;
        set_flag(sockets_[which], SOL_SOCKET, SO_BROADCAST);
        if (bind_to(sockets_[which], at)) return true;
        const bool absent = errno == EADDRNOTAVAIL && any;
        close_and_forget(sockets_[which]);
        return absent;
    };
    bool opened = true;
    if (any || !only->is_v6()) {
        opened = try_bind(own_v4, AF_INET, only ? *only : SocketAddress(in_addr{INADDR_ANY}, settings.port));
    }
    if (opened && (any || only->is_v6())) {
        opened = try_bind(own_v6, AF_INET6, only ? *only : SocketAddress(in6addr_any, 0, settings.port));
    }
    if (!opened) {
        const char* why = std::strerror(errno);
        return Fault{FaultCode::not_available, "UDP port " + std::to_string(settings.port) + ": " + why};
    }
    return Done{};
}

void BeaconSockets::open_shared(std::uint16_t port) {
    shared_port_ = port;
    auto open_one = [&](std::size_t which, int family, const SocketAddress& at) {
        int socket = open_udp(family);
        if (socket < 0) return;
        set_flag(socket, SOL_SOCKET, SO_REUSEADDR);
        if (family == AF_INET) {
            set_flag(socket, IPPROTO_IP, IP_PKTINFO);
            set_flag(socket, IPPROTO_IP, IP_MULTICAST_ALL, 0);
        } else {
            set_flag(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO);
        }
        if (!bind_to(socket, at)) close_and_forget(socket);
        sockets_[which] = socket;
    };
    open_one(shared_v4, AF_INET, SocketAddress(in_addr{INADDR_ANY}, port));
    open_one(shared_v6, AF_INET6, SocketAddress(in6addr_any, 0, port));
}

void BeaconSockets::use_cards(const std::vector<Card>& cards) {
    cards_.clear();
    for (const auto& card : cards) cards_.insert(card.index);
    for (const auto& card : cards) {
        if (!card.multicast) continue;
        // Joining again is refused by the system without harm; a card that was down and up again needs it.
        if (sockets_[shared_v4] >= 0 && !card.v4.empty()) {
            ip_mreqn join{};
            join.imr_multiaddr = group_address_v4();
            join.imr_ifindex = int(card.index);
            ::setsockopt(sockets_[shared_v4], IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof join);
        }
        if (sockets_[shared_v6] >= 0 && !card.v6.empty()) {
            ipv6_mreq join{};
            join.ipv6mr_multiaddr = group_address_v6();
            join.ipv6mr_interface = card.index;
            ::setsockopt(sockets_[shared_v6], IPPROTO_IPV6, IPV6_JOIN_GROUP, &join, sizeof join);
        }
    }
}

std::vector<BeaconSockets::Way> BeaconSockets::ways(const std::vector<Card>& cards) const {
    std::vector<Way> ways;
    if (shared_port_ == 0) return ways;
    for (const auto& card : cards) {
        for (const auto& own : card.v4) {
            if (card.multicast)
                ways.push_back({SocketAddress(group_address_v4(), shared_port_), card.index, own.address});
            if (own.broadcast.s_addr != 0) {
                ways.push_back({SocketAddress(own.broadcast, shared_port_), card.index, own.address});
            }
        }
        if (card.multicast && !card.v6.empty()) {
            ways.push_back({SocketAddress(group_address_v6(), card.index, shared_port_), card.index, in_addr{}});
        }
    }
    return ways;
}

void BeaconSockets::send(const SealedBeacon& beacon, const SocketAddress& to) {
    const int socket = sockets_[to.is_v6() ? own_v6 : own_v4];
    if (socket >= 0)
        ::sendto(socket, beacon.data(), beacon.size(), MSG_DONTWAIT | MSG_NOSIGNAL, to.raw(), to.raw_size());
}

int BeaconSockets::send(const SealedBeacon& beacon, const Way& way) {
    const int socket = sockets_[way.to.is_v6() ? own_v6 : own_v4];
    if (socket < 0) return EAFNOSUPPORT;
    iovec part{const_cast<std::uint8_t*>(beacon.data()), beacon.size()};
    msghdr message{};
    message.msg_name = const_cast<sockaddr*>(way.to.raw());
    message.msg_namelen = way.to.raw_size();
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in6_pktinfo))> control{};
    auto* header = reinterpret_cast<cmsghdr*>(control.data());
    if (way.to.is_v6()) {
        in6_pktinfo info{};
        info.ipi6_ifindex = way.card;
        attach_control(message, header, IPPROTO_IPV6, IPV6_PKTINFO, info);
    } else {
        in_pktinfo info{};
        info.ipi_ifindex = int(way.card);
        info.ipi_spec_dst = way.from_v4;
        attach_control(message, header, IPPROTO_IP, IP_PKTINFO, info);
    }
    return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

bool BeaconSockets::receive_from(int socket, bool shared, Datagram& into, bool& heard) {
    sockaddr_storage from{};
    iovec part{into.bytes.data(), into.bytes.size()};
    alignas(cmsghdr) std::array<char, 256> control{};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = ::recvmsg(socket, &message, MSG_DONTWAIT);
    // An error that an earlier send caused (no such host, port unreachable) is reported here once; it is no end.
    if (got < 0) return errno != EAGAIN && errno != EWOULDBLOCK;
    into.size = std::size_t(got);
    into.from = SocketAddress(from);
    into.card = shared ? card_of(message) : 0;
    heard = !shared || cards_.contains(into.card);
    return true;
}

bool BeaconSockets::receive(Datagram& into) {
    std::size_t quiet = 0;
    for (int skipped = 0; skipped < foreign_datagrams_max && quiet < socket_count;) {
        const std::size_t which = turn_;
        turn_ = (turn_ + 1) % socket_count;
        bool heard = false;
        const bool shared = which == shared_v4 || which == shared_v6;
        if (sockets_[which] < 0 || !receive_from(sockets_[which], shared, into, heard)) {
            ++quiet;
            continue;
        }
        if (heard) return true;
        quiet = 0;
        ++skipped;
    }
    return false;
}

std::vector<int> BeaconSockets::descriptors() const {
    std::vector<int> open;
    std::copy_if(sockets_.begin(), sockets_.end(), std::back_inserter(open), [](int socket) { return socket >= 0; });
    return open;
}

}  // namespace starling::net
