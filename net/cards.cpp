#include "net/cards.hpp"

#include <algorithm>
#include <cstring>
#include <ifaddrs.h>
#include <net/if.h>

namespace starling::net {
namespace {

bool same(const in6_addr& a, const in6_addr& b) {
    return std::memcmp(&a, &b, sizeof a) == 0;
}

Card& card_named(std::vector<Card>& cards, const ifaddrs& entry) {
    auto at = std::find_if(cards.begin(), cards.end(), [&](const Card& card) { return card.name == entry.ifa_name; });
    if (at != cards.end()) return *at;
    Card card;
    card.name = entry.ifa_name;
    card.index = if_nametoindex(entry.ifa_name);
    card.loopback = (entry.ifa_flags & IFF_LOOPBACK) != 0;
    card.multicast = (entry.ifa_flags & IFF_MULTICAST) != 0;
    return cards.emplace_back(std::move(card));
}

void take_address(Card& card, const ifaddrs& entry) {
    if (entry.ifa_addr->sa_family == AF_INET && card.v4.size() < addresses_per_card_max) {
        Card::V4 v4;
        v4.address = reinterpret_cast<const sockaddr_in*>(entry.ifa_addr)->sin_addr;
        if ((entry.ifa_flags & IFF_BROADCAST) != 0 && entry.ifa_broadaddr != nullptr) {
            v4.broadcast = reinterpret_cast<const sockaddr_in*>(entry.ifa_broadaddr)->sin_addr;
        } else if (card.loopback && entry.ifa_netmask != nullptr) {
            // The system routes 127.255.255.255 to every socket of this machine but does not list it as a broadcast.
            auto mask = reinterpret_cast<const sockaddr_in*>(entry.ifa_netmask)->sin_addr;
            v4.broadcast.s_addr = v4.address.s_addr | ~mask.s_addr;
        }
        card.v4.push_back(v4);
    } else if (entry.ifa_addr->sa_family == AF_INET6 && card.v6.size() < addresses_per_card_max) {
        card.v6.push_back(reinterpret_cast<const sockaddr_in6*>(entry.ifa_addr)->sin6_addr);
    }
}

bool carries(const Card& card, const SocketAddress& wanted) {
    if (wanted.is_v6()) {
        const auto& address = reinterpret_cast<const sockaddr_in6*>(wanted.raw())->sin6_addr;
        return std::any_of(card.v6.begin(), card.v6.end(), [&](const in6_addr& own) { return same(own, address); });
    }
    const auto address = reinterpret_cast<const sockaddr_in*>(wanted.raw())->sin_addr;
    return std::any_of(card.v4.begin(), card.v4.end(),
                       [&](const Card::V4& own) { return own.address.s_addr == address.s_addr; });
}

}  // namespace

bool Card::operator==(const Card& other) const {
    return name == other.name && index == other.index && v4 == other.v4 &&
           std::equal(v6.begin(), v6.end(), other.v6.begin(), other.v6.end(), same);
}

std::vector<Card> cards_up(std::span<const std::string> names, const std::string& address) {
    std::vector<Card> cards;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return cards;
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
        if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
        if (entry->ifa_addr->sa_family != AF_INET && entry->ifa_addr->sa_family != AF_INET6) continue;
        if (!names.empty() && std::find(names.begin(), names.end(), entry->ifa_name) == names.end()) continue;
        take_address(card_named(cards, *entry), *entry);
        if (cards.size() == cards_max) break;
    }
    freeifaddrs(list);
    if (auto wanted = address.empty() ? std::nullopt : numeric_address(HostPort{address, 1})) {
        std::erase_if(cards, [&](const Card& card) { return !carries(card, *wanted); });
    }
    std::erase_if(cards, [](const Card& card) { return card.index == 0; });
    std::stable_sort(cards.begin(), cards.end(), [](const Card& a, const Card& b) { return a.loopback > b.loopback; });
    return cards;
}

}  // namespace starling::net
