// The comparison within a session of the state diff: what its messages do, and what it says died.
#include "crdt/mutant.hpp"
#include "gossip/diff_session.hpp"
#include "gossip/wire_diff.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

Fault malformed(const char* what) {
    return Fault{FaultCode::malformed, what};
}

}  // namespace

// -- the asker
// ----------------------------------------------------------------------------------------------------------------

/// The part that opens the comparison has come, and all before it, so that the answerer's version is known.
bool DiffSessions::begin_comparison(Session& session) {
    Version theirs = session.base;
    const bool unpinned = mutant(Mutant::compare_is_not_pinned);
    const Comparison* opening = nullptr;
    for (const auto& [number, part] : session.in.parts) {
        for (const auto& [id, top] : part.piece.tops) theirs[id] = top.seen;
        if (part.comparison) opening = &*part.comparison;
        if (opening != nullptr) break;
    }
    Axis axis(unpinned ? host_.pinned().state().version() : session.base, theirs);
    if (!axis.fits()) return false;
    auto mine = axis.positions(unpinned ? live_words(host_.pinned().state()) : session.live);
    session.live.clear();
    session.asking.emplace(std::move(axis), std::move(mine), session.nonce);
    return go_on(session, session.asking->begin(*opening));
}

/// Sends what the comparison says next; where it is settled, no part is needed but those that were announced.
bool DiffSessions::go_on(Session& session, Result<std::optional<DiffSketch>> sketch) {
    if (!sketch) return false;
    if (*sketch) {
        (*sketch)->session = session.id;
        host_.send(session.peer, **sketch);
        return true;
    }
    for (const auto& [number, part] : session.in.parts) {
        if (part.comparison) session.parts_needed = part.comparison->parts;
        if (part.comparison) break;
    }
    return true;
}

void DiffSessions::on_more(const NodeKey& peer, const DiffMore& more, std::uint64_t now_us) {
    auto* session = find(peer, more.session, true, now_us);
    if (session == nullptr || !session->asking || session->asking->settled()) return;
    auto sums = session->asking->more(more);
    if (!sums) return fail(*session, now_us);
    sums->session = session->id;
    host_.send(peer, *sums);
}

void DiffSessions::on_cells(const NodeKey& peer, const DiffCells& cells, std::uint64_t now_us) {
    auto* session = find(peer, cells.session, true, now_us);
    if (session == nullptr || !session->asking || session->asking->settled()) return;
    if (!go_on(*session, session->asking->take(cells))) return fail(*session, now_us);
    complete_if_whole(*session, now_us);
}

// -- the answerer
// -------------------------------------------------------------------------------------------------------------

void DiffSessions::on_sketch(const NodeKey& peer, const DiffSketch& sketch, std::uint64_t now_us) {
    auto* session = find(peer, sketch.session, false, now_us);
    if (session == nullptr) return;
    if (session->live_sent) return fail(*session, now_us);
    reply(*session, session->answering->take(sketch), now_us);
}

void DiffSessions::on_sums(const NodeKey& peer, const DiffSums& sums, std::uint64_t now_us) {
    auto* session = find(peer, sums.session, false, now_us);
    if (session == nullptr) return;
    if (session->live_sent) return fail(*session, now_us);
    reply(*session, session->answering->take(sums), now_us);
}

void DiffSessions::reply(Session& session, Result<AnswererComparison::Reply> reply, std::uint64_t now_us) {
    if (!reply) return fail(session, now_us);
    if (auto* more = std::get_if<DiffMore>(&*reply)) {
        more->session = session.id;
        return host_.send(session.peer, *more);
    }
    if (auto* cells = std::get_if<DiffCells>(&*reply)) {
        cells->session = session.id;
        return host_.send(session.peer, *cells);
    }
    session.live_sent = true;
    Difference rest;
    rest.depth = session.out.parts.back().piece.depth;
    if (const auto* verdict = std::get_if<Verdict>(&*reply)) {
        add_parts(session, {std::move(rest)}, verdict->died, verdict->stays, true);
    } else {
        rest.inside = session.answering->live();
        add_parts(session, split(rest, limits_.diff_part_bytes_max), {}, {}, true);
    }
    send_parts(session);
}

// -- what died
// ----------------------------------------------------------------------------------------------------------------

/// Turns what the parts and the comparison said into the dots inside the base that died on the other side.
Result<bool> DiffSessions::find_dead(Session& session, Difference& whole) {
    Verdict verdict;
    bool given = false;
    for (const auto& [number, part] : session.in.parts) {
        for (const auto& run : part.died) {
            if (!verdict.died.empty() && run.first <= verdict.died.back().last())
                return malformed("ranks out of order");
            extend(verdict.died, run.first, run.count);
        }
        given = part.stays.has_value();
        if (given) verdict.stays = *part.stays;
    }
    const auto live = std::exchange(whole.inside, {});
    whole.inside_is_live = false;
    if (session.asker) {
        if (!session.asking) {
            Axis axis(whole.base, version_of(whole));
            if (!axis.fits()) return malformed("more dots than are compared");
            auto mine = axis.positions(session.live);
            session.asking.emplace(std::move(axis), std::move(mine), session.nonce);
        }
        auto& asking = *session.asking;
        if (!asking.settled()) {
            if (auto taken = given ? asking.take(verdict) : asking.take(live); !taken) return taken;
        }
        whole.inside = asking.dead();
        return true;
    }
    const Axis axis(whole.base, whole.base);
    if (!axis.fits()) return malformed("more dots than are compared");
    auto among = axis.positions(session.answering->known()) ^ axis.positions(session.outside);
    const auto died = at_ranks(among, verdict.died);
    if (!given || !died) return malformed("a verdict that is none");
    if (digest(axis, among - *died, session.nonce) != verdict.stays) return malformed("what stays has another digest");
    whole.inside = axis.dots(*died ^ axis.positions(session.answering->dead_there()));
    return true;
}

}  // namespace starling::gossip
