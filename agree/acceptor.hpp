// The memory of the agreement (CASPaxos: Rystsov, "CASPaxos: Replicated State Machines without logs", 2018, section 2):
// for each key the highest ballot promised, and the ballot and register accepted last. Sans-IO: a request comes in,
// what must become durable and the answer go out.
#pragma once

#include <map>
#include <optional>

#include "agree/messages.hpp"

namespace starling::agree {

/// What an acceptor knows of one key. Never deleted: a key that was forgotten could be promised twice.
struct Cell {
    Ballot promised;
    Ballot accepted;   ///< at most `promised`
    crdt::Bytes held;  ///< an encoded Register; empty where nothing was accepted
    bool operator==(const Cell&) const = default;
};
using Cells = std::map<crdt::Bytes, Cell>;

/// What an acceptor knows beside its cells.
struct Standpoint {
    crdt::Life life = 0;     ///< 64 random bits, drawn when the voter's role was begun here
    std::uint64_t sync = 0;  ///< how often state was written; what answers carry
    bool went_back = false;  ///< found out that it had written more once; answers nothing any more
    std::optional<VoterRecord> record;
    bool operator==(const Standpoint&) const = default;
};

/// Written in one transaction: after a crash all of it is there, or none.
struct AcceptorWrite {
    Standpoint standpoint;
    std::optional<std::pair<crdt::Bytes, Cell>> cell;
};

/// What the driver does: make `write` durable, then send the answer. Answers also wait for all writes of *earlier*
/// requests: they tell the sync counter, and a refusal tells a promise. Several writes may become durable at once.
struct AcceptorEffects {
    std::optional<AcceptorWrite> write;
    Reply reply;
};

/// Invariants: promises never fall; accepted ≤ promised; nothing is answered once the state went back. Thread rule: one
/// thread at a time. Requests take O(log keys + bytes), a list of keys O(page).
class Acceptor {
  public:
    /// From what is durable; a new voter has a new life and no cells.
    Acceptor(const crdt::NodeKey& self, Standpoint standpoint, Cells cells);

    AcceptorEffects handle(const Request& request);

    const Standpoint& standpoint() const { return standpoint_; }
    const Cells& cells() const { return cells_; }
    void check() const;

  private:
    ReplyBody answer(const Request& request);
    std::optional<Refused> refused(const Request& request);
    ReplyBody on(const Prepare& prepare);
    ReplyBody on(const Accept& accept);
    ReplyBody on(const Read& read);
    ReplyBody on(const ListKeys& list);
    ReplyBody on(const Install& install);
    ReplyBody on(const Identify&) { return Identity{standpoint_.record}; }
    void wrote(const Cells::value_type* cell);

    crdt::NodeKey self_;
    Standpoint standpoint_;
    Cells cells_;
    std::optional<AcceptorWrite> write_;  ///< of the request being handled
};

}  // namespace starling::agree
