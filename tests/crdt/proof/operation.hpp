// What the proof suites write and what they look at: one operation of one of the seven types, in so few keys and fields
// that everything meets everything, and the whole of a replica that a reader, a peer or a later join could notice.
#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "crdt/replica.hpp"

namespace starling::proof {

inline constexpr std::uint8_t keys_each = 2;    ///< of each type
inline constexpr std::uint8_t fields_each = 2;  ///< of each set and map

/// One operation. To grow is to add, put, set, turn on or append; to shrink is what takes it away (a counter has no
/// such thing: both add).
struct Operation {
    crdt::Type type = crdt::Type::set;
    bool grow = true;
    std::uint8_t key = 0;
    std::uint8_t field = 0;
    std::int8_t value = 0;  ///< where a journal shrinks: the place up to which it is trimmed, modulo its length
    bool operator==(const Operation&) const = default;
};

const std::vector<crdt::Type>& all_types();
std::string name_of(crdt::Type type);
/// "s0 add f1": as a schedule prints it.
std::ostream& operator<<(std::ostream& out, const Operation& operation);

/// The slot that an operation is about.
crdt::Slot slot_of(const Operation& operation);
/// Carries an operation out through the views.
void perform(crdt::Transaction& tx, const Operation& operation);

/// The replica of a place among the nodes, in its n-th life. The order of replicas is not that of places.
crdt::ReplicaId replica_of(std::size_t place, crdt::Life life = 0);

/// Every reading of every type in the keys and fields above, one line each: equal exactly where applications read the
/// same.
std::string readings(const crdt::State& state);

/// All that can be noticed of a replica whose window is closed.
struct Sight {
    crdt::Version version;
    crdt::Fingerprint version_hash;
    crdt::Fingerprint fingerprint;
    crdt::Heads heads;
    crdt::Depth depth = 0;
    std::vector<std::pair<crdt::Dot, crdt::LooseEntry>> live;
    std::string readings;
    bool operator==(const Sight&) const = default;
};
/// Checks the replica's invariants on the way.
Sight sight_of(const crdt::Replica& replica);
/// What differs between two sights, in words; empty where nothing does.
std::string difference_of(const Sight& a, const Sight& b);

}  // namespace starling::proof
