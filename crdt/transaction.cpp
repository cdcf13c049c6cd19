#include "crdt/transaction.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

namespace {

// Upper bounds of what an operation adds to a body and its header, so that a transaction fails before it takes a dot.
constexpr std::size_t put_overhead_bytes = 40;
constexpr std::size_t removal_overhead_bytes = 2 * 9 + 12 + 5;  // a run, and a group for itself
constexpr std::uint64_t transaction_dots_max = changeset_dots_max / 2;

}  // namespace

bool Transaction::must_cut_first(const Replica& replica) {
    return replica.window_bytes() + transaction_bytes_max > changeset_bytes_max ||
           replica.window_dots() + transaction_dots_max > changeset_dots_max ||
           (replica.window_ && replica.window_->named.size() + transaction_refs_max > changeset_refs_max);
}

Transaction::Transaction(Replica& replica, Stamp stamp)
    : replica_(replica), origin_(replica.state_.touch(replica.self_.value_or(ReplicaId{}))), stamp_(stamp) {
    STARLING_ASSERT(replica.self_, "a life begins before the first write");
    STARLING_ASSERT(replica.transaction_ == nullptr, "transactions do not nest");
    STARLING_ASSERT(!must_cut_first(replica), "a full window is cut before a transaction");
    replica.transaction_ = this;
    if (!replica.window_) {
        replica.window_ = Replica::Window{origin_.seen + 1, origin_.seen + 1, {}, {}, 0};
        opened_window_ = true;
    }
    first_ = next_ = replica.window_->next;
    named_before_ = replica.window_->named.size();
}

Transaction::~Transaction() {
    if (live_) rollback();
}

void Transaction::fail(Fault fault) {
    if (!fault_) fault_ = std::move(fault);
}

bool Transaction::valid(const SlotView& slot, BytesView value, bool mesh) {
    if (fault_) return false;
    if (is_mesh_key(slot.key) && !mesh) {
        fail({FaultCode::refused, "keys below $mesh/ belong to the mesh"});
    } else if (slot.key.empty() || slot.key.size() > key_bytes_max) {
        fail({FaultCode::too_large, "a key has 1 to 1024 bytes"});
    } else if (!canonical_field(slot.field)) {
        fail({FaultCode::malformed, "a field is one canonical scalar of at most 4096 bytes"});
    } else if (value.size() > value_bytes_max) {
        fail({FaultCode::too_large, "a value has at most 192 KiB"});
    } else if (!valid_value(value)) {
        fail({FaultCode::malformed, "a value is one MessagePack item, nested at most 32 deep"});
    }
    return !fault_;
}

bool Transaction::reserve(std::size_t bytes) {
    if (fault_) return false;
    bytes_ += bytes;
    if (bytes_ > transaction_bytes_max || next_ - first_ >= transaction_dots_max)
        fail({FaultCode::too_large, "the transaction exceeds 256 KiB or 32768 operations"});
    return !fault_;
}

// -- puts and drops: queued, then run
// ------------------------------------------------------------------------------------

void Transaction::enqueue(const SlotView& slot, BytesView value, bool put) {
    if (tail_ - head_ == queue_max) run_next();
    auto& state = replica_.state_;
    const auto at = [this](unsigned back) { return queue_[(tail_ - back) % queue_max].hash; };
    queue_[tail_++ % queue_max] = {state.make(slot, value), state.hashed(slot).hash, put};
    state.prefetch_slot(at(1));
    if (tail_ - head_ > entry_after) state.prefetch_entry(at(1 + entry_after));
    if (tail_ - head_ > dot_after) state.prefetch_dot(at(1 + dot_after));
}

void Transaction::run_next() {
    const auto operation = queue_[head_++ % queue_max];
    const HashedSlot slot{replica_.state_.at(operation.entry).slot(), operation.hash};
    if (operation.put) {
        run_put(operation.entry, slot);
    } else {
        run_drop(slot);
        replica_.state_.release(operation.entry);
    }
}

void Transaction::put(const SlotView& slot, BytesView value) {
    if (slot.type == Type::counter && !mutant(Mutant::counter_takes_all))
        return put_own(slot, value);  // other replicas' entries are theirs (rule 4)
    if (slot.type == Type::journal) return append(slot.key, slot.field, value);  // whose entries go by trims alone
    if (valid(slot, value) && reserve(put_overhead_bytes + slot.key.size() + slot.field.size() + value.size()))
        enqueue(slot, value, true);
}

void Transaction::drop(const SlotView& slot) {
    if (slot.type == Type::counter) return fail({FaultCode::refused, "a counter is not erased"});
    if (slot.type == Type::journal) return fail({FaultCode::refused, "a journal is trimmed, not erased"});
    if (valid(slot, packed_nil())) enqueue(slot, {}, false);
}

namespace {
std::size_t count_of(const SlotEntries& entries) {
    return std::size_t(std::distance(entries.begin(), entries.end()));
}
}  // namespace

void Transaction::run_put(Handle fresh, const HashedSlot& slot) {
    auto& state = replica_.state_;
    SlotEntries observed = state.entries(slot);
    auto left = mutant(Mutant::put_keeps_observed) ? 0 : count_of(observed);
    if (!reserve(left * removal_overhead_bytes)) return state.release(fresh);
    for (; left > 1; --left) {
        if (!remove(observed.first(), false)) return state.release(fresh);
        observed = state.entries(slot);
    }
    const Handle instead = left == 1 ? observed.first() : 0;
    if (instead != 0 && !note_removed(instead, false)) return state.release(fresh);
    admit(fresh, instead, slot.hash);
}

void Transaction::run_drop(const HashedSlot& slot) {
    SlotEntries observed = replica_.state_.entries(slot);
    if (observed.empty() || !reserve(count_of(observed) * removal_overhead_bytes)) return;
    for (; !observed.empty(); observed = replica_.state_.entries(slot)) {
        if (!remove(observed.first(), false)) return;
        if (mutant(Mutant::drop_takes_one)) break;
    }
    if (!mutant(Mutant::removing_takes_no_dot)) ++next_;
}

void Transaction::admit(Handle fresh, Handle instead, std::uint32_t slot_hash) {
    const auto depth = std::min(depth_max, replica_.depth_ + 1);
    replica_.state_.admit(fresh, instead, origin_, next_++, slot_hash, stamp_, depth, false);
    steps_.push_back({fresh, true, false});
}

/// What the window and a rollback must know of an entry that is about to go.
bool Transaction::note_removed(Handle handle, bool trim) {
    auto& window = *replica_.window_;
    const auto& entry = replica_.state_.at(handle);
    auto& origin = replica_.state_.origin_of(entry);
    const bool other = &origin != &origin_;
    if (other && !origin.named) {
        if (window.named.size() - named_before_ >= transaction_refs_max) {
            fail({FaultCode::too_large, "a transaction removes what at most 2048 replicas wrote"});
            return false;
        }
        origin.named = true;
        replica_.state_.pin(origin);
        window.named.push_back(&origin);
    }
    const bool named = (other || entry.seq < window.first) && !mutant(Mutant::removals_are_forgotten);
    if (named) window.removed.push_back({&origin, entry.seq, trim});
    steps_.push_back({handle, false, named});
    return true;
}

bool Transaction::remove(Handle handle, bool trim) {
    if (!note_removed(handle, trim)) return false;
    replica_.state_.detach(handle);
    return true;
}

// -- what needs no queue
// --------------------------------------------------------------------------------------------------

const Entry* Transaction::own_entry(const HashedSlot& slot) {
    settle();
    const auto handle = replica_.state_.own_counter(slot);
    return handle == 0 ? nullptr : &replica_.state_.at(handle);
}

void Transaction::put_own(const SlotView& slot, BytesView value) {
    put_own(hashed(slot), value);
}

void Transaction::put_own(const HashedSlot& slot, BytesView value) {
    if (mutant(Mutant::counter_takes_all)) return put(slot.slot, value);
    settle();
    if (!valid(slot.slot, value) || !reserve(put_overhead_bytes + removal_overhead_bytes + slot.slot.key.size() +
                                             slot.slot.field.size() + value.size()))
        return;
    const auto fresh = replica_.state_.make(slot.slot, value);  // first: it may find no memory
    const auto mine = replica_.state_.own_counter(slot);
    if (mine != 0 && !note_removed(mine, false)) return replica_.state_.release(fresh);
    admit(fresh, mine, slot.hash);
}

void Transaction::append(BytesView key, BytesView field, BytesView value) {
    settle();
    const SlotView slot{Type::journal, key, field};
    if (!valid(slot, value) || !reserve(put_overhead_bytes + key.size() + field.size() + value.size())) return;
    // Without a name of its own an entry is in no table.
    const auto hash = field == packed_nil() ? 0 : replica_.state_.hashed(slot).hash;
    admit(replica_.state_.make(slot, value), 0, hash);
}

void Transaction::publish(BytesView key, BytesView field, BytesView value) {
    settle();
    STARLING_ASSERT(key.starts_with(mesh_key_prefix), "only the mesh's own keys are published under");
    const SlotView slot{Type::map, key, field};
    if (!valid(slot, value, true) || !reserve(put_overhead_bytes + key.size() + field.size() + value.size())) return;
    admit(replica_.state_.make(slot, value), 0, replica_.state_.hashed(slot).hash);
}

void Transaction::trim(BytesView key, const Dot& last) {
    settle();
    if (!valid({Type::journal, key, packed_nil()}, packed_nil())) return;
    const auto& journal = replica_.state_.journal(key);
    const auto* end = replica_.state_.find(last);
    if (end == nullptr || !journal.contains(end)) return fail({FaultCode::not_available, "no such journal entry"});
    const std::vector<const Entry*> observed(journal.begin(),
                                             std::next(journal.find(end), mutant(Mutant::trim_leaves_last) ? 0 : 1));
    if (!reserve(observed.size() * removal_overhead_bytes)) return;
    for (const auto* entry : observed) {
        if (!remove(entry->origin->live.find(entry->seq), true)) return;
    }
    ++next_;
}

/// What changed, and an end to what was kept aside.
Changes Transaction::finish() {
    Changes changes;
    for (const auto& step : steps_) {
        const auto& entry = replica_.state_.at(step.entry);
        if (!step.came) {
            if (replica_.gathers_) changes.push_back({Slot(entry.slot()), std::nullopt});
            replica_.state_.release(step.entry);
        } else if (replica_.gathers_ && origin_.live.find(entry.seq) != 0) {
            changes.push_back(change_of(entry));
        }
    }
    tidy(changes);
    return changes;
}

Result<Changes> Transaction::commit() {
    settle();
    if (fault_) {
        rollback();
        return *fault_;
    }
    replica_.window_->next = next_;
    replica_.window_->bytes += bytes_;
    if (next_ == first_ && opened_window_) replica_.window_.reset();  // it wrote nothing
    replica_.transaction_ = nullptr;
    live_ = false;
    return finish();
}

void Transaction::rollback() {
    for (; head_ != tail_; ++head_) replica_.state_.release(queue_[head_ % queue_max].entry);
    auto& window = *replica_.window_;
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
        if (step->came) {
            replica_.state_.remove(step->entry);
            continue;
        }
        if (step->named) window.removed.pop_back();
        if (!mutant(Mutant::rollback_restores_nothing)) replica_.state_.attach(step->entry);
    }
    steps_.clear();
    for (; window.named.size() > named_before_; window.named.pop_back()) {
        window.named.back()->named = false;
        replica_.state_.unpin(*window.named.back());
    }
    if (opened_window_) replica_.window_.reset();
    replica_.transaction_ = nullptr;
    live_ = false;
}

}  // namespace starling::crdt
