// Sessions of the state diff. The asker opens with its version; the answerer pins its side and sends what lives outside
// that version; which of the dots that both cover died at one of them is found by a comparison (comparison.hpp). The
// asker applies the whole in one step and answers in turn, so that one session brings both sides level.
//
//   asker                      answerer
//     open(base, staged)  →                                 of a long base, only what the answerer was not told
//                         ←      part 0 … part k        with the comparison's opening
//     sketch, sums        →
//                         ←      more, cells, or part k + 1 … n: a verdict, or the live dots
//     (applies)
//     finish part 0 … m   →                             of the asker's new state, over the answerer's pinned version
//                         ←      end(done)              (applied)
//
// Every second part is acknowledged; a few are in flight. Entries that came stay staged when a link dies; the next
// attempt names them and they are not sent again.
#pragma once

#include <map>
#include <optional>

#include "gossip/comparison.hpp"
#include "gossip/io.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// What the sessions need of the engine they live in.
class DiffHost {
  public:
    virtual void send(const crdt::NodeKey& peer, const Message& message) = 0;
    /// The replica with its window cut, so that version and state are one instant (rule 6).
    virtual const crdt::Replica& pinned() = 0;
    /// Applies a complete difference, or says why not; it needs to be filled in (`fill_in_equal`).
    virtual crdt::Result<bool> apply(crdt::Difference difference, std::vector<Seal> seals) = 0;
    /// Of the tops of this node that rise by a half of a diff; not all, where they are many.
    virtual std::vector<Seal> seals_of(const crdt::Difference& half) = 0;
    virtual std::uint64_t random() = 0;
    /// The lines of this node's version that the peer was not told; nothing where it may not know the others.
    virtual std::optional<crdt::Version> untold(const crdt::NodeKey& peer) = 0;
    /// The peer's version: what it told, but for these lines. Nothing where that has another hash.
    virtual std::optional<crdt::Version> heard(const crdt::NodeKey& peer, const crdt::Version& lines,
                                               const crdt::Fingerprint& hash) = 0;

  protected:
    ~DiffHost() = default;
};

/// Of the half's sender, as long as the half has only the lines that differ from its base. O(lines).
crdt::Version version_of(const crdt::Difference& half);
/// Adds the lines, equal on both sides, that `replica` needs to apply a half. Those of lives where nothing lives,
/// nothing came and no head is, say nothing: of many old lives there are few that say something. O(sent + live).
void fill_in_equal(crdt::Difference& half, const crdt::Replica& replica);

/// Invariants: at most one session is asked, at most `diffs_served_max` peers are served or send their bases; staged
/// entries stay within their bound and are dropped once the version covers them. Thread rule: the engine's.
class DiffSessions {
  public:
    DiffSessions(DiffHost& host, const Limits& limits, Counters& counters, const crdt::NodeKey& self)
        : host_(host), limits_(limits), counters_(counters), self_(self) {}

    /// Opens a session with a peer, unless one is under way or that peer asked for patience. Its version is said to
    /// have so many lines; 0: not known.
    void ask(const crdt::NodeKey& peer, std::uint64_t now_us, std::uint64_t lines_there = 0);
    bool asking(const crdt::NodeKey& peer) const { return asked_ && asked_->peer == peer; }

    void on_base(const crdt::NodeKey& peer, DiffBase part, std::uint64_t now_us);
    void on_open(const crdt::NodeKey& peer, const DiffOpen& open, std::uint64_t now_us);
    void on_part(const crdt::NodeKey& peer, DiffPart part, std::uint64_t now_us);
    void on_ack(const crdt::NodeKey& peer, const DiffAck& ack, std::uint64_t now_us);
    void on_end(const crdt::NodeKey& peer, const DiffEnd& end, std::uint64_t now_us);
    // -- to the answerer
    void on_sketch(const crdt::NodeKey& peer, const DiffSketch& sketch, std::uint64_t now_us);
    void on_sums(const crdt::NodeKey& peer, const DiffSums& sums, std::uint64_t now_us);
    // -- to the asker
    void on_more(const crdt::NodeKey& peer, const DiffMore& more, std::uint64_t now_us);
    void on_cells(const crdt::NodeKey& peer, const DiffCells& cells, std::uint64_t now_us);

    void link_down(const crdt::NodeKey& peer);
    void tick(std::uint64_t now_us);
    /// The version rose: staged entries that it covers are not needed any more.
    void covered(const crdt::State& state);

    std::optional<std::uint64_t> deadline_us() const;
    std::size_t staged_bytes() const { return staged_bytes_; }
    void check() const;

  private:
    /// A base on its way to this node.
    struct Base {
        std::uint64_t session;
        std::uint64_t begun_us;
        std::uint64_t parts = 0;
        std::uint64_t deadline_us = 0;
        crdt::Version lines{};
    };
    struct Outgoing {
        std::vector<DiffPart> parts;
        bool complete = false;  ///< the last of them is the last of all
        std::size_t next = 0;
        std::size_t acked = 0;
    };
    struct Incoming {
        std::map<std::uint64_t, DiffPart> parts;  ///< without their entries, which are staged
        std::optional<std::uint64_t> last;
        std::size_t bytes = 0;
        /// Parts 0 … n - 1 are all there.
        bool holds(std::uint64_t n) const;
    };
    struct Session {
        Session(const crdt::NodeKey& with, std::uint64_t name, bool asks, std::uint64_t begun, std::uint64_t until_us)
            : peer(with), id(name), asker(asks), begun_us(begun), deadline_us(until_us) {}

        crdt::NodeKey peer;
        std::uint64_t id;
        bool asker;
        std::uint64_t begun_us;
        std::uint64_t deadline_us;
        std::uint64_t patience_us = 0;  ///< for the next message
        crdt::Fingerprint base_hash;    ///< the asker's
        crdt::Version base;  ///< what the incoming half is based on: the asker's version, or the answerer's pinned one
        std::uint32_t nonce = 0;  ///< the asker's
        Outgoing out;
        Incoming in;
        // -- the asker's
        std::optional<crdt::ReplicaId> base_sent;  ///< up to here, where it goes in parts
        std::uint64_t base_parts = 0;              ///< that were sent
        std::uint64_t base_acked = 0;              ///< of them
        LiveWords live;                            ///< pinned with the base
        std::optional<AskerComparison> asking;
        std::optional<std::uint64_t> parts_needed;  ///< once the comparison is settled without a further part
        // -- the answerer's
        std::optional<AnswererComparison> answering;
        crdt::LiveDots outside;  ///< its live dots past the asker's version, as they were sent
        bool live_sent = false;
    };

    // -- diff_base.cpp
    void open(Session& session);
    void send_base_part(Session& session);
    void base_acked(Session& session, const DiffAck& ack);
    bool may_send_base(const Session& session) const;
    bool crowded(const crdt::NodeKey& peer) const;
    bool rests(const crdt::NodeKey& peer, std::uint64_t now_us) const;
    void be_patient(Session& session, std::uint64_t lines, std::uint64_t now_us) const;
    bool own_stands(const crdt::NodeKey& peer) const;
    std::optional<crdt::Version> base_of(const crdt::NodeKey& peer, const DiffOpen& open);
    Session* find(const crdt::NodeKey& peer, std::uint64_t id);
    Session* find(const crdt::NodeKey& peer, std::uint64_t id, bool asker, std::uint64_t now_us);
    void close(const Session& session);
    void fail(Session& session, std::uint64_t now_us);

    void add_parts(Session& session, std::vector<crdt::Difference> pieces, const crdt::DotRuns& died,
                   std::optional<crdt::Fingerprint> stays, bool complete);
    void send_parts(Session& session);
    bool take_part(Session& session, DiffPart& part);
    bool begin_comparison(Session& session);
    bool go_on(Session& session, crdt::Result<std::optional<DiffSketch>> sketch);
    void reply(Session& session, crdt::Result<AnswererComparison::Reply> reply, std::uint64_t now_us);

    crdt::Result<crdt::Difference> assemble(Session& session);
    crdt::Result<bool> find_dead(Session& session, crdt::Difference& whole);
    void complete_if_whole(Session& session, std::uint64_t now_us);
    void finish(Session& session, const crdt::Version& base, const crdt::LiveDots& outside, std::uint64_t now_us);

    DiffHost& host_;
    const Limits& limits_;
    Counters& counters_;
    crdt::NodeKey self_;
    std::optional<Session> asked_;
    std::map<std::pair<crdt::NodeKey, std::uint64_t>, Session> served_;
    std::map<crdt::NodeKey, Base> bases_;  ///< one a peer
    std::map<crdt::NodeKey, std::uint64_t> not_before_us_;
    std::map<crdt::NodeKey, std::uint64_t> rests_until_us_;  ///< from what was done for that peer
    std::map<crdt::Dot, crdt::LooseEntry> staged_;
    std::size_t staged_bytes_ = 0;
    std::uint64_t next_session_ = 1;
};

}  // namespace starling::gossip
