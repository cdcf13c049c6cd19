// What the engine does with seals (seal.hpp): own changesets are signed before they leave, others' are checked before
// anything else is done with them, and go on with what proves them.
//
// A run is checked by itself, whatever is here already. So who hands on what does not verify is to blame for it, since
// nobody honest would have; and what verifies but does not continue the chain that is here tells on its origin.
#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"
#include "gossip/engine.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t seal_failures_max = 8;  // runs that do not verify, on one link, until it is hung up
constexpr std::size_t forks_max = 256;        // that are kept
constexpr std::size_t run_bytes = 160;        // what a run adds to a frame besides its changesets, roughly
constexpr std::size_t tops_max = 4'096;       // seals of origins that a state diff raised, until they speak

}  // namespace

// -- own
// -----------------------------------------------------------------------------------------------------------------

/// The place of a changeset that was cut just now. Stretches end where they must, whatever else is to come.
Proof Engine::chain_own(const Changeset& changeset) {
    if (own_.origin != changeset.origin) {
        sign_own();
        own_ = {changeset.origin, {}, {}, {}};
    }
    StretchSize size;
    size.add(changeset);
    if (own_.unsealed && !own_.size.with(size).within(seal_stretch_bytes, seal_stretch_names)) sign_own();
    const auto before = own_.head;
    own_.head = sealing_->next(before, changeset);
    if (!own_.unsealed) {
        own_.unsealed = Seal{changeset.origin, changeset.first, 0, before, {}, {}};
        own_.size = {};
    }
    own_.unsealed->last = changeset.last();
    own_.unsealed->after = own_.head;
    own_.size = own_.size.with(size);
    return {before, own_.head, nullptr};
}

/// One signature for all that was cut since the last.
void Engine::sign_own() {
    if (!own_.unsealed) return;
    sealing_->sign(*own_.unsealed);
    const auto seal = std::make_shared<const Seal>(*std::exchange(own_.unsealed, {}));
    log_.sealed(seal);
    effects_.seals.push_back(seal);
}

std::vector<SealPtr> Engine::seal_own() {
    if (sealing_) sign_own();
    return std::exchange(effects_.seals, {});
}

/// In memory mode, what was cut while an input was handled leaves at its end, together.
void Engine::release_own() {
    if (!sealing_ || durable_ != UINT64_MAX || unpushed_.empty()) return;
    if (limits_.push_window_us == 0) sign_own();
    std::vector<ChangesetPtr> together;
    for (auto& own : std::exchange(unpushed_, {})) together.push_back(std::move(own.changeset));
    push(together, std::nullopt);
}

/// An own changeset is asked for, or is about to go.
void Engine::sign_what_leaves() {
    if (sealing_ && durable_ == UINT64_MAX) sign_own();
}

/// What the store held of each origin's chain. What it does not lead up to is left out: a state diff serves then.
void Engine::recall(std::vector<Recalled> log) {
    std::vector<std::optional<Proof>> proofs(log.size());
    std::map<ReplicaId, std::vector<std::size_t>> rows;
    for (std::size_t i = 0; i < log.size(); ++i) rows[log[i].changeset->origin].push_back(i);
    for (const auto& [origin, places] : rows) {
        if (sealing_) recall_chain(log, places, proofs);
    }
    for (std::size_t i = 0; i < log.size(); ++i) {
        if (!sealing_) {
            log_.append(std::move(log[i].changeset), log[i].at_us);
        } else if (proofs[i]) {
            log_.append(std::move(log[i].changeset), log[i].at_us, std::move(*proofs[i]));
        }
    }
}

void Engine::recall_chain(const std::vector<Recalled>& log, const std::vector<std::size_t>& places,
                          std::vector<std::optional<Proof>>& proofs) const {
    const auto count = places.size();
    const auto row = [&](std::size_t i) -> const Changeset& { return *log[places[i]].changeset; };
    std::vector<SealPtr> seals(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto seal = decode_seal(log[places[i]].seal);
        if (seal && seal->replica == row(i).origin && seal->last == row(i).last())
            seals[i] = std::make_shared<const Seal>(*seal);
    }
    // The first place where the head is known: the beginning of what the first seal is of, or its end.
    std::size_t begin = 0;
    ChainHead head{};
    if (row(0).first != 1) {
        const auto first = std::find_if(seals.begin(), seals.end(), [](const SealPtr& seal) { return seal; });
        if (first == seals.end()) return;
        const auto end = std::size_t(first - seals.begin());
        while (begin <= end && row(begin).first != (*first)->first) ++begin;
        head = begin <= end ? (*first)->before : (*first)->after;
    }
    for (auto i = begin; i < count; ++i) {
        auto after = sealing_->next(head, row(i));
        proofs[places[i]] = Proof{head, after, nullptr};
        if (seals[i] && seals[i]->after != after) {  // not what was signed: nothing up to here can be proven
            for (; begin <= i; ++begin) proofs[places[begin]].reset();
            after = seals[i]->after;
        }
        head = after;
    }
    SealPtr by;
    for (auto i = count; i-- > begin;) {
        if (seals[i]) by = seals[i];
        proofs[places[i]]->by = by;
    }
}

void Engine::recall_seals(std::span<const Seal> tops, std::span<const Fork> forks) {
    for (const auto& fork : forks) {
        if (sealing_ && forks_.size() < forks_max && fork.here.replica == fork.there.replica)
            forks_.emplace(fork.here.replica, fork);
    }
    for (const auto& seal : tops) {
        if (sealing_ && tops_.size() < tops_max && log_.top(seal.replica) == nullptr &&
            seal.last == replica_.state().seen(seal.replica))
            tops_.emplace(seal.replica, std::make_shared<const Seal>(seal));
    }
}

// -- others'
// -------------------------------------------------------------------------------------------------------------

/// Keeps what is proven, and what is here already, and drops the rest. Returns the proofs of what is left.
std::vector<Proof> Engine::keep_proven(const NodeKey& peer, Link& link, Changesets& message) {
    std::map<ReplicaId, std::vector<std::size_t>> places;
    auto& changesets = message.changesets;
    for (std::size_t i = 0; i < changesets.size(); ++i) places[changesets[i].origin].push_back(i);
    std::vector<std::optional<Proof>> found(changesets.size());
    for (const auto& run : message.runs) {
        const auto of_run = places.extract(run.origin);
        if (!of_run || link.seal_failures > seal_failures_max) continue;
        std::vector<const Changeset*> its;
        for (const auto at : of_run.mapped()) its.push_back(&changesets[at]);
        const auto proofs = check_run(peer, link, run, its);
        for (std::size_t i = 0; i < proofs.size(); ++i) found[of_run.mapped()[i]] = proofs[i];
    }
    for (const auto& [origin, unsealed] : places) counters_.unsealed += unsealed.size();
    std::vector<Proof> kept;
    std::size_t count = 0;
    for (std::size_t i = 0; i < changesets.size(); ++i) {
        if (!found[i] && !mutant(Mutant::unsealed_pass)) continue;
        kept.push_back(found[i].value_or(Proof{}));
        if (count != i) changesets[count] = std::move(changesets[i]);
        ++count;
    }
    changesets.resize(count);
    return kept;
}

/// Of a run; nothing where it is not to be looked at further. What is here already is hashed, and not verified.
std::vector<Proof> Engine::check_run(const NodeKey& peer, Link& link, const SealedRun& run,
                                     std::span<const Changeset* const> changesets) {
    const auto failed = [&] {
        ++counters_.seals_failed;
        report("changesets of " + short_name(run.origin) + " from " + short_name(peer) +
               " were not what their origin signed");
        if (++link.seal_failures == seal_failures_max)
            effects_.disconnect.push_back({peer, true, "what it hands on was not signed by its origin"});
        return std::vector<Proof>{};
    };
    for (std::size_t i = 1; i < changesets.size(); ++i) {
        if (changesets[i - 1]->last() + 1 != changesets[i]->first) return failed();
    }
    auto proofs = sealing_->chain(run.before, changesets);
    const auto seen = replica_.state().seen(run.origin);
    bool is_new = false;
    std::optional<std::size_t> differs;  // from what is here
    for (std::size_t i = 0; i < changesets.size(); ++i) {
        const auto& changeset = *changesets[i];
        const auto* here = proof_here(changeset);
        is_new = is_new || (changeset.last() > seen && here == nullptr);
        if (here != nullptr && !differs && here->after != proofs[i].after) differs = i;
    }
    if (!is_new && !differs) return proofs;
    if (!sealing_->prove(run, changesets, proofs)) return failed();
    if (!differs) return proofs;
    forked(run.origin, proof_here(*changesets[*differs])->by, proofs[*differs].by);
    return {};
}

/// Of the changeset that stands or waits here in this one's place.
const Proof* Engine::proof_here(const Changeset& changeset) const {
    if (const auto* record = log_.at(changeset.origin, changeset.last())) return &record->proof;
    return waiting_.proof(changeset.origin, changeset.first);
}

/// Where the chain of an origin has come to here, if that is known: it is not of origins that were silent for as long
/// as the log reaches back, or that a state diff raised without a seal. Then the origin's signature is believed.
std::optional<ChainHead> Engine::head_here(const ReplicaId& origin) const {
    const auto seen = replica_.state().seen(origin);
    if (seen == 0) return ChainHead{};
    if (const auto* record = log_.top(origin)) return record->proof.after;
    const auto top = tops_.find(origin);
    return top != tops_.end() && top->second->last == seen ? std::optional(top->second->after) : std::nullopt;
}

SealPtr Engine::seal_here(const ReplicaId& origin) const {
    if (const auto* record = log_.top(origin)) return record->proof.by;
    const auto top = tops_.find(origin);
    return top == tops_.end() ? nullptr : top->second;
}

/// May it be applied next? Only where it goes on from what is here.
bool Engine::continues_here(const WaitingChangeset& waiting) {
    if (!sealing_) return true;
    const auto& changeset = *waiting.changeset;
    if (forks_.contains(changeset.origin)) {
        ++counters_.refused;
        return false;
    }
    if (changeset.first != replica_.state().seen(changeset.origin) + 1) return true;  // not next
    const auto head = head_here(changeset.origin);
    if (!head || *head == waiting.proof.before || mutant(Mutant::heads_are_not_compared)) return true;
    forked(changeset.origin, seal_here(changeset.origin), waiting.proof.by);
    return false;
}

/// An origin signed two histories. Nothing more of it is applied.
void Engine::forked(const ReplicaId& origin, const SealPtr& here, const SealPtr& there) {
    ++counters_.forks;
    report(short_name(origin) + " signed two histories: nothing more of it is applied");
    if (!here || !there || forks_.size() >= forks_max) return;
    if (const auto [at, is_new] = forks_.try_emplace(origin, Fork{*here, *there}); is_new)
        effects_.forks.push_back(at->second);
}

/// It goes on from here when all that its seal is of was applied.
void Engine::pass_on(const WaitingChangeset& waiting) {
    if (!waiting.proof.sealed(*waiting.changeset)) return;
    push(log_.since_seal(waiting.changeset->origin), waiting.passed_by);
}

// -- sending
// -------------------------------------------------------------------------------------------------------------

/// Changesets with what proves them; each piece ends with a seal, and those of one origin follow each other.
void Engine::send_proven(const NodeKey& peer, Changesets message, std::span<const std::vector<Log::Record>> pieces) {
    std::map<ReplicaId, std::vector<Log::Record>> runs;
    std::vector<Log::Record> all;
    for (const auto& piece : pieces) {
        auto& run = runs[piece.front().changeset->origin];
        run.insert(run.end(), piece.begin(), piece.end());
        all.insert(all.end(), piece.begin(), piece.end());
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
    for (const auto& record : all) message.shared.push_back(record.changeset);
    for (const auto& [origin, records] : runs) message.runs.push_back(Log::run_of(records));
    send(peer, message);
}

/// As `push_gathered`, by pieces that end with a seal: a frame holds whole ones.
void Engine::push_sealed(const NodeKey& peer, Link& link) {
    std::vector<std::vector<Log::Record>> pieces;
    std::map<ReplicaId, std::vector<Log::Record>> open;
    for (const auto& changeset : std::exchange(link.gathered, {})) {
        const auto origin = number(changeset->origin);
        if (link.known.seen(origins_, origin) >= changeset->last() || !pushes(link, origin)) continue;
        const auto* record = log_.at(changeset->origin, changeset->last());
        if (record == nullptr || record->changeset != changeset) continue;  // the log let go of it meanwhile
        auto& piece = open[changeset->origin];
        if (!piece.empty() && piece.back().changeset->last() + 1 != changeset->first) piece.clear();
        piece.push_back(*record);
        if (!record->proof.sealed(*changeset)) continue;
        StretchSize size;
        for (const auto& part : piece) size.add(*part.changeset);
        if (size.within(seal_stretch_bytes_max, seal_stretch_names_max)) pieces.push_back(std::move(piece));
        piece.clear();
    }
    std::size_t begin = 0, frame_bytes = 0;
    std::map<ReplicaId, Seq> tops;  // of the frame
    std::optional<NewNames> names(std::in_place, link.refs_out);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        const auto& first = *pieces[i].front().changeset;
        const auto [top, is_first] = tops.try_emplace(first.origin, first.first - 1);
        StretchSize size{is_first ? run_bytes : 0, 0, 0};
        for (const auto& record : pieces[i]) size.add(*record.changeset);
        link.demoted = link.demoted || link.unacked_bytes + size.bytes > limits_.unacked_bytes_max;
        const bool full = i > begin && (!names->room_for(size.names) || top->second + 1 != first.first ||
                                        frame_bytes + size.bytes > limits_.frame_changesets_bytes_max);
        if (link.demoted || full) {
            if (i > begin) send_proven(peer, {}, std::span(pieces).subspan(begin, i - begin));
            begin = i;
            frame_bytes = 0;
            tops = {{first.origin, first.first - 1}};
            names.emplace(link.refs_out);
        }
        if (link.demoted) return;
        for (const auto& record : pieces[i]) {
            const auto bytes = wire_bytes(*record.changeset);
            names->add(*record.changeset);
            link.unacked.push_back({number(first.origin), record.changeset->last(), bytes});
            link.unacked_bytes += bytes;
            ++counters_.changesets_sent;
            counters_.changeset_bytes_sent += bytes;
        }
        frame_bytes += size.bytes;
        tops[first.origin] = pieces[i].back().changeset->last();
    }
    if (begin < pieces.size()) send_proven(peer, {}, std::span(pieces).subspan(begin));
}

/// What a pull is answered with, as much as fits a frame. The piece with what was applied first comes first: that has
/// no causes among the others, so that each answer brings something forward.
void Engine::answer_proven(const NodeKey& peer, Link& link, Changesets answer,
                           std::vector<std::vector<Log::Record>> pieces) {
    std::sort(pieces.begin(), pieces.end(),
              [](const auto& a, const auto& b) { return a.front().place < b.front().place; });
    NewNames names(link.refs_out);
    std::set<ReplicaId> origins;
    std::size_t bytes = 0, count = 0;  // of the frame, of pieces
    for (const auto& piece : pieces) {
        const bool is_first = origins.insert(piece.front().changeset->origin).second;
        StretchSize size{is_first ? run_bytes : 0, 0, 0};
        for (const auto& record : piece) size.add(*record.changeset);
        if (count > 0 && (!names.room_for(size.names) || bytes + size.bytes > limits_.frame_changesets_bytes_max))
            break;
        for (const auto& record : piece) names.add(*record.changeset);
        bytes += size.bytes;
        counters_.changesets_sent += piece.size();
        counters_.changeset_bytes_sent += size.bytes;
        ++count;
    }
    send_proven(peer, std::move(answer), std::span(pieces).first(count));
}

// -- the state diff
// ------------------------------------------------------------------------------------------------------

std::vector<Seal> Engine::seals_of(const Difference& half) {
    std::vector<Seal> seals;
    if (!sealing_) return seals;
    for (const auto& [id, top] : half.tops) {
        if (seals.size() == diff_seals_max) break;
        if (top.seen <= seen(half.base, id) || top.seen != replica_.state().seen(id)) continue;
        if (const auto seal = seal_here(id); seal && seal->last == top.seen) seals.push_back(*seal);
    }
    return seals;
}

/// Those of tops that rise here, verified. One that does not verify is a lie of the peer's.
Result<std::vector<Seal>> Engine::verified_tops(const Difference& difference, std::vector<Seal> seals) {
    if (!sealing_) return std::vector<Seal>{};
    std::erase_if(seals, [&](const Seal& seal) {
        const auto top = difference.tops.find(seal.replica);
        return top == difference.tops.end() || top->second.seen != seal.last ||
               seal.last <= replica_.state().seen(seal.replica);
    });
    const auto verified = [&](const Seal& seal) { return sealing_->verify(seal); };
    if (std::all_of(seals.begin(), seals.end(), verified)) return seals;
    ++counters_.seals_failed;
    return Fault{FaultCode::refused, "a seal of a state diff is not its origin's"};
}

/// After the diff was applied.
void Engine::keep_tops(std::span<const Seal> seals) {
    for (const auto& seal : seals) {
        if (seal.last != replica_.state().seen(seal.replica) || log_.top(seal.replica) != nullptr) continue;
        if (tops_.size() >= tops_max) forget_top(tops_.begin()->first);
        tops_[seal.replica] = std::make_shared<const Seal>(seal);
        effects_.seals.push_back(tops_[seal.replica]);
    }
}

void Engine::forget_top(const ReplicaId& origin) {
    if (tops_.erase(origin) > 0) effects_.tops_gone.push_back(origin);
}

void Engine::check_seals() const {
    STARLING_ASSERT(tops_.size() <= tops_max && forks_.size() <= forks_max, "what is kept of seals is bounded");
    for (const auto& [id, seal] : tops_)
        STARLING_ASSERT(seal->replica == id && log_.top(id) == nullptr, "what the log holds has its seals there");
    if (sealing_ && own_.unsealed)
        STARLING_ASSERT(own_.unsealed->after == own_.head && own_.unsealed->replica == own_.origin,
                        "what is to be signed is all that was cut");
}

}  // namespace starling::gossip
