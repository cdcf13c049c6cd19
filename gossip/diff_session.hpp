// Sessions of the state diff. The asker opens with its version; the answerer pins its side and sends it in parts; the
// asker applies the whole in one step and answers in turn, so that one session brings both sides level.
//
//   asker                      answerer
//     open(base, staged)  →
//                         ←      part 0 … part n        each acknowledged; a few in flight
//     (applies)
//     finish part 0 … m   →                             of the asker's new state, over the answerer's pinned version
//                         ←      end(done)              (applied)
//
// Entries that came stay staged when a link dies; the next attempt names them and they are not sent again.
#pragma once

#include <map>
#include <optional>

#include "gossip/io.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// What the sessions need of the engine they live in.
class DiffHost {
  public:
    virtual void send(const crdt::NodeKey& peer, const Message& message) = 0;
    /// The replica with its window cut, so that version and state are one instant (rule 6).
    virtual const crdt::Replica& pinned() = 0;
    /// Applies a complete difference, or says why not.
    virtual crdt::Result<bool> apply(crdt::Difference difference) = 0;
    virtual std::uint64_t random() = 0;

  protected:
    ~DiffHost() = default;
};

/// Invariants: at most one session is asked, at most `diffs_served_max` are served; staged entries stay within their
/// bound and are dropped once the version covers them. Thread rule: the engine's.
class DiffSessions {
  public:
    DiffSessions(DiffHost& host, const Limits& limits, Counters& counters, const crdt::NodeKey& self)
        : host_(host), limits_(limits), counters_(counters), self_(self) {}

    /// Opens a session with a peer, unless one is under way or that peer asked for patience.
    void ask(const crdt::NodeKey& peer, std::uint64_t now_us);
    bool asking(const crdt::NodeKey& peer) const { return asked_ && asked_->peer == peer; }

    void on_open(const crdt::NodeKey& peer, const DiffOpen& open, std::uint64_t now_us);
    void on_part(const crdt::NodeKey& peer, DiffPart part, std::uint64_t now_us);
    void on_ack(const crdt::NodeKey& peer, const DiffAck& ack, std::uint64_t now_us);
    void on_end(const crdt::NodeKey& peer, const DiffEnd& end, std::uint64_t now_us);
    void link_down(const crdt::NodeKey& peer);
    void tick(std::uint64_t now_us);
    /// The version rose: staged entries that it covers are not needed any more.
    void covered(const crdt::State& state);

    std::optional<std::uint64_t> deadline_us() const;
    std::size_t staged_bytes() const { return staged_bytes_; }
    void check() const;

  private:
    struct Outgoing {
        std::vector<crdt::Difference> pieces;
        std::size_t next = 0;
        std::size_t acked = 0;
    };
    struct Incoming {
        std::map<std::uint64_t, crdt::Difference> pieces;  ///< without their entries, which are staged
        std::optional<std::uint64_t> last;
        std::size_t bytes = 0;
    };
    struct Session {
        crdt::NodeKey peer;
        std::uint64_t id;
        bool asker;
        crdt::Version base;  ///< what the incoming half is based on: the asker's version, or the answerer's pinned one
        Outgoing out;
        Incoming in;
        std::uint64_t deadline_us;
    };

    Session* find(const crdt::NodeKey& peer, std::uint64_t id);
    void close(const Session& session);
    void send_parts(Session& session);
    bool take_part(Session& session, DiffPart& part);
    crdt::Result<crdt::Difference> assemble(Session& session);
    void complete(Session& session, std::uint64_t now_us);
    void finish(Session& session, const crdt::Difference& theirs);
    void fail(Session& session, std::uint64_t now_us);

    DiffHost& host_;
    const Limits& limits_;
    Counters& counters_;
    crdt::NodeKey self_;
    std::optional<Session> asked_;
    std::map<std::pair<crdt::NodeKey, std::uint64_t>, Session> served_;
    std::map<crdt::NodeKey, std::uint64_t> not_before_us_;
    std::map<crdt::Dot, crdt::LooseEntry> staged_;
    std::size_t staged_bytes_ = 0;
};

}  // namespace starling::gossip
