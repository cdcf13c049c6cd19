// Operations and who answered: what comes in from the application and from the transport. Rounds are in round.cpp.
#include "agree/proposer.hpp"

#include <algorithm>

#include "crdt/mutant.hpp"

namespace starling::agree {

using namespace crdt;

Proposer::Proposer(const ReplicaId& self, VoterRecord record, const ProposerLimits& limits,
                   std::function<std::uint64_t()> random)
    : life_(self.life), ballot_(self), record_(std::move(record)), limits_(limits), random_(std::move(random)) {
    STARLING_ASSERT(valid(record_), "a proposer begins with a record");
    if (mutant(Mutant::ballots_forget_lives)) ballot_.life = 0;
    // A late answer to an earlier life is not one to this: requests of two lives have different ids.
    last_request_ = mutant(Mutant::request_ids_begin_anew) ? 0 : random_() % (count_max / 2);
}

Result<OperationId> Proposer::submit(Operation operation, std::uint64_t now_us) {
    now_us_ = now_us;
    if (operation.key.size() > register_key_bytes_max) return Fault{FaultCode::too_large, "the key of a register"};
    if (operations_.size() >= limits_.operations_max) return Fault{FaultCode::refused, "too many operations wait"};

    const auto number = ++last_number_;
    Pending pending;
    pending.id = operation.retry ? operation.retry->id : OperationId{life_, number};
    if (operation.retry) pending.since = operation.retry->since;
    pending.submitted_us = now_us;
    pending.operation = std::move(operation);
    const auto id = pending.id;

    const auto [at, fresh] = keys_.try_emplace(pending.operation.key);
    if (!fresh && !at->second.busy()) --quiet_;
    at->second.waiting.push_back(number);
    deadlines_.insert({pending.operation.deadline_us, number});
    operations_.emplace(number, std::move(pending));
    if (at->second.round.phase == Phase::idle) begin(at);
    return id;
}

bool Proposer::believed(const NodeKey& from, const Reply& reply) const {
    const Voter voter{from, reply.voter};
    return record_.names(voter) && !went_back_.contains(voter);
}

Request Proposer::request_to(const Voter& voter, RequestBody body) {
    Request request;
    request.id = ++last_request_;
    request.voter = std::holds_alternative<Identify>(body) ? 0 : voter.life;
    const bool any_epoch = std::holds_alternative<Identify>(body) || std::holds_alternative<Install>(body);
    request.epoch = any_epoch ? 0 : record_.epoch;
    const auto seen = seen_sync_.find(voter);
    request.seen_sync = seen == seen_sync_.end() ? 0 : seen->second;
    request.body = std::move(body);
    return request;
}

void Proposer::received(const NodeKey& from, const Reply& reply, std::uint64_t now_us) {
    now_us_ = now_us;
    if (!believed(from, reply)) return;
    const Voter voter{from, reply.voter};
    auto& seen = seen_sync_[voter];
    seen = std::max(seen, reply.sync);

    const auto round = rounds_.find(reply.id);
    if (round == rounds_.end()) return;
    const auto at = keys_.find(round->second);
    STARLING_ASSERT(at != keys_.end(), "a round has a register");
    const auto asked = at->second.round.asked.find(voter);
    if (asked == at->second.round.asked.end()) return;
    if (reply.sync < asked->second) {
        // It had told more before it was asked, and answers of one store do not go back.
        distrust(voter);
        return count_out(at, voter);
    }
    std::visit([&](const auto& body) { on(at, voter, body); }, reply.body);
}

void Proposer::adopt(const VoterRecord& record, std::uint64_t now_us) {
    now_us_ = now_us;
    STARLING_ASSERT(valid(record), "only valid records are decided on");
    if (record.epoch <= record_.epoch) return;
    record_ = record;
    std::erase_if(seen_sync_, [&](const auto& seen) { return !record_.names(seen.first); });
    std::erase_if(went_back_, [&](const auto& voter) { return !record_.names(voter); });
    // What an earlier epoch promised is not promised by the majorities of this one.
    forget_promises();
    for (auto at = keys_.begin(); at != keys_.end(); ++at) restart(at);
}

/// From now on each register is prepared before the next accept; the quiet ones were kept for their promises alone.
void Proposer::forget_promises() {
    std::erase_if(keys_, [](const auto& entry) { return !entry.second.busy(); });
    quiet_ = 0;
    for (auto& [name, key] : keys_) key.quick.reset();
}

/// Its promises are lost, whatever it says: those that it gave count no more, also in rounds that are under way.
void Proposer::distrust(const Voter& voter) {
    if (went_back_.insert(voter).second) forget_promises();
}

void Proposer::tick(std::uint64_t now_us) {
    now_us_ = now_us;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now_us) expire(deadlines_.begin()->second);
    while (!round_due_.empty() && round_due_.begin()->first <= now_us) timeout(keys_.find(round_due_.begin()->second));
}

std::uint64_t Proposer::due_us() const {
    const auto deadline = deadlines_.empty() ? UINT64_MAX : deadlines_.begin()->first;
    return round_due_.empty() ? deadline : std::min(deadline, round_due_.begin()->first);
}

Proposer::Pending* Proposer::pending(std::uint64_t number) {
    const auto at = operations_.find(number);
    return at == operations_.end() ? nullptr : &at->second;
}

void Proposer::finish(std::uint64_t number, OperationResult result) {
    const auto at = operations_.find(number);
    auto& [id, operation, submitted_us, since] = at->second;
    auto& waiting = keys_.find(operation.key)->second.waiting;
    waiting.erase(std::find(waiting.begin(), waiting.end(), number));
    deadlines_.erase({operation.deadline_us, number});
    result.id = id;
    result.key = std::move(operation.key);
    result.submitted_us = submitted_us;
    if (result.outcome == Outcome::outcome_unknown) result.retry = Retry{id, since.value_or(0)};
    operations_.erase(at);
    results_.push_back(std::move(result));
}

void Proposer::expire(std::uint64_t number) {
    const auto& late = operations_.at(number);
    const auto at = keys_.find(late.operation.key);
    OperationResult result;
    result.outcome = late.since ? Outcome::outcome_unknown : Outcome::no_majority;
    finish(number, std::move(result));
    if (at->second.waiting.empty()) abandon(at);
}

/// Nothing is to be done for it. What its acceptors promised is worth remembering, within bounds.
void Proposer::quiet(Keys::iterator at) {
    if (!at->second.quick) return void(keys_.erase(at));
    if (++quiet_ <= limits_.quiet_keys_max) return;
    auto hand = keys_.upper_bound(last_forgotten_);
    while (true) {
        if (hand == keys_.end()) hand = keys_.begin();
        if (!hand->second.busy()) break;
        ++hand;
    }
    last_forgotten_ = hand->first;
    keys_.erase(hand);
    --quiet_;
}

void Proposer::check() const {
    std::size_t waiting = 0, quiet = 0, rounds = 0, timed = 0;
    for (const auto& [name, key] : keys_) {
        waiting += key.waiting.size();
        quiet += key.busy() ? 0 : 1;
        const auto& round = key.round;
        STARLING_ASSERT(key.waiting.empty() == (round.phase == Phase::idle),
                        "what waits has a round, and nothing else");
        STARLING_ASSERT(key.busy() || key.quick, "a quiet register is remembered for a promise");
        const bool asks = round.phase != Phase::idle && round.phase != Phase::backing_off;
        STARLING_ASSERT(asks == (rounds_.contains(round.id) && rounds_.at(round.id) == name),
                        "a round is found by its id");
        rounds += asks ? 1 : 0;
        timed += round.due_us == UINT64_MAX ? 0 : 1;
        for (const auto& number : key.waiting)
            STARLING_ASSERT(operations_.at(number).operation.key == name, "an operation waits at its register");
        for (const auto& voter : round.yes)
            STARLING_ASSERT(!round.no.contains(voter), "a voter says one thing a round");
        STARLING_ASSERT(round.ballot.counter <= counter_, "ballots are counted");
    }
    STARLING_ASSERT(waiting == operations_.size() && waiting == deadlines_.size(), "each operation waits once");
    STARLING_ASSERT(quiet == quiet_ && quiet_ <= limits_.quiet_keys_max, "quiet registers are bounded");
    STARLING_ASSERT(rounds == rounds_.size() && timed == round_due_.size(), "rounds and their times agree");
}

}  // namespace starling::agree
