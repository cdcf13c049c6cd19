#include "gossip/diff_session.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"
#include "gossip/wire_diff.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

std::size_t entry_bytes(const LooseEntry& entry) {
    return sizeof(Dot) + sizeof(LooseEntry) + wire_bytes(entry);
}

std::size_t part_bytes(const DiffPart& part) {
    const auto& piece = part.piece;
    std::size_t bytes =
        sizeof(DiffPart) + 64 * (piece.tops.size() + piece.heads.size()) + sizeof(Seal) * part.seals.size();
    for (const auto* dots : {&piece.inside, &piece.outside}) {
        for (const auto& [id, runs] : *dots) bytes += 64 + sizeof(DotRun) * runs.size();
    }
    return bytes + sizeof(DotRun) * part.died.size();
}

/// What a half leaves out of its tops: lines that are equal to those of its base. A line that is not there is a zero.
void leave_out_equal(Difference& half) {
    auto top = half.tops.begin();
    for (const auto& [id, seq] : half.base) {
        while (top != half.tops.end() && top->first < id) ++top;
        if (top == half.tops.end() || id < top->first) {
            half.tops.emplace_hint(top, id, OriginTop{});
        } else if (top->second.seen == seq) {
            top = half.tops.erase(top);
        } else {
            if (top->second.seen < seq) top->second.last_stamp = 0;  // nothing will be decoded with it
            ++top;
        }
    }
}

/// Two sets, all of the second past all of the first, origin by origin.
LiveDots joined(LiveDots dots, const LiveDots& further) {
    for (const auto& [id, runs] : further) {
        for (const auto& run : runs) extend(dots[id], run.first, run.count);
    }
    return dots;
}

}  // namespace

Version version_of(const Difference& half) {
    auto version = half.base;
    for (const auto& [id, top] : half.tops) {
        if (top.seen > 0) {
            version[id] = top.seen;
        } else {
            version.erase(id);
        }
    }
    return version;
}

void fill_in_equal(Difference& whole, const Replica& replica) {
    const auto need = [&](const ReplicaId& id) {
        if (const auto seq = seen(whole.base, id); seq > 0) whole.tops.try_emplace(id, OriginTop{seq, 0});
    };
    replica.state().each_origin([&](const Origin& origin) {
        if (origin.live.size() > 0) need(origin.id);
    });
    for (const auto& [id, head] : replica.heads()) need(id);
    for (const auto& [id, head] : whole.heads) need(id);
    for (const auto& [id, runs] : whole.inside) need(id);
    for (const auto& [id, runs] : whole.outside) need(id);
    for (const auto& [dot, entry] : whole.entries) need(dot.replica);
    std::erase_if(whole.tops, [](const auto& line) { return line.second.seen == 0; });
}

DiffSessions::Session* DiffSessions::find(const NodeKey& peer, std::uint64_t id) {
    if (asked_ && asked_->peer == peer && asked_->id == id) return &*asked_;
    const auto at = served_.find({peer, id});
    return at == served_.end() ? nullptr : &at->second;
}

/// The session, if it is there and this node is on that side of it; it goes on living.
DiffSessions::Session* DiffSessions::find(const NodeKey& peer, std::uint64_t id, bool asker, std::uint64_t now_us) {
    auto* session = find(peer, id);
    if (session == nullptr || session->asker != asker) return nullptr;
    session->deadline_us = std::min(now_us + session->patience_us, session->begun_us + limits_.diff_session_us_max);
    return session;
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

void DiffSessions::ask(const NodeKey& peer, std::uint64_t now_us, std::uint64_t lines_there) {
    const auto patience = not_before_us_.find(peer);
    if (asked_ || (patience != not_before_us_.end() && now_us < patience->second)) return;
    const bool serving =
        std::any_of(served_.begin(), served_.end(), [&](const auto& s) { return s.first.first == peer; });
    if (serving) return;  // that session brings both sides level
    ++counters_.diffs;
    const auto id = 2 * next_session_++ + (self_ < peer ? 0 : 1);  // no two sessions of a link share a name
    auto& session = asked_.emplace(peer, id, true, now_us, now_us + limits_.diff_timeout_us);
    const auto& state = host_.pinned().state();
    session.base = state.version();
    session.base_hash = state.version_hash();
    session.live = live_words(state);
    session.nonce = std::uint32_t(host_.random());
    be_patient(session, std::max<std::uint64_t>(session.base.size(), lines_there), now_us);
    open(session);
}

void DiffSessions::on_open(const NodeKey& peer, const DiffOpen& open, std::uint64_t now_us) {
    if (own_stands(peer)) return host_.send(peer, DiffEnd{open.session, DiffEndReason::busy});
    if (asking(peer) && asked_->in.parts.empty()) asked_.reset();
    std::erase_if(served_, [&](const auto& s) { return s.first.first == peer; });  // a new session replaces the old
    if (crowded(peer) || rests(peer, now_us)) return host_.send(peer, DiffEnd{open.session, DiffEndReason::busy});
    const auto base = base_of(peer, open);
    if (!base) return host_.send(peer, DiffEnd{open.session, DiffEndReason::unknown_base});
    auto& session =
        served_.try_emplace({peer, open.session}, peer, open.session, false, now_us, now_us + limits_.diff_timeout_us)
            .first->second;
    const auto& replica = host_.pinned();
    session.base = replica.state().version();
    session.nonce = open.nonce;
    const auto lines = std::max(base->size(), session.base.size());
    be_patient(session, lines, now_us);
    rests_until_us_[peer] = now_us + lines * limits_.diff_line_us;
    auto half = answer_knowing(replica, *base, {}, open.staged);
    half.inside_is_live = true;  // where it says anything of them
    session.outside = half.outside;
    Axis axis(*base, session.base);
    if (!axis.fits()) return fail(session, now_us);
    auto live = axis.positions(live_words(replica.state()));
    session.answering.emplace(std::move(axis), std::move(live), open.nonce, std::uint32_t(host_.random()));
    session.live_sent = !session.answering->worthwhile();
    if (session.live_sent) half.inside = session.answering->live();
    leave_out_equal(half);
    auto seals = host_.seals_of(half);
    add_parts(session, split(half, limits_.diff_part_bytes_max), {}, {}, session.live_sent);
    session.out.parts.front().seals = std::move(seals);
    if (!session.live_sent) {
        auto& parts = session.out.parts;
        std::size_t tops_end = 0;
        for (std::size_t i = 0; i < parts.size(); ++i) tops_end = parts[i].piece.tops.empty() ? tops_end : i;
        parts[tops_end].comparison = session.answering->opening();
        parts[tops_end].comparison->parts = parts.size();
    }
    send_parts(session);
}

void DiffSessions::add_parts(Session& session, std::vector<Difference> pieces, const DotRuns& died,
                             std::optional<Fingerprint> stays, bool complete) {
    constexpr std::size_t run_bytes = 4;  // as a part counts its dots
    const auto runs_max = std::max<std::size_t>(1, limits_.diff_part_bytes_max / run_bytes);
    auto& out = session.out;
    const auto begin = out.parts.size();
    for (auto& piece : pieces) {
        DiffPart part;
        part.piece = std::move(piece);
        out.parts.push_back(std::move(part));
    }
    for (std::size_t from = 0; from < died.size(); from += runs_max) {
        const auto at = begin + from / runs_max;
        if (at == out.parts.size()) {
            DiffPart part;
            part.piece.depth = out.parts.back().piece.depth;
            part.piece.inside_is_live = out.parts.back().piece.inside_is_live;
            out.parts.push_back(std::move(part));
        }
        const auto to = std::min(died.size(), from + runs_max);
        out.parts[at].died.assign(died.begin() + std::ptrdiff_t(from), died.begin() + std::ptrdiff_t(to));
    }
    out.parts.back().stays = stays;
    out.complete = complete;
}

void DiffSessions::send_parts(Session& session) {
    auto& out = session.out;
    const auto in_flight_max = std::max<std::size_t>(2, limits_.diff_parts_in_flight_max);  // every second is acked
    while (out.next < out.parts.size() && out.next - out.acked < in_flight_max) {
        auto part = std::exchange(out.parts[out.next], {});
        part.session = session.id;
        part.finish = session.asker;
        part.number = out.next++;
        part.last = out.complete && out.next == out.parts.size();
        out.parts[part.number].piece.depth = part.piece.depth;  // of those that may follow
        out.parts[part.number].piece.inside_is_live = part.piece.inside_is_live;
        host_.send(session.peer, part);
    }
}

// -- parts
// ---------------------------------------------------------------------------------------------------------------

bool DiffSessions::Incoming::holds(std::uint64_t n) const {
    const auto end = parts.lower_bound(n);
    return std::uint64_t(std::distance(parts.begin(), end)) == n;
}

bool DiffSessions::take_part(Session& session, DiffPart& part) {
    auto& in = session.in;
    for (auto& [dot, entry] : part.piece.entries) {
        const auto [at, is_new] = staged_.try_emplace(dot, std::move(entry));
        if (is_new) staged_bytes_ += entry_bytes(at->second);
    }
    part.piece.entries.clear();
    if (part.last) in.last = part.number;
    in.bytes += part_bytes(part);
    in.parts.try_emplace(part.number, std::move(part));
    if (staged_bytes_ + in.bytes <= limits_.staged_bytes_max) return true;
    staged_.clear();  // else every later session would find it full
    staged_bytes_ = 0;
    return false;
}

void DiffSessions::on_part(const NodeKey& peer, DiffPart part, std::uint64_t now_us) {
    auto* session = find(peer, part.session, !part.finish, now_us);
    if (session == nullptr) return;  // an ended session, or not that side's turn
    if (part.number % 2 == 1 && !part.last) host_.send(peer, DiffAck{part.session, part.finish, part.number});
    if (session->asker && !session->out.parts.empty()) return;  // a duplicate: the answer is applied already
    if (!take_part(*session, part)) return fail(*session, now_us);
    if (session->asker && !session->asking) {
        for (const auto& [number, held] : session->in.parts) {
            if (!held.comparison) continue;
            if (session->in.holds(number + 1) && !begin_comparison(*session)) return fail(*session, now_us);
            break;
        }
    }
    complete_if_whole(*session, now_us);
}

void DiffSessions::on_ack(const NodeKey& peer, const DiffAck& ack, std::uint64_t now_us) {
    const auto* named = find(peer, ack.session);
    const bool of_base = named != nullptr && named->asker && !ack.finish;
    auto* session = find(peer, ack.session, ack.finish || of_base, now_us);
    if (session == nullptr) return;
    if (of_base) return base_acked(*session, ack);
    if (ack.number >= session->out.next) return;
    session->out.acked = std::max(session->out.acked, std::size_t(ack.number + 1));
    send_parts(*session);
}

Result<Difference> DiffSessions::assemble(Session& session) {
    Difference whole;
    for (auto& [number, part] : session.in.parts) {
        if (!add_piece(whole, std::move(part.piece)))
            return Fault{FaultCode::malformed, "contradicting parts of a diff"};
    }
    whole.base = std::move(session.base);
    if (auto found = find_dead(session, whole); !found) return found.fault();
    if (mutant(Mutant::diff_forgets_base)) whole.base.clear();
    for (const auto& [id, runs] : whole.outside) {
        for (const auto& run : runs) {
            const auto end = staged_.upper_bound({id, run.last()});
            for (auto at = staged_.lower_bound({id, run.first}); at != end; ++at) whole.entries.insert(*at);
        }
    }
    return whole;
}

void DiffSessions::complete_if_whole(Session& session, std::uint64_t now_us) {
    const auto& in = session.in;
    const bool settled = session.parts_needed && in.holds(*session.parts_needed);
    if (!settled && !(in.last && in.holds(*in.last + 1))) return;
    auto whole = assemble(session);
    if (!whole) return fail(session, now_us);
    const auto theirs = session.asker ? version_of(*whole) : Version{};
    const auto outside = session.asker ? whole->outside : LiveDots{};
    std::vector<Seal> seals;
    if (const auto first = session.in.parts.begin(); first != session.in.parts.end())
        seals = std::move(first->second.seals);
    if (auto applied = host_.apply(std::move(*whole), std::move(seals)); !applied) {
        // What is staged may be what is wrong: do not build the next attempt on it.
        staged_.clear();
        staged_bytes_ = 0;
        return fail(session, now_us);
    }
    if (session.asker) return finish(session, theirs, outside, now_us);
    host_.send(session.peer, DiffEnd{session.id, DiffEndReason::done});
    close(session);
}

/// The other half: now that the answer is applied, whatever is known to live at the answerer is compared with it.
void DiffSessions::finish(Session& session, const Version& base, const LiveDots& outside, std::uint64_t now_us) {
    const Axis axis(base, base);
    if (!axis.fits()) return fail(session, now_us);
    const auto live_there = joined(session.asking->known(), outside);
    const auto& replica = host_.pinned();
    auto half = answer_knowing(replica, base, {}, {});  // all but what died
    const auto among = axis.positions(live_there);
    const auto died = among - axis.positions(live_words(replica.state()));
    leave_out_equal(half);
    auto seals = host_.seals_of(half);
    const auto begin = session.out.parts.size();
    add_parts(session, split(half, limits_.diff_part_bytes_max), ranks(among, died),
              digest(axis, among - died, session.nonce), true);
    session.out.parts[begin].seals = std::move(seals);
    send_parts(session);
}

// -- ending
// --------------------------------------------------------------------------------------------------------------

void DiffSessions::on_end(const NodeKey& peer, const DiffEnd& end, std::uint64_t now_us) {
    std::erase_if(bases_, [&](const auto& base) { return base.first == peer && base.second.session == end.session; });
    auto* session = find(peer, end.session);
    if (session == nullptr) return;
    if (end.reason == DiffEndReason::unknown_base && may_send_base(*session)) return send_base_part(*session);
    if (end.reason != DiffEndReason::done) not_before_us_[peer] = now_us + limits_.diff_retry_us;
    if (end.reason == DiffEndReason::failed || end.reason == DiffEndReason::unknown_base) ++counters_.diffs_failed;
    close(*session);
}

void DiffSessions::link_down(const NodeKey& peer) {
    if (asking(peer)) asked_.reset();
    std::erase_if(served_, [&](const auto& s) { return s.first.first == peer; });
    bases_.erase(peer);
    not_before_us_.erase(peer);
}

void DiffSessions::tick(std::uint64_t now_us) {
    if (asked_ && asked_->deadline_us <= now_us) fail(*asked_, now_us);
    std::erase_if(bases_, [&](const auto& base) { return base.second.deadline_us <= now_us; });
    std::erase_if(rests_until_us_, [&](const auto& until) { return until.second <= now_us; });
    for (auto at = served_.begin(); at != served_.end();) {
        auto& session = (at++)->second;
        if (session.deadline_us <= now_us) fail(session, now_us);
    }
}

std::optional<std::uint64_t> DiffSessions::deadline_us() const {
    std::optional<std::uint64_t> least;
    if (asked_) least = asked_->deadline_us;
    for (const auto& [name, session] : served_) least = std::min(least.value_or(UINT64_MAX), session.deadline_us);
    for (const auto& [peer, base] : bases_) least = std::min(least.value_or(UINT64_MAX), base.deadline_us);
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
    STARLING_ASSERT(bases_.size() <= limits_.diffs_served_max, "bases that come are bounded");
    for (const auto& [peer, base] : bases_)
        STARLING_ASSERT(base.parts > 0 && base.lines.size() <= limits_.diff_base_lines_max, "and each of them");
    std::size_t bytes = 0;
    for (const auto& [dot, entry] : staged_) bytes += entry_bytes(entry);
    STARLING_ASSERT(bytes == staged_bytes_, "the staging area knows its size");
}

}  // namespace starling::gossip
