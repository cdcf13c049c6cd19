// The gossip engine of one node: sans-IO. What happens comes in as an Input, what is to be done goes out as Effects;
// time and randomness are arguments, containers are ordered, so the same inputs give the same effects, bit for bit.
//
// A replica is brought up to date in three ways: a fresh changeset is pushed along the links at once (spread.cpp); a
// node that learns from a hello or a digest that it is behind (hello.cpp, digest.cpp) pulls exact ranges out of a
// peer's log (pull.cpp); where the log no longer serves, two nodes compare their states (diff_session.hpp).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <span>

#include "crdt/clock.hpp"
#include "gossip/diff_session.hpp"
#include "gossip/io.hpp"
#include "gossip/link.hpp"
#include "gossip/log.hpp"
#include "gossip/origins.hpp"
#include "gossip/overlay.hpp"
#include "gossip/trees.hpp"
#include "gossip/waiting.hpp"

namespace starling::gossip {

/// A changeset that the log is to hold from the start.
struct Recalled {
    ChangesetPtr changeset;
    std::uint64_t at_us;  ///< when it was applied, as monotonic time; 0 for long ago
    crdt::Bytes seal{};   ///< that ends with it, as `encode_seal` writes it; empty: none
};

struct EngineOptions {
    crdt::NodeKey node{};
    Limits limits;
    Verifier verify;                        ///< empty: accept
    std::function<std::uint64_t()> random;  ///< lives and names of sessions
    /// Decides on the links; without one, every link that is up is used and none is asked for.
    std::optional<OverlayLimits> overlay = {};
    /// With a store: the place of the last that it held. What comes after waits for DurableUpTo (rule 9).
    std::optional<std::uint64_t> durable_place = {};
    std::vector<Recalled> log = {};  ///< of the store: without gaps, each origin's up to its seen, in order
    /// Changesets are sealed, and none is applied without; without one, seals are neither made nor looked at.
    std::shared_ptr<const Sealer> sealer = {};
    MeshId mesh = {};              ///< that seals are of
    std::vector<Seal> tops = {};   ///< of the store: of origins whose changesets it does not hold
    std::vector<Fork> forks = {};  ///< likewise
};

/// Invariants: those of its parts; what a link is told of this node's version was true at an instant when no window was
/// open (rule 6) and is on the disk, if there is one, as are own changesets before they leave (rule 9); nothing is
/// applied before what it depends on (rule 2).
/// Thread rule: one thread at a time. `handle` is O(work caused), O(links) at least.
class Engine final : private DiffHost {
  public:
    Engine(crdt::Replica& replica, crdt::Clock& clock, EngineOptions options);

    Effects handle(const Input& input, Now now);

    /// Before a write: begins a life if there is none (rule 12) and makes room in the window. What that sends comes
    /// with the effects of the next `handle`.
    void prepare_write(Now now);
    /// Closes the open window, so that the version, the fingerprint and the entries are of one instant (rule 6). What
    /// that sends comes with the effects of the next `handle`.
    void settle(Now now);
    /// The changes of a transaction that was committed, for watchers; same effects.
    void wrote(crdt::Changes changes, Now now);

    /// Something was applied or cut that no Effects have told of yet.
    bool owes_effects() const { return !effects_.persist.empty() || effects_.replaced > 0; }
    /// With a store, before what was cut is written: signs it. What is to be written with it.
    std::vector<SealPtr> seal_own();
    /// How far the own changesets of a life are on the disk.
    crdt::Seq durable_seen(const crdt::ReplicaId& own) const;

    Status status() const;
    const Counters& counters() const { return counters_; }
    bool synced() const;
    void check() const;

  private:
    // -- engine.cpp: links and time
    void on(const LinkUp& up);
    void on(const LinkDown& down);
    void on(const Received& received);
    void on(const Tick&) {}
    void on(const Written&) {}
    void on(const Flush&) { push_gathered(); }
    void on(const Candidate& candidate);
    void on(const ConnectFailed& failed);
    void on(const crdt::NodeKey& peer, OverlayMessage& message);
    void received_idle(const Received& received);
    Overlay* overlay();
    void perform_overlay();
    void begin_link(const crdt::NodeKey& peer);
    void end_link(const crdt::NodeKey& peer);
    void timers();
    std::optional<std::uint64_t> next_deadline() const;
    void report(std::string fault);
    void begin_life();
    bool renew_life();
    void neighbours_changed();
    bool full_mesh() const;
    /// O(links): in a loop over them it is asked for before.
    std::uint64_t digest_busy_us() const { return full_mesh() ? limits_.digest_busy_us : limits_.digest_busy_wide_us; }

    // -- durable.cpp: what waits for the disk
    void send(const crdt::NodeKey& peer, const Message& message) override;
    void send_now(const crdt::NodeKey& peer, Link& link, const Message& message);
    void on(const DurableUpTo& durable);
    void check_held() const;

    // -- spread.cpp: changesets
    void cut_window();
    void publish(crdt::Changeset changeset);
    void push(std::span<const ChangesetPtr> changesets, const std::optional<crdt::NodeKey>& from);
    void push_gathered();
    void push_gathered(const crdt::NodeKey& peer, Link& link);
    void on(const crdt::NodeKey& peer, Changesets& message);
    std::vector<crdt::Result<crdt::Body>> decode_ahead(std::span<const crdt::Changeset> changesets);
    void arrived(const crdt::NodeKey& peer, crdt::Changeset changeset, crdt::Result<crdt::Body> body, Proof proof,
                 bool pushed, bool goes_on);
    void duplicate(Link& link, const crdt::ReplicaId& origin);
    bool pushes(const Link& link, OriginId origin);
    bool acceptable(const crdt::Changeset& changeset, const crdt::Result<crdt::Body>& body);
    void apply_or_wait(WaitingChangeset waiting);
    void apply_now(const WaitingChangeset& waiting);
    void drain();
    void raised(const crdt::ReplicaId& id);

    // -- sealing.cpp: signed chains
    Proof chain_own(const crdt::Changeset& changeset);
    void sign_own();
    void sign_what_leaves();
    void release_own();
    void recall(std::vector<Recalled> log);
    void recall_chain(const std::vector<Recalled>& log, const std::vector<std::size_t>& places,
                      std::vector<std::optional<Proof>>& proofs) const;
    std::vector<Proof> keep_proven(const crdt::NodeKey& peer, Link& link, Changesets& message);
    std::vector<Proof> check_run(const crdt::NodeKey& peer, Link& link, const SealedRun& run,
                                 std::span<const crdt::Changeset* const> changesets);
    const Proof* proof_here(const crdt::Changeset& changeset) const;
    std::optional<ChainHead> head_here(const crdt::ReplicaId& origin) const;
    SealPtr seal_here(const crdt::ReplicaId& origin) const;
    bool continues_here(const WaitingChangeset& waiting);
    void forked(const crdt::ReplicaId& origin, const SealPtr& here, const SealPtr& there);
    void pass_on(const WaitingChangeset& waiting);
    void send_proven(const crdt::NodeKey& peer, Changesets message, std::span<const std::vector<Log::Record>> pieces);
    void push_sealed(const crdt::NodeKey& peer, Link& link);
    void answer_proven(const crdt::NodeKey& peer, Link& link, Changesets answer,
                       std::vector<std::vector<Log::Record>> pieces);
    std::vector<Seal> seals_of(const crdt::Difference& half) override;
    crdt::Result<std::vector<Seal>> verified_tops(const crdt::Difference& difference, std::vector<Seal> seals);
    void keep_tops(std::span<const Seal> seals);
    void forget_top(const crdt::ReplicaId& origin);
    void recall_seals(std::span<const Seal> tops, std::span<const Fork> forks);
    void check_seals() const;

    // -- hello.cpp: whole versions
    void greet(const crdt::NodeKey& peer, Link& link);
    void say_hello(const crdt::NodeKey& peer, Link& link, const Bookmark& known);
    void tell_all(Link& link);
    void on(const crdt::NodeKey& peer, Hello& message);
    void on(const crdt::NodeKey& peer, HelloRequest& message);
    void request_hello(const crdt::NodeKey& peer, Link& link, bool anew = false);
    bool goes_on_from_here(Link& link, const Hello& hello);
    bool has_the_same(Link& link, const Digest& digest);

    void take_whole(Link& link, const crdt::Version& version);
    void take_based(Link& link, const crdt::Version& differing);

    // -- matching.cpp: long versions
    void begin_matching(const crdt::NodeKey& peer, Link& link);
    RangesHead pin(const crdt::NodeKey& peer, Link& link);
    void on(const crdt::NodeKey& peer, Ranges& message);
    bool goes_on(const crdt::NodeKey& peer, Link& link, const Ranges& message);
    void answer(const crdt::NodeKey& peer, Link& link, const Ranges& message);
    void say(const crdt::NodeKey& peer, Link& link, Ranges message);
    void give_up(const crdt::NodeKey& peer, Link& link);
    void matched(const crdt::NodeKey& peer, Link& link);
    OriginId number(const crdt::ReplicaId& id);
    Seqs all_seen() const;
    void give_numbers_back();
    void keep_few_numbers();

    // -- digest.cpp: who has what
    void say_digest(const crdt::NodeKey& peer, Link& link);
    void digest_within(Link& link, std::uint64_t delay_us);
    void on(const crdt::NodeKey& peer, Digest& message);
    void learn(Link& link, const crdt::ReplicaId& id, crdt::Seq seq, bool announced);
    void acknowledge(Link& link);
    void compare(const crdt::NodeKey& peer, Link& link, const crdt::Fingerprint& theirs);

    // -- pull.cpp: out of the logs of peers
    void on(const crdt::NodeKey& peer, Pull& message);
    bool better_by_diff(Link& link, const Pull& pull);
    void pull_from(const crdt::NodeKey& peer, Link& link);
    void pull_answered(const crdt::NodeKey& peer, Link& link, const Changesets& message);
    void pull_again(Link& link, const OutstandingPull& pull, std::uint64_t due_us);
    std::map<crdt::ReplicaId, std::map<crdt::Seq, crdt::Seq>> asked() const;
    std::optional<PullRange> lacked(const crdt::ReplicaId& id, const std::map<crdt::Seq, crdt::Seq>& asked,
                                    crdt::Seq top, std::uint64_t many) const;

    // -- the state diff
    void on(const crdt::NodeKey& peer, DiffBase& m) { diffs_.on_base(peer, std::move(m), now_.mono_us); }
    void on(const crdt::NodeKey& peer, DiffOpen& m) { diffs_.on_open(peer, m, now_.mono_us); }
    void on(const crdt::NodeKey& peer, DiffPart& m) { diffs_.on_part(peer, std::move(m), now_.mono_us); }
    void on(const crdt::NodeKey& peer, DiffAck& m) { diffs_.on_ack(peer, m, now_.mono_us); }
    void on(const crdt::NodeKey& peer, DiffEnd& m) { diffs_.on_end(peer, m, now_.mono_us); }
    void on(const crdt::NodeKey& peer, DiffSketch& m) { diffs_.on_sketch(peer, m, now_.mono_us); }
    void on(const crdt::NodeKey& peer, DiffMore& m) { diffs_.on_more(peer, m, now_.mono_us); }
    void on(const crdt::NodeKey& peer, DiffSums& m) { diffs_.on_sums(peer, m, now_.mono_us); }
    void on(const crdt::NodeKey& peer, DiffCells& m) { diffs_.on_cells(peer, m, now_.mono_us); }
    const crdt::Replica& pinned() override;
    crdt::Result<bool> apply(crdt::Difference difference, std::vector<Seal> seals) override;
    std::uint64_t random() override { return random_(); }
    std::optional<crdt::Version> untold(const crdt::NodeKey& peer) override;
    std::optional<crdt::Version> heard(const crdt::NodeKey& peer, const crdt::Version& lines,
                                       const crdt::Fingerprint& hash) override;

    crdt::Replica& replica_;
    crdt::Clock& clock_;
    crdt::NodeKey node_;
    Limits limits_;
    Verifier verify_;
    std::function<std::uint64_t()> random_;
    std::optional<OverlayLimits> overlay_limits_;

    Now now_;  ///< of the input being handled
    Effects effects_;
    std::map<crdt::NodeKey, Link> links_;  ///< that carry data; with an overlay, its active view
    std::uint64_t neighbourhood_ = 0;      ///< of the links as they are
    std::unique_ptr<Overlay> overlay_;     ///< made with the first input, which tells the time
    Origins origins_;
    Rises rises_;
    std::uint64_t engine_;  ///< the places in `rises_` are this engine's
    Pasts pasts_;
    Trees trees_;
    Log log_;
    Waiting waiting_;
    Counters counters_;
    DiffSessions diffs_;
    std::vector<crdt::ReplicaId> raised_;         ///< origins whose seen seq rose, whose waiters are to be looked at
    std::set<crdt::ReplicaId> newer_format_;      ///< origins that wait for an update of this software
    std::optional<std::uint64_t> window_due_us_;  ///< when the open window is cut
    std::optional<std::uint64_t> push_due_us_;    ///< when what gathered is pushed
    std::uint64_t numbers_due_us_ = 0;            ///< too many are given back then
    std::uint64_t life_renewable_us_ = 0;         ///< a life found elsewhere is not renewed again before this
    std::uint64_t next_pull_ = 1;
    std::uint64_t pull_events_ = 2048;  ///< to ask for at once, in all; as answers turn out
    std::vector<std::string> faults_;

    // -- seals
    struct OwnChain {
        crdt::ReplicaId origin{};  ///< the running life, once it has cut something
        ChainHead head{};
        std::optional<Seal> unsealed{};  ///< of what was cut and not signed yet
        StretchSize size{};              ///< of that
    };
    std::optional<Sealing> sealing_;
    OwnChain own_;
    std::map<crdt::ReplicaId, SealPtr> tops_;  ///< of origins that a state diff raised, until the log has more
    std::map<crdt::ReplicaId, Fork> forks_;

    // -- what waits for the disk (rule 9)
    struct Undurable {
        std::uint64_t place;
        ChangesetPtr changeset;
    };
    struct Held {
        std::uint64_t place;
        crdt::NodeKey peer;
        Message message;
    };
    std::uint64_t place_ = 0;             ///< of the last that was applied or cut
    std::uint64_t durable_ = UINT64_MAX;  ///< and of the last that is on the disk; memory mode: all is well
    std::deque<Undurable> unpushed_;  ///< own changesets, not pushed yet: until the disk has them, or they are signed
    std::deque<Held> held_;           ///< messages that tell of this node's version
};

}  // namespace starling::gossip
