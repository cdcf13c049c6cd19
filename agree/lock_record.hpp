// What a lock's register holds, and the moves on it. A fencing token (Kleppmann, "How to do distributed locking", 2016)
// names each holder and only grows; a resource that refuses lower tokens than it has seen is safe whatever its holders
// believe. No clock is written down: a turn that was not renewed is ended by whoever watched it for its time to live.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agree/limits.hpp"
#include "agree/register.hpp"
#include "crdt/ids.hpp"

namespace starling::agree {

/// One attempt to hold a lock: a life of a node, and a number that no other attempt of that life has
/// (`Proposer::draw_number`).
struct Claim {
    crdt::ReplicaId replica;
    std::uint64_t number = 0;
    auto operator<=>(const Claim&) const = default;
};
struct Contender {
    Claim claim;
    std::uint64_t ttl_us = 0;  ///< how long its turn lasts without a sign of life
    bool operator==(const Contender&) const = default;
};

/// Names a turn and its last sign of life: whatever ends a turn or shows that its owner lives changes one of the two.
struct Sighting {
    std::uint64_t token = 0;
    std::uint64_t renewal = 0;
    bool operator==(const Sighting&) const = default;
};

/// Invariants: the token never falls and each holder has another one; `waiting` names nobody twice and not the holder,
/// and is bounded. While nobody holds, it is the turn of the first that waits.
struct LockRecord {
    std::uint64_t token = 0;    ///< of the present or last holder; 0: there was none
    std::uint64_t renewal = 0;  ///< counts turns and signs of life
    std::optional<Contender> holder;
    crdt::Bytes note;  ///< what the holder says of itself; empty where there is none
    std::vector<Contender> waiting;
    bool operator==(const LockRecord&) const = default;

    Sighting sighting() const { return {token, renewal}; }
    /// Whose sign of life is awaited; nobody's while the lock is free.
    const Contender* turn() const { return holder ? &*holder : (waiting.empty() ? nullptr : &waiting.front()); }
    bool held_by(const Claim& claim) const { return holder && holder->claim == claim; }
    bool awaited_by(const Claim& claim) const;
    void check() const;
};

// -- moves: true where the record changed. O(waiting).

/// Takes the lock where it is free or `me` is next; renews where `me` holds it already. `expired`: what was seen
/// unchanged for the whole of its turn; if it is still so, that turn is over. With `queue`, waits where it cannot take.
bool take(LockRecord& record, const Contender& me, const crdt::Bytes& note, const std::optional<Sighting>& expired,
          bool queue);
/// A sign of life of the holder.
bool renew(LockRecord& record, const Claim& claim);
/// Holds and waits no more.
bool release(LockRecord& record, const Claim& claim);

crdt::Bytes encode(const LockRecord& record);
/// An absent value is a lock nobody ever held; nothing where the bytes are something else.
std::optional<LockRecord> decode_lock(const std::optional<crdt::Bytes>& value);
/// A move as a change of the register. A register that holds something else is left alone.
template <class Move>
ChangeFunction lock_change(Move move) {
    return [move = std::move(move)](const std::optional<crdt::Bytes>& value) {
        auto record = decode_lock(value);
        return record && move(*record) ? write(encode(*record)) : keep();
    };
}

}  // namespace starling::agree
