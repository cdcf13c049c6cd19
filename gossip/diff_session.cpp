#include "gossip/diff_session.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"
#include "gossip/wire_diff.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t staged_runs_named_max = 16'384;  // at most some 20 bytes each

std::size_t entry_bytes(const LooseEntry& entry) {
    return sizeof(Dot) + sizeof(LooseEntry) + wire_bytes(entry);
}

std::size_t piece_bytes(const Difference& piece) {
    std::size_t bytes = sizeof(Difference) + 64 * (piece.tops.size() + piece.heads.size());
    for (const auto* dots : {&piece.inside, &piece.outside}) {
        for (const auto& [id, runs] : *dots) bytes += 64 + sizeof(DotRun) * runs.size();
    }
    return bytes;
}

/// As many as fit a message; those that are not named are sent again.
LiveDots dots_of(const std::map<Dot, LooseEntry>& entries) {
    LiveDots dots;
    std::size_t count = 0;
    for (const auto& [dot, entry] : entries) {
        auto& runs = dots[dot.replica];
        count -= runs.size();
        extend(runs, dot.seq);
        count += runs.size();
        if (count == staged_runs_named_max) break;
    }
    return dots;
}

}  // namespace

DiffSessions::Session* DiffSessions::find(const NodeKey& peer, std::uint64_t id) {
    if (asked_ && asked_->peer == peer && asked_->id == id) return &*asked_;
    const auto at = served_.find({peer, id});
    return at == served_.end() ? nullptr : &at->second;
}

void DiffSessions::close(const Session& session) {
    if (session.asker) {
        asked_.reset();
    } else {
        served_.erase({session.peer, session.id});
    }
}

void DiffSessions::fail(Session& session, std::uint64_t now_us) {
    ++counters_.diffs_failed;
    host_.send(session.peer, DiffEnd{session.id, DiffEndReason::failed});
    not_before_us_[session.peer] = now_us + limits_.diff_retry_us;
    close(session);
}

// -- opening
// -------------------------------------------------------------------------------------------------------------

void DiffSessions::ask(const NodeKey& peer, std::uint64_t now_us) {
    const auto patience = not_before_us_.find(peer);
    if (asked_ || (patience != not_before_us_.end() && now_us < patience->second)) return;
    const bool serving =
        std::any_of(served_.begin(), served_.end(), [&](const auto& s) { return s.first.first == peer; });
    if (serving) return;  // that session brings both sides level
    ++counters_.diffs;
    const auto base = host_.pinned().state().version();
    asked_ = Session{peer, host_.random(), true, base, {}, {}, now_us + limits_.diff_timeout_us};
    host_.send(peer, DiffOpen{asked_->id, base, dots_of(staged_)});
}

void DiffSessions::on_open(const NodeKey& peer, const DiffOpen& open, std::uint64_t now_us) {
    // Both ask each other: the smaller key's session stands.
    if (asking(peer) && asked_->in.pieces.empty()) {
        if (self_ < peer) return host_.send(peer, DiffEnd{open.session, DiffEndReason::busy});
        asked_.reset();
    }
    std::erase_if(served_, [&](const auto& s) { return s.first.first == peer; });  // a new session replaces the old
    if (served_.size() >= limits_.diffs_served_max) return host_.send(peer, DiffEnd{open.session, DiffEndReason::busy});
    const auto& replica = host_.pinned();
    Session session{peer, open.session, false, replica.state().version(), {}, {}, now_us + limits_.diff_timeout_us};
    session.out.pieces = split(answer(replica, open.base, open.staged), limits_.diff_part_bytes_max);
    send_parts(served_.emplace(std::pair(peer, open.session), std::move(session)).first->second);
}

void DiffSessions::send_parts(Session& session) {
    auto& out = session.out;
    while (out.next < out.pieces.size() && out.next - out.acked < limits_.diff_parts_in_flight_max) {
        DiffPart part{session.id, session.asker, out.next, out.next + 1 == out.pieces.size(),
                      std::move(out.pieces[out.next])};
        out.pieces[out.next++] = {};
        host_.send(session.peer, part);
    }
}

// -- parts
// ---------------------------------------------------------------------------------------------------------------

bool DiffSessions::take_part(Session& session, DiffPart& part) {
    auto& in = session.in;
    for (auto& [dot, entry] : part.piece.entries) {
        const auto [at, is_new] = staged_.try_emplace(dot, std::move(entry));
        if (is_new) staged_bytes_ += entry_bytes(at->second);
    }
    part.piece.entries.clear();
    if (part.last) in.last = part.number;
    in.bytes += piece_bytes(part.piece);
    in.pieces.try_emplace(part.number, std::move(part.piece));
    if (staged_bytes_ + in.bytes <= limits_.staged_bytes_max) return true;
    staged_.clear();  // else every later session would find it full
    staged_bytes_ = 0;
    return false;
}

void DiffSessions::on_part(const NodeKey& peer, DiffPart part, std::uint64_t now_us) {
    auto* session = find(peer, part.session);
    if (session == nullptr || session->asker == part.finish) return;  // an ended session, or not that side's turn
    session->deadline_us = now_us + limits_.diff_timeout_us;
    host_.send(peer, DiffAck{part.session, part.finish, part.number});
    if (session->asker && !session->out.pieces.empty()) return;  // a duplicate: the answer is applied already
    if (!take_part(*session, part)) return fail(*session, now_us);
    const auto& in = session->in;
    if (in.last && in.pieces.size() == *in.last + 1) complete(*session, now_us);
}

void DiffSessions::on_ack(const NodeKey& peer, const DiffAck& ack, std::uint64_t now_us) {
    auto* session = find(peer, ack.session);
    if (session == nullptr || session->asker != ack.finish || ack.number >= session->out.next) return;
    session->deadline_us = now_us + limits_.diff_timeout_us;
    session->out.acked = std::max(session->out.acked, std::size_t(ack.number + 1));
    send_parts(*session);
}

Result<Difference> DiffSessions::assemble(Session& session) {
    Difference whole;
    for (auto& [number, piece] : session.in.pieces) {
        if (!add_piece(whole, std::move(piece))) return Fault{FaultCode::malformed, "contradicting parts of a diff"};
    }
    if (!mutant(Mutant::diff_forgets_base)) whole.base = session.base;
    for (const auto& [id, runs] : whole.outside) {
        for (const auto& run : runs) {
            const auto end = staged_.upper_bound({id, run.last()});
            for (auto at = staged_.lower_bound({id, run.first}); at != end; ++at) whole.entries.insert(*at);
        }
    }
    return whole;
}

void DiffSessions::complete(Session& session, std::uint64_t now_us) {
    auto whole = assemble(session);
    if (!whole) return fail(session, now_us);
    const auto theirs = session.asker ? *whole : Difference{};
    if (auto applied = host_.apply(std::move(*whole)); !applied) {
        // What is staged may be what is wrong: do not build the next attempt on it.
        staged_.clear();
        staged_bytes_ = 0;
        return fail(session, now_us);
    }
    if (session.asker) return finish(session, theirs);
    host_.send(session.peer, DiffEnd{session.id, DiffEndReason::done});
    close(session);
}

/// The other half: now that the answer is applied, everything live at the answerer is known here.
void DiffSessions::finish(Session& session, const Difference& theirs) {
    Version base;
    for (const auto& [id, top] : theirs.tops) base[id] = top.seen;
    auto live_there = theirs.inside;
    for (const auto& [id, runs] : theirs.outside) {
        auto& all = live_there[id];
        for (const auto& run : runs) extend(all, run.first, run.count);
    }
    session.out.pieces = split(answer_knowing(host_.pinned(), base, live_there, {}), limits_.diff_part_bytes_max);
    send_parts(session);
}

// -- ending
// --------------------------------------------------------------------------------------------------------------

void DiffSessions::on_end(const NodeKey& peer, const DiffEnd& end, std::uint64_t now_us) {
    auto* session = find(peer, end.session);
    if (session == nullptr) return;
    if (end.reason != DiffEndReason::done) not_before_us_[peer] = now_us + limits_.diff_retry_us;
    if (end.reason == DiffEndReason::failed) ++counters_.diffs_failed;
    close(*session);
}

void DiffSessions::link_down(const NodeKey& peer) {
    if (asking(peer)) asked_.reset();
    std::erase_if(served_, [&](const auto& s) { return s.first.first == peer; });
    not_before_us_.erase(peer);
}

void DiffSessions::tick(std::uint64_t now_us) {
    if (asked_ && asked_->deadline_us <= now_us) fail(*asked_, now_us);
    for (auto at = served_.begin(); at != served_.end();) {
        auto& session = (at++)->second;
        if (session.deadline_us <= now_us) fail(session, now_us);
    }
}

std::optional<std::uint64_t> DiffSessions::deadline_us() const {
    std::optional<std::uint64_t> least;
    if (asked_) least = asked_->deadline_us;
    for (const auto& [name, session] : served_) least = std::min(least.value_or(UINT64_MAX), session.deadline_us);
    return least;
}

void DiffSessions::covered(const State& state) {
    for (auto at = staged_.begin(); at != staged_.end();) {
        const bool needed = at->first.seq > state.seen(at->first.replica);
        if (!needed) staged_bytes_ -= entry_bytes(at->second);
        at = needed ? std::next(at) : staged_.erase(at);
    }
}

void DiffSessions::check() const {
    STARLING_ASSERT(served_.size() <= limits_.diffs_served_max, "served sessions are bounded");
    std::size_t bytes = 0;
    for (const auto& [dot, entry] : staged_) bytes += entry_bytes(entry);
    STARLING_ASSERT(bytes == staged_bytes_, "the staging area knows its size");
}

}  // namespace starling::gossip
