// What comes and goes: messages, the disk, times. The applications' side is in agreement_calls.cpp.
#include "node/agreement.hpp"

#include <algorithm>
#include <ctime>

#include "agree/wire.hpp"
#include "crdt/assert.hpp"

namespace starling::detail {

using agree::Reply;
using agree::Request;

namespace {
constexpr std::uint64_t ask_again_after_us = 250'000;  // who the voters are, while somebody waits to know
constexpr std::uint64_t tell_again_us = 10'000;        // that a lock was lost
}  // namespace

std::uint64_t boot_us() {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    return std::uint64_t(now.tv_sec) * 1'000'000 + std::uint64_t(now.tv_nsec) / 1'000;
}

Agreement::Agreement(const crdt::NodeKey& self, peer::Voter voter, AgreementHooks hooks)
    : self_(self),
      proposing_{self, hooks.random()},
      hooks_(std::move(hooks)),
      voter_(std::move(voter)),
      // The proposer's requests begin in the lower half, and a late answer to an earlier open is not one to this.
      last_question_(agree::count_max / 2 + hooks_.random() % (agree::count_max / 4)) {
    share_records();
}

// -- links

void Agreement::linked(const crdt::NodeKey& peer) {
    const std::lock_guard lock(mutex_);
    members_[peer] = {};
    identify(peer);
    changed_.notify_all();
}

void Agreement::unlinked(const crdt::NodeKey& peer) {
    const std::lock_guard lock(mutex_);
    members_.erase(peer);
    changed_.notify_all();
}

void Agreement::identify(const crdt::NodeKey& peer) {
    auto& member = members_.at(peer);
    member.asked = ++last_question_;
    send(peer, Request{member.asked, 0, 0, 0, agree::Identify{}});
}

bool Agreement::received(const crdt::NodeKey& from, crdt::BytesView bytes) {
    auto message = agree::decode(bytes);
    if (!message) return message.fault().code == crdt::FaultCode::unknown_kind;  // of a later build: no harm
    const std::lock_guard lock(mutex_);
    if (!members_.contains(from)) return true;
    if (const auto* request = std::get_if<Request>(&*message)) {
        (void)voter_.ask(from, *request);  // what is dropped is asked again
    } else {
        take(from, std::get<Reply>(*message));
    }
    settle(false);
    return true;
}

void Agreement::take(const crdt::NodeKey& from, const Reply& reply) {
    const auto now = boot_us();
    // Before the proposer: what a voter says of a later record is heard by both.
    if (transition_) transition_->received(from, reply, now);
    if (proposer_) proposer_->received(from, reply, now);
    const auto member = members_.find(from);
    const auto* identity = std::get_if<agree::Identity>(&reply.body);
    if (identity == nullptr || member == members_.end() || member->second.asked != reply.id) return;
    member->second.life = reply.voter;
    if (identity->record) voter_.install(*identity->record);
    const auto& known = voter_.standpoint().record;
    if (known && (!identity->record || identity->record->epoch < known->epoch))
        send(from, Request{++last_question_, reply.voter, 0, 0, agree::Install{*known}});
    changed_.notify_all();
}

void Agreement::send(const crdt::NodeKey& to, const agree::Message& message) {
    if (!members_.contains(to)) return;
    auto bytes = agree::encode(message);
    auto& of_one = unsent_of_[to];
    if (unsent_bytes_ + bytes.size() > unsent_bytes_max || of_one + bytes.size() > unsent_of_one_bytes_max) return;
    of_one += bytes.size();
    unsent_bytes_ += bytes.size();
    unsent_.push_back({to, std::move(bytes)});
}

std::vector<Agreement::Send> Agreement::take_sends() {
    const std::lock_guard lock(mutex_);
    unsent_bytes_ = 0;
    unsent_of_.clear();
    return std::exchange(unsent_, {});
}

// -- times

void Agreement::advance(std::uint64_t now_us) {
    if (proposer_) proposer_->tick(now_us);
    if (transition_) transition_->tick(now_us);
    for (const auto& [key, hold] : holds_) hold->lock.tick({now_us, 0});
    if (now_us < ask_again_us_) return;
    for (const auto& [peer, member] : members_) identify(peer);
    ask_again_us_ = need_record_ > 0 ? now_us + ask_again_after_us : UINT64_MAX;
}

void Agreement::tick() {
    const std::lock_guard lock(mutex_);
    advance(boot_us());
    settle(false);
}

std::uint64_t Agreement::next_due_us() const {
    auto due = ask_again_us_;
    if (proposer_) due = std::min(due, proposer_->due_us());
    if (transition_) due = std::min(due, transition_->due_us());
    for (const auto& [key, hold] : holds_) due = std::min(due, hold->lock.due_us());
    if (!lost_.empty()) due = std::min(due, boot_us() + tell_again_us);  // there was no room to tell it
    return due;
}

std::uint64_t Agreement::due_us() {
    const std::lock_guard lock(mutex_);
    return told_due_us_ = next_due_us();
}

// -- what follows from whatever happened

/// `wake`: this is not the network thread, which looks by itself.
void Agreement::settle(bool wake) {
    for (bool more = true; more;) {
        more = hand_out();
        more = carry() || more;
        more = share_records() || more;
    }
    tell_losses();
    if (voter_.has_writes()) hooks_.to_disk();
    if (wake && (!unsent_.empty() || next_due_us() < told_due_us_)) hooks_.to_network();
}

/// Results, to those who wait for them.
bool Agreement::hand_out() {
    const auto now = boot_us();
    auto results = proposer_ ? proposer_->take_results() : std::vector<agree::OperationResult>();
    for (auto& result : results) {
        if (transition_) transition_->finished(result, now);
        const auto [first, last] = holds_.equal_range(result.key);
        for (auto at = first; at != last; ++at) at->second->lock.finished(result, {now, 0});
        const auto [call, end] = calls_.equal_range(result.id);
        const auto open = std::find_if(call, end, [](const auto& one) { return !one.second->result; });
        if (open == end) continue;
        open->second->result = std::move(result);
        open->second->done.notify_all();
    }
    for (auto at = holds_.begin(); at != holds_.end();) {
        const auto hold = at->second;
        for (const auto& event : hold->lock.take_events()) hear(hold, event);
        at = hold->over || hold->failure ? holds_.erase(at) : std::next(at);
    }
    if (transition_ && transition_->stage() == agree::Transition::Stage::done) changed_.notify_all();
    return !results.empty();
}

void Agreement::hear(const std::shared_ptr<LockHold>& hold, const agree::LockEvent& event) {
    if (const auto* acquired = std::get_if<agree::LockAcquired>(&event)) {
        hold->token = acquired->token;
    } else if (const auto* failed = std::get_if<agree::LockFailed>(&event)) {
        hold->failure = failed->why;
    } else if (std::holds_alternative<agree::LockLost>(event)) {
        hold->over = true;
        lost_.push_back(hold);
    }
    hold->changed.notify_all();
}

/// Requests and answers, to the voter here or to the links.
bool Agreement::carry() {
    auto sends = proposer_ ? proposer_->take_sends() : std::vector<agree::ProposerSend>();
    if (transition_) {
        for (auto& one : transition_->take_sends()) sends.push_back(std::move(one));
    }
    for (const auto& [to, request] : sends) {
        if (to == self_) {
            (void)voter_.ask(self_, request);
        } else {
            send(to, request);
        }
    }
    const auto answers = voter_.take_answers();
    for (const auto& [to, reply] : answers) {
        if (to == self_) {
            take(self_, reply);
        } else {
            send(to, reply);
        }
    }
    return !sends.empty() || !answers.empty();
}

/// What the proposer and the voter know of who decides is the same, and whoever is linked hears of it.
bool Agreement::share_records() {
    const auto known = voter_.standpoint().record;
    const auto epoch = std::max(known ? known->epoch : 0, proposer_ ? proposer_->record().epoch : 0);
    if (epoch <= shared_epoch_) return false;  // a voter that fell silent takes no record, however often it is told
    shared_epoch_ = epoch;
    if (known && !proposer_) {
        proposer_ = std::make_unique<agree::Proposer>(proposing_, *known, agree::ProposerLimits{}, hooks_.random);
    } else if (known && proposer_->record().epoch < known->epoch) {
        proposer_->adopt(*known, boot_us());
    } else if (!known || known->epoch < proposer_->record().epoch) {
        voter_.install(proposer_->record());
    }
    for (const auto& [peer, member] : members_) {
        if (member.life) send(peer, Request{++last_question_, *member.life, 0, 0, agree::Install{proposer_->record()}});
    }
    changed_.notify_all();
    return true;
}

/// What the watcher thread has no room for is told with the next tick.
void Agreement::tell_losses() {
    std::erase_if(lost_, [&](const auto& hold) { return hooks_.tell([teller = hold->teller] { teller->tell(); }); });
}

// -- the disk

std::vector<store::Item> Agreement::take_writes() {
    const std::lock_guard lock(mutex_);
    return voter_.take_writes();
}

void Agreement::written() {
    const std::lock_guard lock(mutex_);
    voter_.written();
    settle(true);
}

void Agreement::disk_failed() {
    const std::lock_guard lock(mutex_);
    voter_.disk_failed();
}

void Agreement::check() const {
    const std::lock_guard lock(mutex_);
    voter_.check();
    if (proposer_) proposer_->check();
    if (transition_) transition_->check();
    for (const auto& [key, hold] : holds_) hold->lock.check();
    std::size_t bytes = 0;
    std::map<crdt::NodeKey, std::size_t> of;
    for (const auto& [to, message] : unsent_) {
        bytes += message.size();
        of[to] += message.size();
    }
    for (const auto& [to, sent] : unsent_of_) {
        STARLING_ASSERT(sent == of[to] && sent <= unsent_of_one_bytes_max, "what is to be sent to one is bounded");
    }
    STARLING_ASSERT(bytes == unsent_bytes_ && bytes <= unsent_bytes_max, "what is to be sent is counted and bounded");
}

}  // namespace starling::detail
