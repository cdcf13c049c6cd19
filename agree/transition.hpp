// A change of voters, in steps that anyone can take up again where somebody stopped:
//
//   1. the voters' register says that other voters are incoming: compare-and-set under the old majority;
//   2. a majority of the old voters knows the joint epoch, and so refuses the one before; each lists its keys;
//   3. every key of those lists is rewritten under both majorities. What the old epoch decided, or could have decided
//      had its promises been used, is on such a list: its majority and the listing one share a voter;
//   4. the voters' register says that the incoming voters are the voters: decided under both majorities.
//
// Keys that were only promised are rewritten, too: a register that a lone old voter accepted for a high ballot would
// otherwise come back if that voter did.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "agree/proposer.hpp"

namespace starling::agree {

struct TransitionLimits {
    std::uint64_t retry_us = 500'000;   ///< lists without an answer are asked for again
    std::uint64_t step_us = 2'000'000;  ///< deadline of each operation; one that fails is done again
    std::size_t rewrites_max = 16;      ///< registers rewritten at a time
};

/// Invariants: one step at a time; a step is taken only in the epoch it is for. Thread rule: one thread at a time, the
/// proposer's. Memory: the keys of all registers.
class Transition {
  public:
    enum class Stage : std::uint8_t { agreeing, listing, rewriting, closing, done };

    /// To these voters. A change that is under way is finished first, whoever began it. `proposer` must outlive it.
    Transition(Proposer& proposer, std::vector<Voter> target, const TransitionLimits& limits, std::uint64_t now_us);

    // -- what happened; each call is cheap where it is not about this transition
    void received(const crdt::NodeKey& from, const Reply& reply, std::uint64_t now_us);
    void finished(const OperationResult& result, std::uint64_t now_us);
    void tick(std::uint64_t now_us);

    std::vector<ProposerSend> take_sends() { return std::exchange(sends_, {}); }
    std::uint64_t due_us() const { return due_us_; }
    Stage stage() const { return stage_; }
    std::size_t rewritten() const { return rewritten_; }
    void check() const;

  private:
    struct List {
        crdt::Bytes after;
        std::uint64_t request = 0;
        bool complete = false;
    };

    void start_over();
    void agree();
    void go_on(const VoterRecord& record);
    void list();
    void ask(const Voter& voter, List& list);
    void rewrite();
    void close();
    OperationId submit(Operation operation);

    Proposer& proposer_;
    std::vector<Voter> target_;
    TransitionLimits limits_;
    Stage stage_ = Stage::agreeing;
    std::uint64_t epoch_ = 0;  ///< listing, rewriting: the joint epoch it is done in
    std::uint64_t now_us_ = 0;
    std::uint64_t due_us_ = UINT64_MAX;
    std::optional<OperationId> step_;  ///< agreeing, closing
    std::map<Voter, List> lists_;      ///< of the old voters
    std::set<crdt::Bytes> keys_;       ///< to be rewritten
    std::map<OperationId, crdt::Bytes> rewriting_;
    std::size_t rewritten_ = 0;
    std::vector<ProposerSend> sends_;
};

}  // namespace starling::agree
