#include "crdt/replica.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

#include "crdt/assert.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "crdt/transaction.hpp"

namespace starling::crdt {

bool is_mesh_key(BytesView key) {
    return key.starts_with(mesh_key_prefix) && !mutant(Mutant::mesh_keys_are_ordinary);
}

bool is_void_slot(const SlotView& slot) {
    return slot.type != Type::map && is_mesh_key(slot.key);
}

Change change_of(const Entry& entry) {
    return {Slot(entry.slot()), entry.type() == Type::journal ? std::optional(entry.dot()) : std::nullopt};
}

void tidy(Changes& changes) {
    std::sort(changes.begin(), changes.end());
    changes.erase(std::unique(changes.begin(), changes.end()), changes.end());
}

void Replica::settle() const {
    transaction_->settle();
}

void Replica::begin_life(const ReplicaId& self) {
    STARLING_ASSERT(!window_ && transaction_ == nullptr, "a life begins with the window closed");
    STARLING_ASSERT(!state_.knows(self), "a life is new");
    self_ = self;
    state_.begin_life(self);
}

// -- cutting the window
// --------------------------------------------------------------------------------------------------

/// The entries of the window that no later operation of it removed. Returns the offset of the last stamp.
Stamp Replica::write_puts(BodyWriter& writer, Origin& own, const Changeset& header) {
    constexpr std::size_t put_bytes = 16;  // besides its texts, roughly
    std::size_t bytes = 0;
    own.live.each(header.first, header.last(),
                  [&](Seq, Handle handle) { bytes += put_bytes + state_.at(handle).text_bytes(); });
    writer.reserve(bytes);
    Stamp last = 0;
    own.live.each(header.first, header.last(), [&](Seq seq, Handle handle) {
        // What arrived while the window was open is a cause of this changeset, so its entries may lie deeper than they
        // did when they were written.
        state_.seal(handle, header.depth);
        const auto& entry = state_.at(handle);
        STARLING_ASSERT(entry.stamp >= own.last_stamp, "own stamps only grow");
        last = entry.stamp - own.last_stamp;
        writer.put(seq, entry.slot(), last, entry.value());
    });
    return last;
}

void Replica::write_removals(BodyWriter& writer, Changeset& header) {
    auto& removed = window_->removed;
    const auto* own = state_.origin(*self_);
    std::sort(removed.begin(), removed.end(), [&](const Removed& a, const Removed& b) {
        if (a.trim != b.trim) return b.trim;
        if (a.origin == b.origin) return a.seq < b.seq;
        return a.origin == own || (b.origin != own && a.origin->id < b.origin->id);
    });
    for (const auto* origin : window_->named) header.refs.push_back(origin->id);
    std::sort(header.refs.begin(), header.refs.end());
    DotRuns runs;
    for (auto at = removed.begin(); at != removed.end();) {
        const auto& group = *at;
        runs.clear();
        for (; at != removed.end() && at->origin == group.origin && at->trim == group.trim; ++at) extend(runs, at->seq);
        const auto ref = std::lower_bound(header.refs.begin(), header.refs.end(), group.origin->id);
        writer.removal(group.origin == own ? 0 : 1 + std::uint32_t(ref - header.refs.begin()), group.trim, runs);
    }
}

std::optional<Changeset> Replica::cut() {
    if (!window_) return std::nullopt;
    STARLING_ASSERT(transaction_ == nullptr, "a window is cut between transactions");
    auto& own = state_.touch(*self_);
    Changeset changeset;
    changeset.space = space_;
    changeset.origin = *self_;
    changeset.first = window_->first;
    changeset.count = window_->next - window_->first;
    changeset.depth = std::min(depth_max, depth_ + 1);
    for (const auto& [id, head] : heads_) {
        if (id != *self_ && !mutant(Mutant::names_no_heads)) changeset.deps.push_back({id, head.last});
    }
    STARLING_ASSERT(changeset.deps.size() <= changeset_deps_max, "heads are merged before they are too many");
    BodyWriter writer(changeset.first);
    const auto last_offset = write_puts(writer, own, changeset);
    write_removals(writer, changeset);
    changeset.body = writer.take();
    state_.raise(own, changeset.last(), own.last_stamp + last_offset);
    STARLING_ASSERT(valid_header(changeset), "a changeset of this node is one that others accept");
    took_own(changeset);
    for (auto* origin : window_->named) {
        origin->named = false;
        state_.unpin(*origin);
    }
    window_.reset();
    state_.rest();
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
    STARLING_ASSERT(self_ && !window_ && transaction_ == nullptr, "heads are merged with the window closed");
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

std::optional<Dot> Replica::missing(const Changeset& changeset, const Body* body) const {
    if (state_.seen(changeset.origin) + 1 < changeset.first && !mutant(Mutant::ignores_previous))
        return Dot{changeset.origin, changeset.first - 1};
    for (const auto& dep : changeset.deps) {
        if (state_.seen(dep.replica) < dep.seq && !mutant(Mutant::ignores_dependencies)) return dep;
    }
    if (body == nullptr || mutant(Mutant::ignores_removed_dots)) return std::nullopt;
    for (const auto& removal : body->removals) {
        if (removal.place == 0) continue;  // below `first`, which the previous changeset covers
        const auto& replica = changeset.refs[removal.place - 1];
        const auto runs = body->runs_of(removal);
        const auto last = (mutant(Mutant::first_run_is_enough) ? runs.front() : runs.back()).last();
        if (state_.seen(replica) < last) return Dot{replica, last};
    }
    return std::nullopt;
}

/// Rule 4: what a removal may take is decided by the (immutable) slot of the entry and by who asks.
bool Replica::removable(const Entry& entry, bool trim, const Origin& by) const {
    if (is_mesh_key(entry.key())) return false;
    if (entry.type() == Type::counter) return entry.origin == &by || mutant(Mutant::removes_others_counters);
    if (entry.type() == Type::journal) return trim || mutant(Mutant::removes_journal_entries);
    return true;
}

/// An entry that the body removes and whose place one of its puts may take at once: the usual case of an overwrite.
/// O(log) of the body's removals.
Handle Replica::superseded(const Changeset& changeset, const Body& body, const HashedSlot& slot,
                           const Origin& by) const {
    const auto first = slot.slot.type == Type::journal ? 0 : state_.entries(slot).first();
    if (first == 0) return 0;
    const auto& entry = state_.at(first);
    if (mutant(Mutant::put_takes_any_place)) return first;
    std::uint32_t place = 0;
    if (entry.origin != &by) {
        const auto& refs = changeset.refs;
        const auto ref = std::lower_bound(refs.begin(), refs.end(), entry.origin->id);
        if (ref == refs.end() || *ref != entry.origin->id) return 0;
        place = 1 + std::uint32_t(ref - refs.begin());
    }
    const auto before = [](const Removal& a, std::uint32_t b) { return !a.trim && a.place < b; };
    const auto removal = std::lower_bound(body.removals.begin(), body.removals.end(), place, before);
    if (removal == body.removals.end() || removal->trim || removal->place != place) return 0;
    const auto runs = body.runs_of(*removal);
    const auto run =
        std::lower_bound(runs.begin(), runs.end(), entry.seq, [](const DotRun& a, Seq seq) { return a.last() < seq; });
    return run != runs.end() && run->first <= entry.seq && removable(entry, false, by) ? first : 0;
}

void Replica::remove_run(const Origin& origin, const DotRun& run, bool trim, const Origin& by, Changes& changes) {
    origin.live.each(run.first, run.last(), [&](Seq, Handle handle) {
        const auto& entry = state_.at(handle);
        if (!removable(entry, trim, by)) return;
        if (gathers_) changes.push_back({Slot(entry.slot()), std::nullopt});
        state_.remove(handle);
    });
}

namespace {
Stamp saturating_add(Stamp a, Stamp b) {
    return b > std::numeric_limits<Stamp>::max() - a && !mutant(Mutant::stamps_wrap) ? UINT64_MAX : a + b;
}
}  // namespace

Changes Replica::apply(const Changeset& changeset, const Body* body) {
    STARLING_ASSERT(transaction_ == nullptr, "changesets are applied between transactions");
    STARLING_ASSERT(state_.seen(changeset.origin) + 1 == changeset.first && !missing(changeset, body),
                    "only a deliverable changeset is applied");
    Changes changes;
    auto& origin = state_.touch(changeset.origin);
    auto last_stamp = origin.last_stamp;
    if (body != nullptr) {
        for (const auto& put : body->puts) {
            last_stamp = saturating_add(origin.last_stamp, put.stamp_offset);
            if (is_void_slot(body->slot(put))) continue;
            const auto slot = state_.hashed(body->slot(put));
            const auto instead = superseded(changeset, *body, slot, origin);
            const auto handle = state_.make(slot.slot, body->value(put));
            state_.admit(handle, instead, origin, put.seq, slot.hash, last_stamp, changeset.depth, true);
            if (instead != 0) state_.release(instead);
            if (gathers_) changes.push_back(change_of(state_.at(handle)));
        }
        for (const auto& removal : body->removals) {
            const auto* from = removal.place == 0 ? &origin : state_.origin(changeset.refs[removal.place - 1]);
            if (from == nullptr) continue;  // nothing of it lives
            for (const auto& run : body->runs_of(removal)) remove_run(*from, run, removal.trim, origin, changes);
        }
    }
    if (body != nullptr || !mutant(Mutant::void_takes_no_dots)) state_.raise(origin, changeset.last(), last_stamp);
    for (const auto& dep : changeset.deps) {
        auto head = heads_.find(dep.replica);
        if (head != heads_.end() && head->second.last <= dep.seq && !mutant(Mutant::covered_heads_stay))
            heads_.erase(head);
    }
    heads_[changeset.origin] = {changeset.last(), changeset.depth};
    if (!mutant(Mutant::depth_is_not_learnt)) depth_ = std::max(depth_, changeset.depth);
    state_.rest();
    tidy(changes);
    return changes;
}

void Replica::prefetch(std::span<const Body* const> bodies) const {
    std::array<std::uint32_t, prefetched_max> hashes;
    std::size_t count = 0;
    for (const auto* body : bodies) {
        for (const auto& put : body->puts) {
            if (count == prefetched_max) break;
            state_.prefetch_slot(hashes[count++] = state_.hashed(body->slot(put)).hash);
        }
    }
    for (std::size_t i = 0; i < count; ++i) state_.prefetch_entry(hashes[i]);
    for (std::size_t i = 0; i < count; ++i) state_.prefetch_dot(hashes[i]);
}

void Replica::check() const {
    state_.check();
    for (const auto& [id, head] : heads_) {
        STARLING_ASSERT(head.last > 0 && head.last <= state_.seen(id), "a head is applied");
        STARLING_ASSERT(head.depth <= depth_, "no head lies deeper than the depth");
    }
    state_.each_origin([&](const Origin& origin) {
        const Seq top = window_ && origin.id == *self_ ? window_->next - 1 : origin.seen;
        STARLING_ASSERT(origin.live.top() <= top, "a live entry is covered, or in the window");
    });
    if (window_) {
        STARLING_ASSERT(window_->first == state_.seen(*self_) + 1 && window_->next > window_->first,
                        "the window begins where the version ends");
        for (const auto& removed : window_->removed) {
            STARLING_ASSERT(removed.origin->id != *self_ || removed.seq < window_->first,
                            "dots born in the window are not named as removed");
        }
    }
}

}  // namespace starling::crdt
