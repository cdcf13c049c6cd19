// The network cards of this machine as they are now. Cards come and go (Wi-Fi, docks, VPNs, containers), so whoever
// needs them asks again from time to time.
#pragma once

#include <netinet/in.h>
#include <span>
#include <string>
#include <vector>

#include "net/address.hpp"

namespace starling::net {

constexpr std::size_t cards_max = 64;               // more are ignored: somebody's container host
constexpr std::size_t addresses_per_card_max = 16;  // of each family

struct Card {
    struct V4 {
        in_addr address{};
        in_addr broadcast{};  ///< 0 where there is none
        bool operator==(const V4& other) const {
            return address.s_addr == other.address.s_addr && broadcast.s_addr == other.broadcast.s_addr;
        }
    };
    std::string name;
    unsigned index = 0;
    bool loopback = false;
    bool multicast = false;
    std::vector<V4> v4;
    std::vector<in6_addr> v6;
    bool operator==(const Card& other) const;
};

/// Cards that are up and have an address, loopback first. `names` (empty: all) picks cards by name; `address` (empty:
/// any) picks the card that carries this numeric address. Never fails: what cannot be read is not there.
std::vector<Card> cards_up(std::span<const std::string> names, const std::string& address);

}  // namespace starling::net
