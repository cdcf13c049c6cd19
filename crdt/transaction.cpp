#include "crdt/transaction.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/limits.hpp"

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
           (replica.window_ && replica.window_->removed.size() + transaction_refs_max > changeset_refs_max);
}

Transaction::Transaction(Replica& replica, Stamp stamp) : replica_(replica), stamp_(stamp) {
    STARLING_ASSERT(replica.self_, "a life begins before the first write");
    STARLING_ASSERT(!replica.in_transaction_, "transactions do not nest");
    STARLING_ASSERT(!must_cut_first(replica), "a full window is cut before a transaction");
    replica.in_transaction_ = true;
    if (!replica.window_) {
        const auto first = replica.state_.seen(*replica.self_) + 1;
        replica.window_ = Replica::Window{first, first, {}, 0};
        opened_window_ = true;
    }
    first_ = next_ = replica.window_->next;
}

Transaction::~Transaction() {
    if (live_) rollback();
}

void Transaction::fail(Fault fault) {
    if (!fault_) fault_ = std::move(fault);
}

bool Transaction::valid(const Slot& slot, const Bytes& value) {
    if (fault_) return false;
    if (is_mesh_key(slot.key)) {
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

void Transaction::insert(Slot slot, Bytes value) {
    auto& own = replica_.state_.touch(*replica_.self_);
    const auto seq = next_++;
    undo_.emplace_back(Inserted{seq});
    const auto depth = std::min(depth_max, replica_.depth_ + 1);
    replica_.state_.insert(own, seq, std::move(slot), stamp_, depth, std::move(value));
}

void Transaction::remove(const Entry& entry, bool trim) {
    auto& window = *replica_.window_;
    const auto dot = entry.dot();
    const bool named = dot.replica != *replica_.self_ || dot.seq < window.first;
    const Replica::RemovalKey key{trim, dot.replica};
    if (named) {
        if (!window.removed.contains(key) && ++refs_ > transaction_refs_max)
            return fail({FaultCode::too_large, "a transaction removes what at most 2048 replicas wrote"});
        window.removed[key].insert(dot.seq);
    }
    auto removed = replica_.state_.remove(replica_.state_.touch(dot.replica), dot.seq);
    undo_.emplace_back(Removed{std::move(*removed), named, trim});
}

void Transaction::put(Slot slot, Bytes value) {
    if (!valid(slot, value)) return;
    const auto observed = replica_.state_.entries(slot);  // a copy: removing edits the original
    if (!reserve(put_overhead_bytes + slot.key.size() + slot.field.size() + value.size() +
                 observed.size() * removal_overhead_bytes))
        return;
    for (const auto* entry : observed) remove(*entry, false);
    insert(std::move(slot), std::move(value));
}

const Entry* Transaction::own_entry(const Slot& slot) const {
    for (const auto* entry : replica_.state_.entries(slot)) {
        if (entry->origin->id == *replica_.self_) return entry;
    }
    return nullptr;
}

void Transaction::put_own(Slot slot, Bytes value) {
    if (!valid(slot, value) ||
        !reserve(put_overhead_bytes + removal_overhead_bytes + slot.key.size() + slot.field.size() + value.size()))
        return;
    if (const auto* mine = own_entry(slot)) remove(*mine, false);
    insert(std::move(slot), std::move(value));
}

void Transaction::append(Bytes key, Bytes value) {
    Slot slot{Type::journal, std::move(key), packed_nil()};
    if (valid(slot, value) && reserve(put_overhead_bytes + slot.key.size() + value.size()))
        insert(std::move(slot), std::move(value));
}

void Transaction::drop(const Slot& slot) {
    if (!valid(slot, packed_nil())) return;
    const auto observed = replica_.state_.entries(slot);
    if (observed.empty() || !reserve(observed.size() * removal_overhead_bytes)) return;
    for (const auto* entry : observed) remove(*entry, false);
    ++next_;
}

void Transaction::trim(BytesView key, const Dot& last) {
    if (!valid({Type::journal, Bytes(key), packed_nil()}, packed_nil())) return;
    const auto& journal = replica_.state_.journal(key);
    const auto* end = replica_.state_.find(last);
    if (end == nullptr || !journal.contains(end)) return fail({FaultCode::not_available, "no such journal entry"});
    std::vector<const Entry*> observed(journal.begin(), std::next(journal.find(end)));
    if (!reserve(observed.size() * removal_overhead_bytes)) return;
    for (const auto* entry : observed) remove(*entry, true);
    ++next_;
}

Result<Changes> Transaction::commit() {
    if (fault_) {
        rollback();
        return *fault_;
    }
    Changes changes;
    for (const auto& step : undo_) {
        if (const auto* removed = std::get_if<Removed>(&step)) {
            changes.push_back({removed->entry.slot, std::nullopt});
        } else if (const auto* entry = replica_.state_.find({*replica_.self_, std::get<Inserted>(step).seq})) {
            const bool journal = entry->slot.type == Type::journal;
            changes.push_back({entry->slot, journal ? std::optional(entry->dot()) : std::nullopt});
        }
    }
    std::sort(changes.begin(), changes.end());
    changes.erase(std::unique(changes.begin(), changes.end()), changes.end());
    replica_.window_->next = next_;
    replica_.window_->bytes += bytes_;
    if (next_ == first_ && opened_window_) replica_.window_.reset();  // it wrote nothing
    replica_.in_transaction_ = live_ = false;
    return changes;
}

void Transaction::rollback() {
    auto& own = replica_.state_.touch(*replica_.self_);
    for (auto step = undo_.rbegin(); step != undo_.rend(); ++step) {
        if (const auto* inserted = std::get_if<Inserted>(&*step)) {
            replica_.state_.remove(own, inserted->seq);
            continue;
        }
        auto& removed = std::get<Removed>(*step);
        if (removed.named) {
            const auto at = replica_.window_->removed.find({removed.trim, removed.entry.origin->id});
            at->second.erase(removed.entry.seq);
            if (at->second.empty()) replica_.window_->removed.erase(at);
        }
        replica_.state_.insert(std::move(removed.entry));
    }
    undo_.clear();
    if (opened_window_) replica_.window_.reset();
    replica_.in_transaction_ = live_ = false;
}

}  // namespace starling::crdt
