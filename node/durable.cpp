// The heart of an open node, as far as the disk is concerned: what it is given, what waits for it, and what becomes of
// writers when it fails.
#include <algorithm>
#include <iterator>

#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling::detail {

namespace {
constexpr std::size_t unstored_bytes_most = 256 * 1024 * 1024;  // while the disk is full; past it the store is given up
}  // namespace

// -- what the storage thread asks for
// ------------------------------------------------------------------------------------

std::optional<store::Batch> Core::taken(std::optional<store::Batch> batch) {
    if (batch) taken_bytes_ = unstored_bytes_;
    return batch;
}

/// What a voter answered is durable before it leaves: its writes share the next commit, or are one of their own.
std::optional<store::Batch> Core::with_promises(std::optional<store::Batch> batch) {
    peers_batch_ = batch.has_value();
    auto writes = agreement_->take_writes();
    if (writes.empty()) return batch;
    if (!batch) batch.emplace();
    std::move(writes.begin(), writes.end(), std::back_inserter(batch->items));
    return batch;
}

std::optional<store::Batch> Core::next_batch() {
    return with_promises(peers_batch());
}
std::optional<store::Batch> Core::last_batch() {
    return with_promises(peers_last_batch());
}

/// Who waits for the disk gains nothing by waiting for the window: it ends when the disk is ready for the next batch,
/// so that all who came until then share a sync.
std::optional<store::Batch> Core::peers_batch() {
    std::optional<store::Batch> batch;
    {
        const std::lock_guard lock(mutex_);
        const bool cut = (durable_top_.awaited() || !promised_.empty()) && peer_->replica().window_open();
        if (cut) feed(gossip::Flush{});
        batch = taken(peer_->take_batch(present()));
        if (!cut || batch) return batch;  // what the cut brought about goes out when the batch is committed, or refused
    }
    network_->written();
    return batch;
}

/// The network thread has ended: what comes out goes nowhere.
std::optional<store::Batch> Core::peers_last_batch() {
    const std::lock_guard lock(mutex_);
    feed(gossip::Flush{});
    return taken(peer_->take_last_batch(present()));
}

void Core::committed(store::Place place) {
    agreement_->written();
    if (!peers_batch_) return;
    {
        const std::lock_guard lock(mutex_);
        unstored_bytes_ -= std::exchange(taken_bytes_, 0);
        feed(gossip::DurableUpTo{place});
        keep_promises();
        publish_durable();
    }
    network_->written();
}

bool Core::disk_refused(const store::StoreFault& fault) {
    const bool goes_on = writers_refused(fault);
    if (!goes_on) agreement_->disk_failed();
    return goes_on;
}

bool Core::writers_refused(const store::StoreFault& fault) {
    const std::lock_guard lock(mutex_);
    auto error = error_of(fault);
    // What others write comes in all the same, and cannot wait in memory without a bound.
    const bool over = !store::may_pass(fault.code) || unstored_bytes_ > unstored_bytes_most;
    if (over && error.errc() == Errc::disk_full)
        error = Error(Errc::disk_failed, fault.what + ", for too long: open the node again once there is");
    // A disk that stays full is asked again and again, and told of once.
    if (!disk_trouble_ || disk_trouble_->errc() != error.errc()) log_(LogLevel::error, error.what());
    if (over) taken_bytes_ = unstored_bytes_ = 0;
    disk_trouble_ = std::move(error);
    peer_->refuse_writes(fault.what);
    keep_promises();
    changed();
    publish_durable();
    network_->written();
    return !over;
}

void Core::disk_recovered() {
    const std::lock_guard lock(mutex_);
    log_(LogLevel::info, "the disk takes writes again");
    disk_trouble_.reset();
    peer_->refuse_writes({});
    publish_durable();
}

/// The lock is held.
void Core::publish_durable() {
    const auto& self = peer_->replica().self();
    durable_top_.publish(self ? crdt::Dot{*self, peer_->durable_seen(*self)} : crdt::Dot{},
                         disk_trouble_ || store_closed_);
}

// -- waiting for the disk
// -------------------------------------------------------------------------------------------------

/// Nothing while it may still become durable.
std::optional<Error> Core::why_not_durable(const crdt::Dot& last) const {
    if (peer_->durable(last)) return {};
    if (disk_trouble_) return disk_trouble_;
    if (store_closed_) return Error(Errc::closed);
    return {};
}

bool Core::settled(const crdt::Dot& last) const {
    return peer_->durable(last) || why_not_durable(last);
}

bool Core::wait_durable(const crdt::Dot& last, std::chrono::milliseconds timeout) {
    if (!storage_) throw Error(Errc::not_durable);
    require_not_changing();
    if (inside_transaction()) throw Error(Errc::would_deadlock);
    if (durable_top_.covers(last)) return true;
    const auto until = std::chrono::steady_clock::now() + std::min<std::chrono::milliseconds>(timeout, wait_max);
    const auto known = [&] {
        const std::lock_guard lock(mutex_);
        return settled(last);
    };
    const bool in_time = durable_top_.wait(last, until, [&] { storage_->work(); }, known);
    if (in_time && durable_top_.covers(last)) return true;
    const std::lock_guard lock(mutex_);
    if (const auto error = why_not_durable(last)) throw Error(*error);
    return peer_->durable(last);
}

std::future<void> Core::when_durable(const crdt::Dot& last) {
    if (!storage_) throw Error(Errc::not_durable);
    require_not_changing();
    if (inside_transaction()) throw Error(Errc::would_deadlock);
    const std::lock_guard lock(mutex_);
    promised_.push_back({last, {}});
    auto future = promised_.back().promise.get_future();
    keep_promises();
    if (!promised_.empty()) storage_->work();
    return future;
}

/// Of those whose time has come. The lock is held.
void Core::keep_promises() {
    std::erase_if(promised_, [&](Promised& promised) {
        if (!settled(promised.last)) return false;
        if (const auto error = why_not_durable(promised.last))
            promised.promise.set_exception(std::make_exception_ptr(Error(*error)));
        else
            promised.promise.set_value();
        return true;
    });
}

/// Back-pressure: writers do not run ahead of a slow disk without a bound. One that fails or is full refuses them.
void Core::wait_for_the_disk(std::unique_lock<FairMutex>& lock) {
    const auto may_go_on = [&] { return closed_ || disk_trouble_ || unstored_bytes_ <= unstored_bytes_max_; };
    if (may_go_on()) return;
    ++waiters_;
    changed_.wait(lock, may_go_on);
    --waiters_;
}

// -- closing, and copies
// --------------------------------------------------------------------------------------------------

void Core::settle_store() {
    if (storage_) storage_->drain();
}

void Core::store_is_closed() {
    const std::lock_guard lock(mutex_);
    store_closed_ = true;
    keep_promises();
    changed();
    publish_durable();
}

void Core::backup(const std::filesystem::path& file) {
    if (!storage_) throw Error(Errc::not_durable);
    require_not_changing();
    if (inside_transaction()) throw Error(Errc::would_deadlock);
    require_open();
    const auto done = storage_->backup(file.string());
    if (!done) throw Error(error_of(done.fault()));
}

}  // namespace starling::detail
