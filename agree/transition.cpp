#include "agree/transition.hpp"

#include "crdt/mutant.hpp"

namespace starling::agree {

using namespace crdt;

Transition::Transition(Proposer& proposer, std::vector<Voter> target, const TransitionLimits& limits,
                       std::uint64_t now_us)
    : proposer_(proposer), target_(std::move(target)), limits_(limits), now_us_(now_us) {
    STARLING_ASSERT(valid_voters(target_), "voters are an odd number of nodes in order");
    agree();
}

OperationId Transition::submit(Operation operation) {
    operation.deadline_us = now_us_ + limits_.step_us;
    auto id = proposer_.submit(std::move(operation), now_us_);
    if (id) return *id;
    due_us_ = std::min(due_us_, now_us_ + limits_.retry_us);  // too many operations wait: later
    return {};
}

/// What was listed or rewritten in another epoch says nothing about this one.
void Transition::start_over() {
    lists_.clear();
    keys_.clear();
    rewriting_.clear();
}

/// Step 1: the register says what is so, or, where no change is under way, that one begins.
void Transition::agree() {
    stage_ = Stage::agreeing;
    due_us_ = UINT64_MAX;
    start_over();
    // The proposer holds the change, perhaps for longer than the transition lives: nothing of the latter is in it.
    auto begin = [proposer = &proposer_, target = target_](const std::optional<Bytes>& value) {
        // While nobody wrote the register, there was no change, and the proposer's record is the first.
        const auto found = value ? decode_voters(*value) : std::optional(proposer->record());
        if (!found || found->joint() || found->voters == target) return keep();
        if (mutant(Mutant::voters_change_at_once)) return write(encode(VoterRecord{found->epoch + 1, target, {}}));
        return write(encode(VoterRecord{found->epoch + 1, found->voters, target}));
    };
    step_ = submit({.key = voters_key, .change = begin});
}

void Transition::finished(const OperationResult& result, std::uint64_t now_us) {
    now_us_ = now_us;
    if (step_ == result.id) {
        step_.reset();
        const auto record = result.value ? decode_voters(*result.value) : std::nullopt;
        if (result.outcome != Outcome::done) return agree();
        return go_on(record ? *record : proposer_.record());
    }
    const auto at = rewriting_.find(result.id);
    if (at == rewriting_.end()) return;
    if (result.outcome == Outcome::done) {
        ++rewritten_;
    } else {
        keys_.insert(at->second);
    }
    rewriting_.erase(at);
    rewrite();
}

/// `record` was decided on.
void Transition::go_on(const VoterRecord& record) {
    proposer_.adopt(record, now_us_);
    const auto& present = proposer_.record();
    if (present.joint()) return list();
    if (present.voters != target_) return agree();
    stage_ = Stage::done;
    due_us_ = UINT64_MAX;
}

// -- steps 2 and 3

void Transition::list() {
    stage_ = Stage::listing;
    epoch_ = proposer_.record().epoch;
    if (!mutant(Mutant::lists_outlive_epochs)) start_over();
    if (mutant(Mutant::keys_are_not_rewritten)) return close();
    for (const auto& voter : proposer_.record().voters) ask(voter, lists_[voter]);
    due_us_ = now_us_ + limits_.retry_us;
}

void Transition::ask(const Voter& voter, List& list) {
    auto request = proposer_.request_to(voter, ListKeys{list.after});
    list.request = request.id;
    sends_.push_back({voter.node, std::move(request)});
}

void Transition::received(const NodeKey& from, const Reply& reply, std::uint64_t now_us) {
    now_us_ = now_us;
    if (stage_ != Stage::listing || !proposer_.believed(from, reply)) return;
    const auto at = lists_.find({from, reply.voter});
    if (at == lists_.end() || at->second.request != reply.id || at->second.complete) return;
    auto& [voter, list] = *at;
    if (const auto* refused = std::get_if<Refused>(&reply.body)) {
        if (refused->why == Refusal::old_epoch) return go_on(*refused->record);
        if (refused->why != Refusal::new_epoch) return;
        sends_.push_back({voter.node, proposer_.request_to(voter, Install{proposer_.record()})});
        return ask(voter, list);
    }
    const auto* page = std::get_if<Keys>(&reply.body);
    if (page == nullptr || proposer_.record().epoch != epoch_) return;
    keys_.insert(page->keys.begin(), page->keys.end());
    list.complete = !page->more;
    if (page->more) {
        list.after = page->keys.back();
        return ask(voter, list);
    }
    std::size_t complete = 0;
    for (const auto& [of, other] : lists_) complete += other.complete ? 1 : 0;
    if (complete * 2 <= lists_.size()) return;
    keys_.erase(voters_key);  // the last step rewrites it
    stage_ = Stage::rewriting;
    rewrite();
}

void Transition::rewrite() {
    due_us_ = UINT64_MAX;
    while (!keys_.empty() && rewriting_.size() < limits_.rewrites_max) {
        const auto id = submit({.key = *keys_.begin(), .rewrites = true});
        if (id == OperationId{}) return;
        rewriting_.emplace(id, *keys_.begin());
        keys_.erase(keys_.begin());
    }
    if (keys_.empty() && rewriting_.empty()) close();
}

// -- step 4

void Transition::close() {
    stage_ = Stage::closing;
    due_us_ = UINT64_MAX;
    auto end = [epoch = epoch_](const std::optional<Bytes>& value) {
        const auto found = value ? decode_voters(*value) : std::nullopt;
        if (!found || found->epoch != epoch || !found->joint()) return keep();
        return write(encode(VoterRecord{epoch + 1, found->incoming, {}}));
    };
    step_ = submit({.key = voters_key, .change = end});
}

void Transition::tick(std::uint64_t now_us) {
    now_us_ = now_us;
    if (now_us < due_us_) return;
    due_us_ = UINT64_MAX;
    if (stage_ == Stage::rewriting) return rewrite();
    if (stage_ != Stage::listing) return agree();
    if (proposer_.record().epoch != epoch_) return agree();  // somebody else went on
    for (auto& [voter, list] : lists_) {
        if (!list.complete) ask(voter, list);
    }
    due_us_ = now_us_ + limits_.retry_us;
}

void Transition::check() const {
    STARLING_ASSERT(stage_ != Stage::done || (rewriting_.empty() && !step_), "nothing is left to do in the end");
    STARLING_ASSERT(rewriting_.size() <= limits_.rewrites_max, "rewrites are bounded");
    STARLING_ASSERT(stage_ == Stage::done || step_ || due_us_ != UINT64_MAX || !rewriting_.empty(),
                    "something goes on");
}

}  // namespace starling::agree
