#include "sim/checker.hpp"

#include <algorithm>

namespace starling::sim {

Checker::Checker(const World& world, std::uint64_t check_every, bool liars)
    : world_(world), check_every_(check_every), liars_(liars), seats_(world.nodes()) {}

void Checker::fail(Place place, const std::string& what) {
    if (!verdict_) verdict_ = "node " + std::to_string(place) + ": " + what;
}

void Checker::expect(Place place, const Verdict& verdict) {
    if (verdict) fail(place, *verdict);
}

void Checker::record(LocalTransaction transaction) {
    if (auto bad = oracle_.history.record(std::move(transaction)); bad && !verdict_) verdict_ = bad;
}

void Checker::started(Place place) {
    auto& seat = seats_[place] = {};
    if (world_.lost()) fail(place, *world_.lost());
    const auto* peer = world_.peer(place);
    if (verdict_ || peer == nullptr || peer->state().lives() == 0) return;
    seat.mirror.refresh(peer->state());
    seat.version = peer->version();
    seat.version_hash = peer->state().version_hash();
    seat.fingerprint = peer->state().fingerprint();
    expect(place, oracle_.judge(peer->state(), seat.version));
    expect(place, Workload::torn(peer->state()));
    if (world_.same_disk(place)) judge_left(place);
}

/// What left a node was on its disk before (rule 9), so nobody knows more of its lives than its disk does.
void Checker::judge_left(Place place) {
    for (Place other = 0; other < world_.nodes(); ++other) {
        const auto* there = world_.peer(other);
        if (other == place || there == nullptr) continue;
        there->state().each_life_of(world_.key(place), [&](const crdt::ReplicaId& id, crdt::Seq seen, crdt::Stamp) {
            if (seen > world_.peer(place)->state().seen(id))
                fail(place, "its disk does not hold what node " + std::to_string(other) + " holds of its life " +
                                crdt::short_name(id));
        });
    }
}

void Checker::stopped(Place place) {
    seats_[place] = {};
}

void Checker::handled(Place place, const gossip::Effects& effects) {
    if (verdict_) return;
    const auto& peer = *world_.peer(place);
    const auto& state = peer.state();
    auto& seat = seats_[place];
    if (state.version_hash() == seat.version_hash && state.fingerprint() == seat.fingerprint &&
        peer.replica().window_dots() == seat.window_dots && effects.delivered.empty())
        return;
    const auto before = std::exchange(seat.version, peer.version());
    if (!crdt::covers(seat.version, before)) fail(place, "the version went back from " + name_of(before));
    expect(place, oracle_.judge(state, seat.version));
    expect(place, Workload::torn(state));
    judge_told(place, before, effects);
    judge_against_others(place);
    seat.version_hash = state.version_hash();
    seat.fingerprint = state.fingerprint();
    seat.window_dots = peer.replica().window_dots();
    judge_counters(place);
    if (++changes_ % check_every_ == 0) world_.check();
}

// -- watchers
// ------------------------------------------------------------------------------------------------------------

void Checker::judge_told(Place place, const crdt::Version& before, const gossip::Effects& effects) {
    if (verdict_) return;
    std::set<crdt::Slot> told;
    std::set<crdt::Dot> journaled;
    for (const auto& delivered : effects.delivered) {
        for (const auto& change : delivered.changes) {
            told.insert(change.slot);
            if (change.appended) journaled.insert(*change.appended);
        }
    }
    auto& seat = seats_[place];
    const auto moved = seat.mirror.refresh(world_.peer(place)->state());
    for (const auto& slot : moved.slots) {
        if (!told.contains(slot)) fail(place, "watchers were not told of " + name_of(slot));
    }
    for (const auto& dot : moved.journaled) {
        if (!journaled.contains(dot)) fail(place, "watchers were not told of journal entry " + name_of(dot));
    }
    for (const auto& [replica, seq] : seat.version) {
        const auto from = crdt::seen(before, replica);
        for (const auto& transaction : oracle_.history.transactions(replica)) {
            if (transaction.first > from && transaction.last() <= seq) judge_whole(place, transaction, effects);
        }
    }
}

/// What a transaction left came to watchers in one piece.
void Checker::judge_whole(Place place, const LocalTransaction& transaction, const gossip::Effects& effects) {
    std::vector<crdt::Slot> slots;
    auto seq = transaction.first;
    for (const auto& operation : transaction.operations) {
        if (world_.peer(place)->state().find({transaction.origin, seq++}) != nullptr) slots.push_back(operation.slot);
    }
    const auto holds_all = [&](const gossip::Delivered& delivered) {
        if (delivered.origin && *delivered.origin != transaction.origin) return false;
        return std::all_of(slots.begin(), slots.end(), [&](const crdt::Slot& slot) {
            return std::any_of(delivered.changes.begin(), delivered.changes.end(),
                               [&](const crdt::Change& change) { return change.slot == slot; });
        });
    };
    if (!slots.empty() && std::none_of(effects.delivered.begin(), effects.delivered.end(), holds_all))
        fail(place, "watchers were told of " + name_of(crdt::Dot{transaction.origin, transaction.first}) +
                        " and what belongs to it in pieces");
}

// -- nodes
// ---------------------------------------------------------------------------------------------------------------

void Checker::judge_against_others(Place place) {
    const auto* peer = world_.peer(place);
    if (peer->replica().window_open()) return;
    for (Place other = 0; other < world_.nodes(); ++other) {
        const auto* there = world_.peer(other);
        if (other == place || there == nullptr || there->replica().window_open()) continue;
        expect(place, judge_equals(peer->state(), there->state()));
    }
}

void Checker::judge_counters(Place place) {
    const auto& counters = world_.peer(place)->counters();
    const auto lied_to = counters.malformed + counters.refused + counters.unsealed + counters.seals_failed;
    if (counters.faults + counters.forks + counters.update_needed + (liars_ ? 0 : lied_to) == 0) return;
    const auto status = world_.peer(place)->status();
    fail(place, "the engine reports: " + (status.faults.empty() ? std::string("a fault") : status.faults.back()));
}

bool Checker::converged() const {
    const auto* first = world_.peer(0);
    for (Place place = 0; place < world_.nodes(); ++place) {
        const auto* peer = world_.peer(place);
        if (peer == nullptr || peer->replica().window_open()) return false;
        if (peer->state().version_hash() != first->state().version_hash()) return false;
    }
    return true;
}

crdt::Version Checker::surviving() const {
    crdt::Version all;
    for (Place place = 0; place < world_.nodes(); ++place) {
        if (world_.peer(place) == nullptr) continue;
        for (const auto& [replica, seq] : world_.peer(place)->version()) all[replica] = std::max(all[replica], seq);
    }
    return all;
}

}  // namespace starling::sim
