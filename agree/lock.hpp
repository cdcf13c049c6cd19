// Holding a lock, and waiting for one: a state machine over one register. A majority decides who holds; clocks only
// measure how long somebody was silent, each its own.
//
//  - A contender takes over after it saw the same (token, renewal) for the whole time to live that the record names,
//    counted on its own clock from the *answer* of the read that saw it first; the change checks that it still is so.
//  - A holder counts from the *send* of its last confirmed renewal, and stops believing `drift_margin_permille` of the
//    time to live earlier.
//
// So two nodes do not believe at once while their clocks' rates differ by less than the margin. Where clocks jump, or a
// node sleeps between asking and acting, only the token protects: what the lock guards must refuse lower ones.
//
// An election is a lock whose note is the candidate: campaign, observe and resign are acquire, observe and release.
#pragma once

#include <functional>
#include <variant>

#include "agree/lock_record.hpp"
#include "agree/proposer.hpp"
#include "gossip/io.hpp"

namespace starling::agree {

struct LockLimits {
    std::uint64_t poll_us_min = 20'000;    ///< a contender looks again after an eighth of the turn it waits for, in
    std::uint64_t poll_us_max = 500'000;   ///< these bounds
    std::uint64_t step_us = 2'000'000;     ///< deadline of one operation on the register
    std::uint64_t release_us = 5'000'000;  ///< for how long a release is tried; then the time to live ends the turn
};

/// How an attempt ends that did not get the lock.
enum class LockFailure : std::uint8_t {
    held,         ///< `once`: somebody else's turn
    deadline,     ///< it passed, and somebody else's turn did not end
    no_majority,  ///< it passed, and no majority answered
    refused       ///< the register holds no lock, or too many operations wait
};

struct LockWish {
    std::uint64_t ttl_us = 10'000'000;  ///< `lock_ttl_us_min` … `lock_ttl_us_max`
    std::uint64_t deadline_us = 0;      ///< on the clock that only grows
    bool once = false;                  ///< not to wait for anybody: the deadline is for an answer
    bool fair = false;                  ///< to stand in line; who is not fair waits until nobody does
    crdt::Bytes note{};                 ///< what others read of the holder; at most `lock_note_bytes_max`
};

struct LockAcquired {
    std::uint64_t token = 0;
};
struct LockFailed {
    LockFailure why = LockFailure::held;
};
/// It held the lock, and does not any more: another has it, or may have.
struct LockLost {
    std::uint64_t token = 0;
};
/// What others hold, for those who observe.
struct LockSeen {
    std::uint64_t token = 0;
    std::optional<Claim> holder;
    crdt::Bytes note;
};
using LockEvent = std::variant<LockAcquired, LockFailed, LockLost, LockSeen>;

/// `Now::mono_us` must be a clock that goes on while the machine sleeps (CLOCK_BOOTTIME); the wall clock is not looked
/// at. Invariants: one operation at a time; whoever holds has a token that nobody else ever had. Thread rule: one
/// thread at a time, the proposer's.
class Lock {
  public:
    /// `proposer` must outlive it. `self`: the proposer's life. Several locks of one proposer exclude each other, too.
    Lock(Proposer& proposer, crdt::Bytes key, const crdt::ReplicaId& self, const LockLimits& limits,
         std::function<std::uint64_t()> random);

    /// Only while idle. LockAcquired or LockFailed follows.
    void acquire(LockWish wish, gossip::Now now);
    /// Gives the lock up, or the wish for it. Nothing follows; others may take it as soon as a majority knows.
    void release(gossip::Now now);
    /// LockSeen follows by a linearizable read, or nothing where no majority answers.
    void observe(gossip::Now now);

    void finished(const OperationResult& result, gossip::Now now);
    void tick(gossip::Now now);
    std::vector<LockEvent> take_events() { return std::exchange(events_, {}); }
    std::uint64_t due_us() const;

    bool idle() const { return stage_ == Stage::idle; }
    /// To be asked at each use, with the time of the use.
    bool holds(gossip::Now now) const { return stage_ == Stage::holding && now.mono_us < until_us(); }
    std::uint64_t token() const { return token_; }  ///< of the lock it holds; else the last
    void check() const;

  private:
    enum class Stage : std::uint8_t { idle, wanting, holding };

    void look(gossip::Now now);
    void try_to_take(gossip::Now now);
    void wanting(const LockRecord& record, const OperationResult& result, gossip::Now now);
    void holding(const LockRecord& record, const OperationResult& result);
    void fail(LockFailure why, gossip::Now now);
    void lose(gossip::Now now);
    void let_go(gossip::Now now);
    bool submit(ChangeFunction change, gossip::Now now);
    std::uint64_t until_us() const;
    std::uint64_t poll_us(std::uint64_t turn_us);

    Proposer& proposer_;
    crdt::Bytes key_;
    LockLimits limits_;
    std::function<std::uint64_t()> random_;

    Stage stage_ = Stage::idle;
    LockWish wish_;
    Contender me_;
    std::optional<OperationId> pending_, observing_;
    std::uint64_t next_us_ = UINT64_MAX;  ///< of the next look or renewal
    std::uint64_t asked_us_ = 0;          ///< when what is pending was submitted
    bool answered_ = false;               ///< wanting: a majority said something
    bool left_traces_ = false;            ///< of this claim in the register, perhaps
    std::optional<Sighting> sighting_;    ///< wanting: what is watched
    std::uint64_t sighted_us_ = 0;        ///< since when
    std::uint64_t turn_us_ = 0;           ///< how long that turn lasts; 0: nobody's
    std::uint64_t token_ = 0;
    std::uint64_t confirmed_us_ = 0;  ///< holding: the send of the last renewal that was confirmed
    std::vector<LockEvent> events_;
};

}  // namespace starling::agree
