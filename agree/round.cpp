// One attempt after another at one register: prepare and accept, or a read.
#include <algorithm>

#include "agree/proposer.hpp"
#include "crdt/mutant.hpp"

namespace starling::agree {

using namespace crdt;

void Proposer::begin(Keys::iterator at) {
    auto& key = at->second;
    STARLING_ASSERT(key.round.phase == Phase::idle, "one round at a time");
    if (key.waiting.empty()) return quiet(at);
    const auto& first = operations_.at(key.waiting.front()).operation;
    if (!first.change && !first.rewrites && !key.settle) {
        key.round.reads_through = key.waiting.back();
        return open(at, Phase::reading);
    }
    if (const auto quick = std::exchange(key.quick, std::nullopt)) {
        key.round.ballot = quick->promised;
        return propose(at, quick->held);
    }
    if (counter_ < count_max) {
        key.round.ballot = {++counter_, ballot_};
        if (mutant(Mutant::ballots_are_reused) && counter_ > 1) key.round.ballot.counter = --counter_;
        return open(at, Phase::preparing);
    }
    due(*at, UINT64_MAX - 1);  // no ballot is left: its operations end at their deadlines
    key.round.phase = Phase::backing_off;
}

/// Sends the requests of a phase.
void Proposer::open(Keys::iterator at, Phase phase) {
    auto& round = at->second.round;
    rounds_.erase(round.id);
    round.phase = phase;
    round.id = ++last_request_;
    rounds_.emplace(round.id, at->first);
    round.asked.clear();
    round.yes.clear();
    round.no.clear();
    round.holds.clear();
    ask_silent(*at);
    due(*at, now_us_ + limits_.round_us);
}

void Proposer::ask_silent(Keys::value_type& entry) {
    auto& round = entry.second.round;
    for (const auto& voter : record_.everyone()) {
        if (round.yes.contains(voter) || round.no.contains(voter) || went_back_.contains(voter)) continue;
        const auto seen = seen_sync_.find(voter);
        round.asked.try_emplace(voter, seen == seen_sync_.end() ? 0 : seen->second);
        ask(entry, voter);
    }
}

void Proposer::ask(const Keys::value_type& entry, const Voter& voter) {
    Request request;
    request.id = entry.second.round.id;
    request.voter = voter.life;
    request.epoch = record_.epoch;
    const auto seen = seen_sync_.find(voter);
    request.seen_sync = seen == seen_sync_.end() ? 0 : seen->second;
    request.body = request_of(entry);
    sends_.push_back({voter.node, std::move(request)});
}

RequestBody Proposer::request_of(const Keys::value_type& entry) const {
    const auto& [name, key] = entry;
    const auto& round = key.round;
    if (round.phase == Phase::reading) return Read{name};
    if (round.phase == Phase::preparing) return Prepare{name, round.ballot};
    STARLING_ASSERT(round.phase == Phase::accepting, "a round that asks has something to ask");
    return Accept{name, round.ballot, round.ballot.counter < count_max, round.encoded};
}

// -- answers

/// Remembers what was accepted under the highest ballot; false where the bytes are no register.
bool Proposer::take_found(Round& round, const Voter& voter, const Ballot& accepted, const Bytes& held) {
    if (round.yes.empty()) {
        round.best = {};
        round.found = {};
    }
    if (accepted > round.best) {
        auto found = decode_register(held);
        if (!found) return false;
        round.best = accepted;
        round.found = std::move(*found);
    }
    round.yes.insert(voter);
    return true;
}

void Proposer::on(Keys::iterator at, const Voter& voter, const Promised& promised) {
    auto& round = at->second.round;
    if (round.phase != Phase::preparing || round.yes.contains(voter) || round.no.contains(voter)) return;
    if (!take_found(round, voter, promised.accepted, promised.held)) return count_out(at, voter);
    if (granted(round)) propose(at, Register(round.found));
}

void Proposer::on(Keys::iterator at, const Voter& voter, const Held& held) {
    auto& round = at->second.round;
    if (round.phase != Phase::reading || round.yes.contains(voter) || round.no.contains(voter)) return;
    if (!take_found(round, voter, held.accepted, held.held)) return count_out(at, voter);
    round.holds[voter] = held.accepted;
    const auto agrees = [&](const Voter& v) {
        const auto holding = round.holds.find(v);
        return holding != round.holds.end() && holding->second == round.best && !went_back_.contains(v);
    };
    if (record_.majority(agrees)) return read_done(at);
    const auto may_agree = [&](const Voter& v) {
        return agrees(v) || !(round.yes.contains(v) || round.no.contains(v));
    };
    if (record_.majority(may_agree)) return;
    at->second.settle = true;
    restart(at);
}

/// A majority holds the register for one ballot, so it is decided; and whatever was decided before the read began was
/// decided for no later one.
void Proposer::read_done(Keys::iterator at) {
    auto& key = at->second;
    OperationResult result;
    result.revision = key.round.found.revision;
    result.value = key.round.found.value;
    while (!key.waiting.empty()) {
        const auto& operation = operations_.at(key.waiting.front()).operation;
        if (operation.change || operation.rewrites) break;
        // One that was submitted while the round was under way may follow a decision that the answers do not know.
        if (key.waiting.front() > key.round.reads_through) break;
        finish(key.waiting.front(), result);
    }
    key.lost = 0;
    restart(at);
}

/// Applies what waits to what was found, and has it accepted.
void Proposer::propose(Keys::iterator at, const Register& found) {
    auto& key = at->second;
    auto& round = key.round;
    round.proposed = found;
    round.batch.clear();
    for (std::size_t i = 0; i < key.waiting.size() && i < batch_operations_max; ++i) {
        const auto number = key.waiting[i];
        round.batch.emplace_back(number, outcome_of(operations_.at(number), round.proposed));
    }
    round.encoded = encode(round.proposed);
    counter_ = std::max(counter_, std::min(round.ballot.counter + 1, count_max));  // promised with the accept
    open(at, Phase::accepting);
}

OperationResult Proposer::outcome_of(Pending& pending, Register& proposed) {
    OperationResult result;
    const auto stands = standing(proposed, pending.id, pending.since);
    if (stands == Standing::applied) {
        result.changed = result.recovered = true;
    } else if (stands == Standing::forgotten) {
        result.outcome = Outcome::outcome_unknown;
        return result;
    } else if (pending.operation.change) {
        auto change = pending.operation.change(proposed.value);
        const bool large = change.value && change.value->size() > register_value_bytes_max;
        if (change.writes && (large || proposed.revision >= count_max)) {
            result.outcome = Outcome::refused;
            return result;
        }
        if (change.writes) {
            pending.since = std::min(pending.since.value_or(UINT64_MAX), proposed.revision);
            apply(proposed, pending.id, std::move(change.value));
            result.changed = true;
        }
    }
    result.revision = proposed.revision;
    result.value = proposed.value;
    return result;
}

void Proposer::on(Keys::iterator at, const Voter& voter, const Accepted&) {
    auto& key = at->second;
    auto& round = key.round;
    if (round.phase != Phase::accepting || round.no.contains(voter)) return;
    round.yes.insert(voter);
    if (!granted(round)) return;
    if (round.ballot.counter < count_max) key.quick = Quick{std::move(round.proposed), round.ballot.next()};
    for (auto& [number, result] : std::exchange(round.batch, {})) {
        if (pending(number) != nullptr) finish(number, std::move(result));
    }
    key.lost = 0;
    key.settle = false;
    restart(at);
}

void Proposer::on(Keys::iterator at, const Voter& voter, const Refused& refused) {
    switch (refused.why) {
        case Refusal::old_epoch:
            return adopt(*refused.record, now_us_);
        case Refusal::new_epoch:
            // It is asked again behind the record; should the two change places, again after the round's time.
            sends_.push_back({voter.node, request_to(voter, Install{record_})});
            return ask(*at, voter);
        case Refusal::went_back:
            distrust(voter);
            break;
        case Refusal::ballot:
            counter_ = std::max(counter_, refused.promised.counter);
            break;
        case Refusal::no_voter:
            break;
    }
    count_out(at, voter);
}

// -- ends

/// Has a majority said yes? Whoever went back since says nothing any more.
bool Proposer::granted(const Round& round) const {
    return record_.majority([&](const Voter& v) {
        return round.yes.contains(v) && (!went_back_.contains(v) || mutant(Mutant::set_back_votes_count));
    });
}

/// This voter does not help this round.
void Proposer::count_out(Keys::iterator at, const Voter& voter) {
    auto& round = at->second.round;
    if (round.yes.contains(voter)) return;
    round.no.insert(voter);
    if (record_.majority([&](const Voter& v) { return !round.no.contains(v) && !went_back_.contains(v); })) return;
    lose(at);
}

void Proposer::lose(Keys::iterator at) {
    auto& key = at->second;
    const auto phase = key.round.phase;
    if (mutant(Mutant::prepare_is_skipped) && phase == Phase::accepting)
        key.quick = Quick{key.round.proposed, {++counter_, ballot_}};
    close(*at);
    key.settle = key.settle || phase == Phase::reading;
    key.round.phase = Phase::backing_off;
    due(*at, now_us_ + backoff_us(key.lost++));
}

void Proposer::restart(Keys::iterator at) {
    close(*at);
    begin(at);
}

void Proposer::abandon(Keys::iterator at) {
    close(*at);
    at->second.settle = false;
    quiet(at);
}

/// Ends the round, whatever it is at.
void Proposer::close(Keys::value_type& entry) {
    rounds_.erase(entry.second.round.id);
    due(entry, UINT64_MAX);
    entry.second.round = Round{};
}

void Proposer::timeout(Keys::iterator at) {
    auto& round = at->second.round;
    if (round.phase == Phase::backing_off) return restart(at);
    if (!round.no.empty()) return lose(at);
    if (round.phase == Phase::reading && !round.yes.empty()) {
        at->second.settle = true;  // those that answer do not agree
        return restart(at);
    }
    ask_silent(*at);
    due(*at, now_us_ + limits_.round_us);
}

void Proposer::due(Keys::value_type& entry, std::uint64_t due_us) {
    auto& round = entry.second.round;
    if (round.due_us != UINT64_MAX) round_due_.erase({round.due_us, entry.first});
    round.due_us = due_us;
    if (due_us != UINT64_MAX) round_due_.insert({due_us, entry.first});
}

std::uint64_t Proposer::backoff_us(std::uint32_t lost) {
    const auto most = std::min(limits_.backoff_us_max, limits_.backoff_us_min << std::min(lost, 20U));
    return most / 2 + random_() % (most / 2 + 1);
}

}  // namespace starling::agree
