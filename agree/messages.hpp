// What proposers and acceptors say to each other. Every request names the voter's life it is meant for and the epoch it
// was made in; every answer is bound to its request, and carries the voter's life and sync counter.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "agree/ballot.hpp"
#include "agree/voters.hpp"

namespace starling::agree {

// -- requests
/// Promise to answer nothing below this ballot for this key.
struct Prepare {
    crdt::Bytes key;
    Ballot ballot;
    bool operator==(const Prepare&) const = default;
};
/// Hold this register for this ballot; with `promise_next`, as if `ballot.next()` had been prepared right after it.
struct Accept {
    crdt::Bytes key;
    Ballot ballot;
    bool promise_next = false;
    crdt::Bytes held;  ///< an encoded Register
    bool operator==(const Accept&) const = default;
};
/// What is held? Promises nothing and writes nothing.
struct Read {
    crdt::Bytes key;
    bool operator==(const Read&) const = default;
};
/// Keys after this one, for those who rewrite them all.
struct ListKeys {
    crdt::Bytes after;
    bool operator==(const ListKeys&) const = default;
};
/// A record that was decided on. An acceptor takes it when its epoch is later than the own one.
struct Install {
    VoterRecord record;
    bool operator==(const Install&) const = default;
};
/// Which life is the voter's, and which record does it know? Meant for any life.
struct Identify {
    bool operator==(const Identify&) const = default;
};
using RequestBody = std::variant<Prepare, Accept, Read, ListKeys, Install, Identify>;

struct Request {
    std::uint64_t id = 0;         ///< the proposer's, to know the answer by
    crdt::Life voter = 0;         ///< whom it is meant for; 0 with Identify
    std::uint64_t epoch = 0;      ///< 0 with Install and Identify
    std::uint64_t seen_sync = 0;  ///< the highest sync counter that this voter told the sender before
    RequestBody body;
    bool operator==(const Request&) const = default;
};

// -- answers
/// To Prepare: granted. What is held, and for which ballot; none and empty where nothing is.
struct Promised {
    Ballot accepted;
    crdt::Bytes held;
    bool operator==(const Promised&) const = default;
};
/// To Accept: held, durably.
struct Accepted {
    bool operator==(const Accepted&) const = default;
};
/// To Read.
struct Held {
    Ballot accepted;
    crdt::Bytes held;
    bool operator==(const Held&) const = default;
};
/// To ListKeys: ascending, all that were ever promised or accepted.
struct Keys {
    std::vector<crdt::Bytes> keys;
    bool more = false;
    bool operator==(const Keys&) const = default;
};
/// To Install and Identify.
struct Identity {
    std::optional<VoterRecord> record;
    bool operator==(const Identity&) const = default;
};
enum class Refusal : std::uint8_t {
    ballot = 0,     ///< a higher one was promised
    old_epoch = 1,  ///< the request's; the later record comes with it
    new_epoch = 2,  ///< the request's is later than the acceptor's: Install first
    no_voter = 3,   ///< not the life that was meant, or the record does not name it
    went_back = 4,  ///< the acceptor once told a higher sync counter than it has: its promises are lost
};
struct Refused {
    Refusal why = Refusal::ballot;
    Ballot promised;                    ///< ballot: what was promised
    std::optional<VoterRecord> record;  ///< old_epoch
    bool operator==(const Refused&) const = default;
};
using ReplyBody = std::variant<Promised, Accepted, Held, Keys, Identity, Refused>;

struct Reply {
    std::uint64_t id = 0;  ///< the request's
    crdt::Life voter = 0;
    std::uint64_t sync = 0;  ///< grows with every write of the acceptor's state; never told before it is durable
    ReplyBody body;
    bool operator==(const Reply&) const = default;
};

using Message = std::variant<Request, Reply>;

}  // namespace starling::agree
