// What a transport has seen of the ways to its peers: for people who ask why two nodes do not meet.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "net/identity.hpp"

namespace starling::net {

constexpr std::size_t strangers_remembered_max = 8;
constexpr std::size_t failed_dials_remembered_max = 32;

/// Beacons on one network card, since it came up.
struct CardDiagnosis {
    std::string name;
    bool loopback = false;
    std::uint64_t sent = 0, unsent = 0;
    std::string why_unsent;        ///< the newest reason, in the system's words
    std::uint64_t echoes = 0;      ///< own ones that came back: the system hands them to every listener, this node too
    std::uint64_t heard = 0;       ///< of members
    std::uint64_t unreadable = 0;  ///< datagrams of a beacon's size that the mesh's key does not open
};

/// A peer that was named by its address.
struct StaticDiagnosis {
    std::string address;
    bool resolved = false;
    std::uint64_t probes = 0;
    bool answered = false;
};

/// A peer that could be dialled and not be linked with.
struct FailedDial {
    NodeKey peer{};
    std::string address;
    std::string reason;
    std::uint64_t failures = 0;  ///< since the last link
};

struct Diagnosis {
    std::uint16_t beacon_port = 0;  ///< 0: no beacons
    std::vector<CardDiagnosis> cards;
    std::vector<StaticDiagnosis> statics;
    std::vector<FailedDial> dials;
    std::vector<std::string> strangers;  ///< whose beacons could not be read, lately
};

}  // namespace starling::net
