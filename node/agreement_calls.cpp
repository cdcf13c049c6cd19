// What is decided on real nodes, as applications' threads ask for it and wait.
#include <algorithm>

#include <starling/error.hpp>

#include "agree/register.hpp"
#include "crdt/assert.hpp"
#include "node/agreement.hpp"
#include "node/core.hpp"

namespace starling::detail {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t wait_us_max = 3'600'000'000;  // at a time
constexpr std::uint64_t late_us_max = 1'000'000;      // past its deadline, an operation is over whatever it says
constexpr std::uint64_t answer_us_max = 2'000'000;    // for whoever is linked to say which voters it knows
constexpr std::chrono::milliseconds overdue_ms{1};

// A function of `change` runs on this thread.
thread_local bool changing = false;

std::uint64_t deadline_after(milliseconds within) {
    const auto bounded = std::clamp(within, milliseconds(0), milliseconds(wait_max));
    return boot_us() + std::uint64_t(microseconds(bounded).count());
}

/// The application's function, for as long as its caller waits.
struct Changing {
    const AgreedChange* change = nullptr;
    std::exception_ptr error;  ///< out of the last run

    agree::Change run(const std::optional<crdt::Bytes>& found) {
        if (change == nullptr) return agree::keep();
        error = nullptr;
        changing = true;
        try {
            auto next = (*change)(found);
            changing = false;
            return next == found ? agree::keep() : agree::write(std::move(next));
        } catch (...) {
            changing = false;
            error = std::current_exception();
            return agree::keep();
        }
    }
};

AgreedResult done(agree::OperationResult& result) {
    return {std::move(result.value), result.revision, result.changed, result.recovered};
}

}  // namespace

bool inside_change() {
    return changing;
}

void require_not_changing() {
    if (changing) throw Error(Errc::would_deadlock, "inside the function of a change");
}

void Agreement::require_open() const {
    if (closing_) throw Error(Errc::closed);
}

/// A call past its deadline does not wait for the network thread to say so.
void Agreement::wait_until(Guard& lock, std::condition_variable& changed, std::uint64_t deadline_us,
                           const std::function<bool()>& met) {
    while (!closing_ && !met()) {
        const auto now = boot_us();
        if (now >= deadline_us) {
            advance(now);
            settle(true);
            if (met() || now >= deadline_us + late_us_max) return;
            changed.wait_for(lock, overdue_ms);
        } else {
            changed.wait_for(lock, microseconds(std::min(deadline_us - now, wait_us_max)));
        }
    }
}

/// Returns without one where `stop` is requested.
void Agreement::await_record(Guard& lock, std::uint64_t deadline_us, const std::stop_token& stop) {
    require_open();
    if (proposer_) return;
    ++need_record_;
    ask_again_us_ = boot_us();
    hooks_.to_network();
    wait_until(lock, changed_, deadline_us,
               [&] { return proposer_ || stop.stop_requested() || boot_us() >= deadline_us; });
    --need_record_;
    require_open();
    if (!proposer_ && !stop.stop_requested()) throw Error(Errc::no_majority, "no voters are known here");
}

AgreedResult Agreement::run(const crdt::Bytes& key, const AgreedChange& change, milliseconds within, ChangeId* id) {
    require_not_changing();
    if (id != nullptr && std::max(id->number, id->since) > agree::count_max)
        throw Error(Errc::invalid_argument, "no change has this id");  // and no voter could read a register with it
    const auto deadline_us = deadline_after(within);
    Guard lock(mutex_);
    await_record(lock, deadline_us);
    auto function = std::make_shared<Changing>();
    agree::Operation operation{.key = key, .deadline_us = deadline_us};
    if (change) {
        function->change = &change;
        operation.change = [function](const auto& found) { return function->run(found); };
    }
    if (id != nullptr && !id->empty()) operation.retry = agree::Retry{{id->life, id->number}, id->since};
    const auto submitted = proposer_->submit(std::move(operation), boot_us());
    if (!submitted) {
        const bool large = submitted.fault().code == crdt::FaultCode::too_large;
        throw Error(large ? Errc::too_large : Errc::no_majority, submitted.fault().what);
    }
    Call call;
    const auto at = calls_.emplace(*submitted, &call);
    struct Over {
        Agreement& agreement;
        decltype(calls_)::iterator at;
        Changing& function;
        ~Over() {
            function.change = nullptr;  // the caller's own, which it takes with it
            agreement.calls_.erase(at);
        }
    } const over{*this, at, *function};
    settle(true);
    wait_until(lock, call.done, deadline_us, [&] { return call.result.has_value(); });
    if (!call.result && change && id != nullptr) {  // it may take effect yet, also where the node closes
        if (id->empty()) *id = {submitted->life, submitted->number, 0};
        throw Error(Errc::outcome_unknown);
    }
    if (!call.result) throw Error(closing_ ? Errc::closed : Errc::outcome_unknown);
    auto& result = *call.result;
    switch (result.outcome) {
        case agree::Outcome::done:
            if (function->error && !result.recovered) std::rethrow_exception(function->error);
            return done(result);
        case agree::Outcome::no_majority:
            throw Error(Errc::no_majority);
        case agree::Outcome::outcome_unknown:
            if (id != nullptr && result.retry)
                *id = {result.retry->id.life, result.retry->id.number, result.retry->since};
            throw Error(Errc::outcome_unknown);
        case agree::Outcome::refused:
            break;
    }
    throw Error(Errc::too_large, "a register holds at most 64 KiB");
}

// -- locks

std::shared_ptr<LockHold> Agreement::acquire(const crdt::Bytes& key, agree::LockWish wish, milliseconds within,
                                             const LockOptions& options) {
    require_not_changing();
    const auto deadline_us = wish.deadline_us = deadline_after(within);
    std::shared_ptr<LockHold> hold;
    // Before the lock is taken, and ended after it is given back: it takes the lock itself.
    const std::stop_callback stopped(options.stop, [this] {
        const std::lock_guard lock(mutex_);
        for (const auto& [of, one] : holds_) one->changed.notify_all();
        changed_.notify_all();
    });
    Guard lock(mutex_);
    await_record(lock, deadline_us, options.stop);
    if (!proposer_) return nullptr;
    hold = std::make_shared<LockHold>(*proposer_, key, proposing_, hooks_.random, options.lost);
    holds_.emplace(key, hold);
    hold->lock.acquire(std::move(wish), {boot_us(), 0});
    settle(true);
    wait_until(lock, hold->changed, deadline_us,
               [&] { return hold->token > 0 || hold->failure || options.stop.stop_requested(); });
    if (hold->token > 0 && !closing_) return hold;
    if (!hold->failure) end(hold);
    require_open();
    if (options.stop.stop_requested()) return nullptr;
    const auto why = hold->failure.value_or(agree::LockFailure::no_majority);
    if (why == agree::LockFailure::no_majority) throw Error(Errc::no_majority);
    if (why == agree::LockFailure::refused)
        throw Error(Errc::invalid_argument, "what is under the lock's name is no lock, or too much waits");
    return nullptr;
}

/// Gives a turn up, or the wish for one.
void Agreement::end(const std::shared_ptr<LockHold>& hold) {
    if (!std::exchange(hold->over, true)) hold->lock.release({boot_us(), 0});
    std::erase_if(holds_, [&](const auto& one) { return one.second == hold; });
    std::erase(lost_, hold);
    settle(true);
}

bool Agreement::holds(const LockHold& hold) const {
    require_not_changing();
    const std::lock_guard lock(mutex_);
    return !hold.over && hold.lock.holds({boot_us(), 0});
}

void Agreement::release(const std::shared_ptr<LockHold>& hold) noexcept {
    STARLING_ASSERT(!changing, "no lock is given up inside the function of a change");
    hold->teller->forget(!inside_transaction());
    const std::lock_guard lock(mutex_);
    end(hold);
}

// -- voters

Voters Agreement::voters() const {
    require_not_changing();
    const std::lock_guard lock(mutex_);
    Voters voters;
    voters.may_vote = voter_.standpoint().life != 0;
    if (!proposer_) return voters;
    const auto& record = proposer_->record();
    voters.epoch = record.epoch;
    voters.votes = voters.may_vote && record.names(voter_.name());
    const auto in = [](const auto& list, const crdt::NodeKey& node) {
        return std::any_of(list.begin(), list.end(), [&](const auto& voter) { return voter.node == node; });
    };
    for (const auto& voter : record.everyone()) {
        if (!voters.list.empty() && voters.list.back().node.bytes == voter.node) continue;  // it gets another life
        Voters::Voter one{{voter.node}};
        one.linked = voter.node == self_ || members_.contains(voter.node);
        one.incoming = record.joint() && !in(record.voters, voter.node);
        one.leaving = record.joint() && !in(record.incoming, voter.node);
        voters.list.push_back(one);
    }
    return voters;
}

/// With the lives of their roles, as they said themselves, or as the record has those that are not linked.
std::vector<agree::Voter> Agreement::named(const std::vector<crdt::NodeKey>& nodes) const {
    std::vector<agree::Voter> voters;
    for (const auto& node : nodes) {
        std::optional<crdt::Life> life;
        if (node == self_) life = voter_.standpoint().life;
        if (const auto member = members_.find(node); member != members_.end()) {
            life = member->second.life;
            // The record may have the life of a role that it lost.
            if (!life) throw Error(Errc::no_majority, crdt::short_name(node) + " does not answer: try again");
        }
        for (const auto& voter : proposer_ ? proposer_->record().voters : std::vector<agree::Voter>()) {
            if (!life && voter.node == node) life = voter.life;
        }
        if (!life) throw Error(Errc::invalid_argument, crdt::short_name(node) + " is not linked with this node");
        if (*life == 0)
            throw Error(Errc::invalid_argument,
                        crdt::short_name(node) + " keeps its data in memory and does not vote there");
        voters.push_back({node, *life});
    }
    std::sort(voters.begin(), voters.end());
    if (!agree::valid_voters(voters)) throw Error(Errc::invalid_argument, "voters are 1, 3, 5 or 7 different nodes");
    return voters;
}

/// Asks all that are linked who they are; false where one of them did not say so in time.
bool Agreement::all_known(Guard& lock, std::uint64_t deadline_us) {
    for (const auto& [peer, member] : members_) {
        if (!member.life) identify(peer);
    }
    settle(true);
    const auto known = [&] {
        return std::all_of(members_.begin(), members_.end(),
                           [](const auto& one) { return one.second.life.has_value(); });
    };
    const auto until_us = std::min(deadline_us, boot_us() + answer_us_max);
    wait_until(lock, changed_, until_us, [&] { return known() || boot_us() >= until_us; });
    require_open();
    return known();
}

/// The first record of a mesh, unless somebody that is linked knows of one. Not where the change of voters that follows
/// would fail: who is to vote must be linked, so nobody founds another majority before its links are up.
void Agreement::found(Guard& lock, const std::vector<crdt::NodeKey>& nodes, std::uint64_t deadline_us) {
    for (auto& [peer, member] : members_) member.life.reset();  // it may know more by now
    const bool all = all_known(lock, deadline_us);
    if (proposer_) return;
    if (!all) throw Error(Errc::no_majority, "a linked node does not say whether the mesh has voters: try again");
    if (voter_.standpoint().life == 0)
        throw Error(Errc::invalid_argument, "this node keeps its data in memory and does not vote there");
    (void)named(nodes);
    voter_.found();
    settle(true);
}

void Agreement::set_voters(const std::vector<crdt::NodeKey>& nodes, bool may_found, milliseconds within) {
    require_not_changing();
    const auto deadline_us = deadline_after(within);
    Guard lock(mutex_);
    require_open();
    if (!proposer_ && may_found) found(lock, nodes, deadline_us);
    await_record(lock, deadline_us);
    (void)all_known(lock, deadline_us);
    if (transition_) throw Error(Errc::invalid_argument, "this node is changing the voters already");
    transition_ = std::make_unique<agree::Transition>(*proposer_, named(nodes), agree::TransitionLimits{}, boot_us());
    struct Over {
        Agreement& agreement;
        ~Over() { agreement.transition_.reset(); }
    } const over{*this};
    settle(true);
    const auto ended = [&] { return transition_->stage() == agree::Transition::Stage::done; };
    wait_until(lock, changed_, deadline_us, [&] { return ended() || boot_us() >= deadline_us; });
    if (ended()) return;
    require_open();
    throw Error(Errc::no_majority, "the change of voters is not complete: ask for it again, on any admin's node");
}

// -- the end

void Agreement::leave() {
    Guard lock(mutex_);
    if (std::exchange(closing_, true)) return;
    for (const auto& [id, call] : calls_) call->done.notify_all();
    const auto holds = std::exchange(holds_, {});
    for (const auto& [key, hold] : holds) {
        hold->changed.notify_all();
        if (std::exchange(hold->over, true)) continue;
        hold->lock.release({boot_us(), 0});
    }
    changed_.notify_all();
    settle(true);
    const auto until_us = deadline_after(leave_ms_max);
    while (proposer_ && proposer_->waiting() > 0 && boot_us() < until_us) changed_.wait_for(lock, overdue_ms);
}

}  // namespace starling::detail
