// Changes registers through their acceptors (CASPaxos: Rystsov 2018): prepare a ballot at a majority, take the register
// accepted under the highest ballot there, change it, have a majority accept it. No leader and no log; any member
// proposes. Sans-IO: answers and times come in, requests and results go out.
//
// Where this goes beyond the paper's section 2:
//  - an accept also promises the proposer's next ballot (section 2.2.1, the one-round-trip optimisation), so that who
//    changes a register alone needs one round trip;
//  - a read asks what is held and is done when a majority names one ballot, which is then decided: no write, and no
//    harm to the promises of whoever changes the register. Otherwise it goes the long way;
//  - changes of one register that wait together share a round.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <vector>

#include "agree/messages.hpp"
#include "agree/register.hpp"

namespace starling::agree {

/// Sizes and times; the defaults suit a LAN.
struct ProposerLimits {
    std::uint64_t round_us = 250'000;        ///< requests without an answer are sent again
    std::uint64_t backoff_us_min = 2'000;    ///< after a lost round, doubled with each, and drawn from its upper half
    std::uint64_t backoff_us_max = 500'000;  ///< up to this
    std::size_t operations_max = 4096;       ///< waiting, of all registers
    std::size_t quiet_keys_max = 1024;       ///< registers without operations whose promised ballot is remembered
};

enum class Outcome : std::uint8_t {
    done,             ///< decided, and durable at a majority
    no_majority,      ///< the deadline passed, and nothing was changed or will be
    outcome_unknown,  ///< the deadline passed after it was sent: it may take effect, now or later, or never
    refused           ///< the change made a value above the limit; nothing was changed
};

/// To ask for a change again that ended in `outcome_unknown`: with it the change is applied once at most.
struct Retry {
    OperationId id;
    std::uint64_t since = 0;  ///< the revision it was first sent on
};

struct Operation {
    crdt::Bytes key;
    ChangeFunction change{};        ///< none: a read
    std::uint64_t deadline_us = 0;  ///< monotonic
    std::optional<Retry> retry{};   ///< none: a new operation
    bool rewrites = false;          ///< a read that writes back what it found, in the present epoch
};

struct OperationResult {
    OperationId id;
    crdt::Bytes key;
    Outcome outcome = Outcome::done;
    bool changed = false;        ///< done: the change wrote, now or in an earlier attempt
    bool recovered = false;      ///< it was an earlier attempt: the value is the present one, perhaps changed since
    std::uint64_t revision = 0;  ///< done: of the value
    std::optional<crdt::Bytes> value{};  ///< done: after the change
    std::uint64_t submitted_us = 0;      ///< before anything of it was sent
    std::optional<Retry> retry{};        ///< outcome_unknown
};

struct ProposerSend {
    crdt::NodeKey to;
    Request request;
};

/// Invariants: a register has one round at a time; no ballot is used for two different accepts; a round lives in one
/// epoch; a majority of that epoch's record answered before a result is `done`. Thread rule: one thread at a time.
/// Everything is O(voters + batch) beside the change functions and O(log n) of registers and operations.
class Proposer {
  public:
    /// `self`: a life that no proposer had before. `record`: the latest that is known to be decided.
    Proposer(const crdt::ReplicaId& self, VoterRecord record, const ProposerLimits& limits,
             std::function<std::uint64_t()> random);

    /// Faults: too_large for a key above its limit, refused when too many operations wait.
    crdt::Result<OperationId> submit(Operation operation, std::uint64_t now_us);
    /// From whom, as the transport knows it.
    void received(const crdt::NodeKey& from, const Reply& reply, std::uint64_t now_us);
    void tick(std::uint64_t now_us);
    /// A record that was decided on; earlier ones than the present do nothing.
    void adopt(const VoterRecord& record, std::uint64_t now_us);

    // -- what follows
    std::vector<ProposerSend> take_sends() { return std::exchange(sends_, {}); }
    std::vector<OperationResult> take_results() { return std::exchange(results_, {}); }
    std::uint64_t due_us() const;

    // -- for whoever asks voters something else (transition.hpp)
    /// A request to one voter, with an id of its own.
    Request request_to(const Voter& voter, RequestBody body);
    /// False for an answer of a voter that the record does not name, or that went back.
    bool believed(const crdt::NodeKey& from, const Reply& reply) const;

    /// A number that nothing else of this life has.
    std::uint64_t draw_number() { return ++last_number_; }

    const VoterRecord& record() const { return record_; }
    std::size_t waiting() const { return operations_.size(); }
    /// Voters whose state went back: they count for nothing until the record names another life of theirs.
    const std::set<Voter>& went_back() const { return went_back_; }
    void check() const;

  private:
    struct Pending {
        OperationId id;
        Operation operation;
        std::uint64_t submitted_us = 0;
        std::optional<std::uint64_t> since;  ///< the lowest revision on which an accept carried it
    };
    enum class Phase : std::uint8_t { idle, reading, preparing, accepting, backing_off };
    struct Round {
        Phase phase = Phase::idle;
        std::uint64_t id = 0;
        std::uint64_t due_us = UINT64_MAX;
        Ballot ballot;
        std::map<Voter, std::uint64_t> asked;  ///< the sync counter that each had told before
        std::set<Voter> yes, no;
        std::map<Voter, Ballot> holds;    ///< reading: what each of `yes` holds
        std::uint64_t reads_through = 0;  ///< reading: for the operations up to this one
        Ballot best;                      ///< the highest ballot among the answers, and what was accepted for it
        Register found;
        Register proposed;
        crdt::Bytes encoded;                                           ///< accepting: `proposed`
        std::vector<std::pair<std::uint64_t, OperationResult>> batch;  ///< operations, and what they end with
    };
    struct Quick {
        Register held;
        Ballot promised;  ///< by a majority of this epoch, in the accept of `held`
    };
    struct Key {
        std::deque<std::uint64_t> waiting;  ///< operations in order; those in the batch are among them
        Round round;
        std::optional<Quick> quick;
        std::uint32_t lost = 0;  ///< rounds in a row
        bool settle = false;     ///< a read found no decided value: go the long way
        bool busy() const { return !waiting.empty() || round.phase != Phase::idle; }
    };
    using Keys = std::map<crdt::Bytes, Key>;

    // -- proposer.cpp: operations
    void finish(std::uint64_t number, OperationResult result);
    void expire(std::uint64_t number);
    Pending* pending(std::uint64_t number);
    void quiet(Keys::iterator at);
    void distrust(const Voter& voter);
    void forget_promises();

    // -- round.cpp
    void begin(Keys::iterator at);
    void open(Keys::iterator at, Phase phase);
    void ask(const Keys::value_type& entry, const Voter& voter);
    void ask_silent(Keys::value_type& entry);
    RequestBody request_of(const Keys::value_type& entry) const;
    void on(Keys::iterator at, const Voter& voter, const Promised& promised);
    void on(Keys::iterator at, const Voter& voter, const Held& held);
    void on(Keys::iterator at, const Voter& voter, const Accepted& accepted);
    void on(Keys::iterator at, const Voter& voter, const Refused& refused);
    template <class Other>
    void on(Keys::iterator, const Voter&, const Other&) {}
    bool take_found(Round& round, const Voter& voter, const Ballot& accepted, const crdt::Bytes& held);
    bool granted(const Round& round) const;
    void count_out(Keys::iterator at, const Voter& voter);
    void timeout(Keys::iterator at);
    void propose(Keys::iterator at, const Register& found);
    OperationResult outcome_of(Pending& pending, Register& proposed);
    void read_done(Keys::iterator at);
    void lose(Keys::iterator at);
    void restart(Keys::iterator at);
    void close(Keys::value_type& entry);
    void abandon(Keys::iterator at);
    std::uint64_t backoff_us(std::uint32_t lost);
    void due(Keys::value_type& entry, std::uint64_t due_us);

    crdt::Life life_;         ///< of operation ids
    crdt::ReplicaId ballot_;  ///< whose ballots they are
    VoterRecord record_;
    ProposerLimits limits_;
    std::function<std::uint64_t()> random_;

    std::uint64_t now_us_ = 0;       ///< of the call being handled
    std::uint64_t counter_ = 0;      ///< of ballots, used or seen
    std::uint64_t last_number_ = 0;  ///< of operations and of whoever drew one
    std::uint64_t last_request_ = 0;
    std::map<std::uint64_t, Pending> operations_;
    std::set<std::pair<std::uint64_t, std::uint64_t>> deadlines_;  ///< (time, operation)
    Keys keys_;
    std::map<std::uint64_t, crdt::Bytes> rounds_;                ///< request id → key
    std::set<std::pair<std::uint64_t, crdt::Bytes>> round_due_;  ///< (time, key)
    std::size_t quiet_ = 0;                                      ///< keys that are not busy
    crdt::Bytes last_forgotten_;  ///< of them: the hand of the clock that chooses which to forget
    std::map<Voter, std::uint64_t> seen_sync_;
    std::set<Voter> went_back_;
    std::vector<ProposerSend> sends_;
    std::vector<OperationResult> results_;
};

}  // namespace starling::agree
