#include "crdt/difference.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

namespace {

bool holds(const LiveDots& dots, const ReplicaId& replica, Seq seq) {
    auto at = dots.find(replica);
    return at != dots.end() && contains(at->second, seq);
}

/// Everything of an answer but what lies inside the base.
Difference answer_outside(const Replica& replica, const Version& base, const LiveDots& staged) {
    STARLING_ASSERT(!replica.window_open(), "a diff is answered with the window closed");
    Difference difference;
    difference.base = base;
    difference.heads = replica.heads();
    difference.depth = replica.depth();
    const auto& state = replica.state();
    state.each_life([&](const ReplicaId& id, Seq seen, Stamp last_stamp) {
        if (seen > 0) difference.tops.emplace_hint(difference.tops.end(), id, OriginTop{seen, last_stamp});
    });
    state.each_origin([&](const Origin& origin) {
        const auto& id = origin.id;
        origin.live.each(seen(base, id) + 1, origin.seen, [&](Seq seq, Handle handle) {
            extend(difference.outside[id], seq);
            if (!holds(staged, id, seq)) difference.entries[{id, seq}] = loose(state.at(handle));
        });
    });
    return difference;
}

}  // namespace

LiveDots live_dots(const State& state) {
    LiveDots dots;
    state.each_origin(
        [&](const Origin& origin) { origin.live.each([&](Seq seq, Handle) { extend(dots[origin.id], seq); }); });
    return dots;
}

Difference answer(const Replica& replica, const Version& base, const LiveDots& staged) {
    auto difference = answer_outside(replica, base, staged);
    replica.state().each_origin([&](const Origin& origin) {
        const auto& id = origin.id;
        origin.live.each(0, seen(base, id), [&](Seq seq, Handle) { extend(difference.inside[id], seq); });
    });
    return difference;
}

Difference answer_knowing(const Replica& replica, const Version& base, const LiveDots& live_at_asker,
                          const LiveDots& staged) {
    auto difference = answer_outside(replica, base, staged);
    difference.inside_is_live = false;
    for (const auto& [id, runs] : live_at_asker) {
        const auto* origin = replica.state().origin(id);
        const auto common = std::min(seen(base, id), replica.state().seen(id));
        for (const auto& run : runs) {  // the gaps between live entries, never dot by dot: runs are a peer's claim
            Seq from = run.first;
            const auto to = std::min(run.last(), common);
            if (from > to) break;
            const auto pass = [&, &id = id](Seq seq, Handle) {
                extend(difference.inside[id], from, seq - from);
                from = seq + 1;
            };
            if (origin != nullptr) origin->live.each(from, to, pass);
            extend(difference.inside[id], from, to + 1 - from);
        }
        if (const auto at = difference.inside.find(id); at != difference.inside.end() && at->second.empty())
            difference.inside.erase(at);
    }
    return difference;
}

namespace {

bool ordered_within(const DotRuns& runs, Seq after, Seq last) {
    for (const auto& run : runs) {
        if (run.count == 0 || run.first <= after || run.count > last || run.first > last - run.count + 1) return false;
        after = run.last();
    }
    return true;
}

bool valid_entry(const Dot& dot, const LooseEntry& entry, const Difference& difference) {
    return holds(difference.outside, dot.replica, dot.seq) && entry.depth > 0 && entry.depth <= depth_max &&
           entry.depth <= difference.depth && entry.slot.key.size() <= key_bytes_max &&
           canonical_field(entry.slot.field) && !is_void_slot(entry.slot) && valid_value(entry.value);
}

Seq top_of(const Difference& difference, const ReplicaId& id) {
    const auto at = difference.tops.find(id);
    return at == difference.tops.end() ? 0 : at->second.seen;
}

}  // namespace

Result<bool> valid_difference(const Replica& replica, const Difference& difference) {
    const auto bad = [](const char* what) { return Fault{FaultCode::malformed, what}; };
    for (const auto& [id, top] : difference.tops) {
        if (top.seen == 0 || top.seen >= seq_max) return bad("a version line is out of range");
        if (replica.self() == id && top.seen > replica.state().seen(id))
            return Fault{FaultCode::refused, "a peer knows more of this node's running life than the node itself"};
    }
    for (const auto& [id, head] : difference.heads) {
        if (head.last == 0 || head.last > top_of(difference, id) || head.depth > difference.depth)
            return bad("a head is not covered");
    }
    if (difference.depth > depth_max) return bad("depth out of range");
    for (const auto& [id, runs] : difference.inside) {
        if (!ordered_within(runs, 0, seen(difference.base, id))) return bad("dots inside are out of order");
    }
    for (const auto& [id, runs] : difference.outside) {
        if (!ordered_within(runs, seen(difference.base, id), top_of(difference, id)))
            return bad("dots outside are out of order");
        const auto here = replica.state().seen(id);
        for (const auto& run : runs) {  // every step finds an entry or ends, whatever the run claims
            for (Seq seq = std::max(run.first, here + 1); seq <= run.last(); ++seq) {
                if (!difference.entries.contains({id, seq})) return bad("an entry is missing");
            }
        }
    }
    for (const auto& [dot, entry] : difference.entries) {
        if (!valid_entry(dot, entry, difference)) return bad("an entry is malformed");
    }
    return true;
}

namespace {

/// Calls `visit(first, last)` for the seqs of first…last that are not in the runs, stretch by stretch.
template <class Visit>
void each_gap(const DotRuns& runs, Seq first, Seq last, Visit visit) {
    for (const auto& run : runs) {
        if (run.first > last) break;
        if (run.last() < first) continue;
        if (first < run.first) visit(first, run.first - 1);
        first = run.last() + 1;
    }
    if (first <= last) visit(first, last);
}

}  // namespace

Changes apply_difference(Replica& replica, const Difference& difference) {
    STARLING_ASSERT(replica.transaction_ == nullptr, "a diff is applied between transactions");
    Changes changes;
    auto& state = replica.state_;
    // What the answerer covers and does not hold is dead: removals inside the base, and outside it what arrived here
    // since the base was pinned and has died there.
    static const DotRuns none;
    const auto runs_of = [](const LiveDots& dots, const ReplicaId& id) -> const DotRuns& {
        const auto at = dots.find(id);
        return at == dots.end() ? none : at->second;
    };
    for (const auto& [id, top] : difference.tops) {
        const auto* origin = state.origin(id);
        if (origin == nullptr) continue;  // nothing of it lives
        const auto drop = [&](Seq first, Seq last) {
            origin->live.each(first, last, [&](Seq, Handle handle) {
                if (is_mesh_key(state.at(handle).key())) return;  // nothing removes it: whoever says so errs or lies
                if (replica.gathers_) changes.push_back({Slot(state.at(handle).slot()), std::nullopt});
                state.remove(handle);
            });
        };
        const auto base = std::min(seen(difference.base, id), top.seen);
        const auto& inside = runs_of(difference.inside, id);
        if (!mutant(Mutant::diff_keeps_removed)) {
            if (difference.inside_is_live) {
                each_gap(inside, 1, base, drop);
            } else {
                for (const auto& run : inside) drop(run.first, std::min(run.last(), base));
            }
        }
        if (!mutant(Mutant::diff_keeps_interval)) each_gap(runs_of(difference.outside, id), base + 1, top.seen, drop);
    }
    // Only what the *present* version does not cover comes in; the rest was removed here meanwhile.
    for (const auto& [dot, loose] : difference.entries) {
        const auto covered =
            mutant(Mutant::diff_resurrects) ? seen(difference.base, dot.replica) : state.seen(dot.replica);
        if (dot.seq <= covered) continue;
        const auto handle = state.insert(state.touch(dot.replica), dot.seq, state.hashed(loose.slot), loose.stamp,
                                         loose.depth, loose.value, true);
        if (replica.gathers_) changes.push_back(change_of(state.at(handle)));
    }
    // Heads join as live entries do: one stays where both hold it, or where the other side does not cover it yet.
    Heads merged;
    for (const auto& [id, head] : replica.heads_) {
        const auto theirs = difference.heads.find(id);
        if (mutant(Mutant::diff_keeps_heads) || head.last > top_of(difference, id) ||
            (theirs != difference.heads.end() && theirs->second == head))
            merged[id] = head;
    }
    for (const auto& [id, head] : difference.heads) {
        const auto mine = replica.heads_.find(id);
        const bool held = mine != replica.heads_.end() && mine->second == head;
        if ((head.last > state.seen(id) || held) && merged[id].last < head.last) merged[id] = head;
    }
    std::erase_if(merged, [](const auto& item) { return item.second.last == 0; });
    replica.heads_ = std::move(merged);
    if (!mutant(Mutant::diff_forgets_depth)) replica.depth_ = std::max(replica.depth_, difference.depth);
    for (const auto& [id, top] : difference.tops) {
        const auto line = state.line(id);
        const auto stamp = mutant(Mutant::diff_forgets_stamps) ? line.last_stamp : top.last_stamp;
        if (top.seen > line.seen) state.raise(id, top.seen, stamp);
    }
    state.rest();
    tidy(changes);
    return changes;
}

}  // namespace starling::crdt
