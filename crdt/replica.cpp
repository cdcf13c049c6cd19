#include "crdt/replica.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

#include "crdt/assert.hpp"
#include "crdt/limits.hpp"

namespace starling::crdt {

bool is_mesh_key(BytesView key) {
    return key.starts_with(mesh_key_prefix);
}

void Replica::begin_life(const ReplicaId& self) {
    STARLING_ASSERT(!window_ && !in_transaction_, "a life begins with the window closed");
    STARLING_ASSERT(state_.origin(self) == nullptr, "a life is new");
    self_ = self;
    state_.touch(self);
}

// -- cutting the window
// --------------------------------------------------------------------------------------------------

Body Replica::window_body(Changeset& header) const {
    Body body;
    const auto& own = *state_.origin(*self_);
    for (auto at = own.live.lower_bound(header.first); at != own.live.end(); ++at) {
        const auto& entry = at->second;
        STARLING_ASSERT(entry.stamp >= own.last_stamp, "own stamps only grow");
        body.puts.push_back({entry.seq, entry.slot, entry.stamp - own.last_stamp, entry.value});
    }
    for (const auto& [key, seqs] : window_->removed) {
        if (key.replica != *self_) header.refs.push_back(key.replica);
    }
    std::sort(header.refs.begin(), header.refs.end());
    header.refs.erase(std::unique(header.refs.begin(), header.refs.end()), header.refs.end());
    for (const auto& [key, seqs] : window_->removed) {
        if (seqs.empty()) continue;
        Removal removal{key.replica, key.trim, {}};
        for (auto seq : seqs) extend(removal.runs, seq);
        body.removals.push_back(std::move(removal));
    }
    const auto place = [&](const Removal& r) { return std::tuple(r.trim, r.replica != *self_, r.replica); };
    std::sort(body.removals.begin(), body.removals.end(),
              [&](const Removal& a, const Removal& b) { return place(a) < place(b); });
    return body;
}

std::optional<Changeset> Replica::cut() {
    if (!window_) return std::nullopt;
    STARLING_ASSERT(!in_transaction_, "a window is cut between transactions");
    auto& own = state_.touch(*self_);
    Changeset changeset;
    changeset.space = space_;
    changeset.origin = *self_;
    changeset.first = window_->first;
    changeset.count = window_->next - window_->first;
    changeset.depth = std::min(depth_max, depth_ + 1);
    // What arrived while the window was open is a cause of this changeset, so its entries lie deeper than they did.
    std::vector<Seq> puts;
    for (auto at = own.live.lower_bound(changeset.first); at != own.live.end(); ++at) puts.push_back(at->first);
    for (auto seq : puts) state_.set_depth(own, seq, changeset.depth);
    for (const auto& [id, head] : heads_) {
        if (id != *self_) changeset.deps.push_back({id, head.last});
    }
    STARLING_ASSERT(changeset.deps.size() <= changeset_deps_max, "heads are merged before they are too many");
    const auto body = window_body(changeset);
    changeset.body = encode_body(changeset, body);
    state_.raise(own, changeset.last(), own.last_stamp + (body.puts.empty() ? 0 : body.puts.back().stamp_offset));
    STARLING_ASSERT(valid_header(changeset), "a changeset of this node is one that others accept");
    took_own(changeset);
    window_.reset();
    return changeset;
}

void Replica::took_own(const Changeset& changeset) {
    for (const auto& dep : changeset.deps) heads_.erase(dep.replica);
    heads_[*self_] = {changeset.last(), changeset.depth};
    depth_ = changeset.depth;
}

bool Replica::heads_full() const {
    return heads_.size() > changeset_deps_max / 2;
}

Changeset Replica::merge_heads() {
    STARLING_ASSERT(self_ && !window_ && !in_transaction_, "heads are merged with the window closed");
    auto& own = state_.touch(*self_);
    Changeset changeset;
    changeset.space = space_;
    changeset.origin = *self_;
    changeset.first = own.seen + 1;
    changeset.count = 1;
    changeset.depth = std::min(depth_max, depth_ + 1);
    for (const auto& [id, head] : heads_) {
        if (id != *self_ && changeset.deps.size() < changeset_deps_max / 2) changeset.deps.push_back({id, head.last});
    }
    changeset.body = encode_body(changeset, {});
    state_.raise(own, changeset.last(), own.last_stamp);
    STARLING_ASSERT(valid_header(changeset), "a changeset of this node is one that others accept");
    took_own(changeset);
    return changeset;
}

// -- applying
// ------------------------------------------------------------------------------------------------------------

std::optional<Dot> Replica::missing(const Changeset& changeset, const Result<Body>& body) const {
    if (state_.seen(changeset.origin) + 1 < changeset.first) return Dot{changeset.origin, changeset.first - 1};
    for (const auto& dep : changeset.deps) {
        if (state_.seen(dep.replica) < dep.seq) return dep;
    }
    if (!body) return std::nullopt;
    for (const auto& removal : body->removals) {
        if (removal.replica == changeset.origin) continue;  // below `first`, which the previous changeset covers
        const auto last = removal.runs.back().last();
        if (state_.seen(removal.replica) < last) return Dot{removal.replica, last};
    }
    return std::nullopt;
}

/// Rule 4: what a removal may take is decided by the (immutable) slot of the entry and by who asks.
bool Replica::removable(const Entry& entry, const Removal& removal, const ReplicaId& by) const {
    if (is_mesh_key(entry.slot.key)) return false;
    if (entry.slot.type == Type::counter) return entry.origin->id == by;
    if (entry.slot.type == Type::journal) return removal.trim;
    return true;
}

void Replica::remove_run(Origin& origin, const DotRun& run, const Removal& removal, const ReplicaId& by,
                         Changes& changes) {
    for (auto at = origin.live.lower_bound(run.first); at != origin.live.end() && at->first <= run.last();) {
        const auto& entry = (at++)->second;
        if (!removable(entry, removal, by)) continue;
        changes.push_back({state_.remove(origin, entry.seq)->slot, std::nullopt});
    }
}

namespace {
Stamp saturating_add(Stamp a, Stamp b) {
    return b > std::numeric_limits<Stamp>::max() - a ? UINT64_MAX : a + b;
}
}  // namespace

Changes Replica::apply(const Changeset& changeset, const Result<Body>& body) {
    STARLING_ASSERT(!in_transaction_, "changesets are applied between transactions");
    STARLING_ASSERT(state_.seen(changeset.origin) + 1 == changeset.first && !missing(changeset, body),
                    "only a deliverable changeset is applied");
    Changes changes;
    auto& origin = state_.touch(changeset.origin);
    auto last_stamp = origin.last_stamp;
    if (body) {
        for (const auto& removal : body->removals) {
            auto& from = state_.touch(removal.replica);
            for (const auto& run : removal.runs) remove_run(from, run, removal, changeset.origin, changes);
        }
        for (const auto& put : body->puts) {
            const auto stamp = saturating_add(origin.last_stamp, put.stamp_offset);
            last_stamp = stamp;
            if (is_mesh_key(put.slot.key)) continue;
            const auto& entry = state_.insert(origin, put.seq, put.slot, stamp, changeset.depth, put.value);
            changes.push_back({put.slot, put.slot.type == Type::journal ? std::optional(entry.dot()) : std::nullopt});
        }
    }
    state_.raise(origin, changeset.last(), last_stamp);
    for (const auto& dep : changeset.deps) {
        auto head = heads_.find(dep.replica);
        if (head != heads_.end() && head->second.last <= dep.seq) heads_.erase(head);
    }
    heads_[changeset.origin] = {changeset.last(), changeset.depth};
    depth_ = std::max(depth_, changeset.depth);
    std::sort(changes.begin(), changes.end());
    changes.erase(std::unique(changes.begin(), changes.end()), changes.end());
    return changes;
}

void Replica::check() const {
    state_.check();
    for (const auto& [id, head] : heads_) {
        STARLING_ASSERT(head.last > 0 && head.last <= state_.seen(id), "a head is applied");
        STARLING_ASSERT(head.depth <= depth_, "no head lies deeper than the depth");
    }
    for (const auto& [id, origin] : state_.origins()) {
        const Seq top = window_ && id == *self_ ? window_->next - 1 : origin.seen;
        STARLING_ASSERT(origin.live.empty() || origin.live.rbegin()->first <= top,
                        "a live entry is covered, or in the window");
    }
    if (window_) {
        STARLING_ASSERT(window_->first == state_.seen(*self_) + 1 && window_->next > window_->first,
                        "the window begins where the version ends");
        for (const auto& [key, seqs] : window_->removed) {
            STARLING_ASSERT(seqs.empty() || key.replica != *self_ || *seqs.rbegin() < window_->first,
                            "dots born in the window are not named as removed");
        }
    }
}

}  // namespace starling::crdt
