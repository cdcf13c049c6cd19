// How a session of the state diff begins: the asker's base, which may be long, comes to the answerer.
#include <algorithm>
#include <set>

#include "gossip/diff_session.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t staged_runs_named_max = 16'384;    // at most some 20 bytes each
constexpr std::size_t staged_origins_named_max = 4'096;  // and 48 for each replica

/// As many as fit a message; those that are not named are sent again.
LiveDots dots_of(const std::map<Dot, LooseEntry>& entries) {
    LiveDots dots;
    std::size_t count = 0;
    for (const auto& [dot, entry] : entries) {
        auto& runs = dots[dot.replica];
        count -= runs.size();
        extend(runs, dot.seq);
        count += runs.size();
        if (count == staged_runs_named_max || dots.size() == staged_origins_named_max) break;
    }
    return dots;
}

}  // namespace

/// The base in one message where it is short; else what of it the answerer was not told, which it can do without; else
/// in parts.
void DiffSessions::open(Session& session) {
    DiffOpen open{session.id, session.nonce, {}, dots_of(staged_)};
    if (session.base.size() <= limits_.diff_open_lines_max) {
        open.base = session.base;
        return host_.send(session.peer, open);
    }
    if (session.base_parts == 0) {
        auto untold = host_.untold(session.peer);
        if (!untold || untold->size() > limits_.diff_open_lines_max) {
            if (session.base.size() > limits_.diff_base_lines_max) return fail(session, session.begun_us);
            return send_base_part(session);
        }
        open.base = std::move(*untold);
    }
    open.base_hash = session.base_hash;
    host_.send(session.peer, open);
}

void DiffSessions::send_base_part(Session& session) {
    DiffBase part{session.id, session.base_parts++, {}};
    auto line = session.base_sent ? session.base.upper_bound(*session.base_sent) : session.base.begin();
    for (; line != session.base.end() && part.lines.size() < limits_.diff_base_part_lines; ++line)
        part.lines.insert(part.lines.end(), *line);
    session.base_sent = std::prev(line)->first;
    host_.send(session.peer, part);
}

/// Other peers are served, or send their bases, as many as may.
bool DiffSessions::crowded(const NodeKey& peer) const {
    std::set<NodeKey> others;
    for (const auto& [name, session] : served_) others.insert(name.first);
    for (const auto& [of, base] : bases_) others.insert(of);
    others.erase(peer);
    return others.size() >= limits_.diffs_served_max;
}

/// Its last open was answered so lately that another would keep this node busy with that peer.
bool DiffSessions::rests(const NodeKey& peer, std::uint64_t now_us) const {
    const auto until = rests_until_us_.find(peer);
    return until != rests_until_us_.end() && now_us < until->second;
}

/// What is to be gone through before the next message may take long.
void DiffSessions::be_patient(Session& session, std::uint64_t lines, std::uint64_t now_us) const {
    lines = std::min<std::uint64_t>(lines, limits_.diff_base_lines_max);  // a peer's word
    session.patience_us = limits_.diff_timeout_us + lines * limits_.diff_line_us;
    session.deadline_us = std::min(now_us + session.patience_us, session.begun_us + limits_.diff_session_us_max);
}

/// Where both ask each other, the smaller key's session stands.
bool DiffSessions::own_stands(const NodeKey& peer) const {
    return asking(peer) && asked_->in.parts.empty() && self_ < peer;
}

void DiffSessions::on_base(const NodeKey& peer, DiffBase part, std::uint64_t now_us) {
    if (crowded(peer) || own_stands(peer) || rests(peer, now_us)) {
        bases_.erase(peer);
        return host_.send(peer, DiffEnd{part.session, DiffEndReason::busy});
    }
    auto& base = bases_.try_emplace(peer, Base{part.session, now_us}).first->second;
    if (base.session != part.session) base = Base{part.session, now_us};
    if (part.number < base.parts) return;  // a second copy
    const bool fits = base.lines.size() + part.lines.size() <= limits_.diff_base_lines_max;
    if (part.number != base.parts || !fits || part.lines.empty()) {
        bases_.erase(peer);
        return host_.send(peer, DiffEnd{part.session, DiffEndReason::failed});
    }
    ++base.parts;
    base.deadline_us = std::min(now_us + limits_.diff_timeout_us, base.begun_us + limits_.diff_session_us_max);
    base.lines.merge(part.lines);
    host_.send(peer, DiffAck{part.session, false, part.number});
}

/// What the asker's base is; nothing where it is not known here, or is not what was said.
std::optional<Version> DiffSessions::base_of(const NodeKey& peer, const DiffOpen& open) {
    auto base = bases_.extract(peer);
    if (!open.base_hash) return open.base;
    if (base && base.mapped().session == open.session) {
        if (version_hash(base.mapped().lines) != *open.base_hash) return {};
        return std::move(base.mapped().lines);
    }
    return host_.heard(peer, open.base, *open.base_hash);
}

/// The next part, or when the answerer has all of them, the open. Who sends parts of its own has them.
void DiffSessions::base_acked(Session& session, const DiffAck& ack) {
    if (!session.in.parts.empty()) return;
    if (ack.number != session.base_acked || ack.number >= session.base_parts) return;
    ++session.base_acked;
    if (*session.base_sent == session.base.rbegin()->first) return open(session);
    send_base_part(session);
}

/// The answerer does not know the base by what it was told; it was not sent in parts yet.
bool DiffSessions::may_send_base(const Session& session) const {
    return session.asker && session.base_parts == 0 && session.in.parts.empty() &&
           session.base.size() > limits_.diff_open_lines_max && session.base.size() <= limits_.diff_base_lines_max;
}

}  // namespace starling::gossip
