#include "node/storage.hpp"

#include <sodium.h>

#include "node/convert.hpp"
#include "node/network.hpp"
#include "node/sealer.hpp"
#include "peer/seal_check.hpp"

namespace starling::detail {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds disk_retry_ms{500};     // a disk without room is asked again this often
constexpr std::chrono::milliseconds store_figures_ms{200};  // how old figures may be
constexpr int copy_step_pages = 256;                        // between two commits; 1 MiB

}  // namespace

std::unique_ptr<store::Store> open_store(const std::filesystem::path& dir, bool create) {
    store::StoreOptions options;
    options.directory = dir.string();
    options.create = create;
    auto store = store::Store::open(options);
    if (!store) throw Error(error_of(store.fault()));
    return std::move(*store);
}

std::unique_ptr<peer::Peer> open_peer(peer::Options made, store::Store& store, const Options& options) {
    store::RecorderLimits limits;
    limits.log_bytes_max = made.limits.log_bytes_max;
    limits.log_age_us_max = made.limits.log_age_us_max;
    auto peer = peer::Peer::open(std::move(made), store, present(), limits, options.opening);
    if (!peer) throw Error(error_of(peer.fault()));
    return std::move(*peer);
}

peer::Voter open_voter(const crdt::NodeKey& self, store::Store* store, bool founds, crdt::Life in_memory) {
    if (store == nullptr) {
        peer::Voter voter(self, in_memory);
        if (founds && in_memory != 0) voter.found();
        return voter;
    }
    const auto random = [] {
        std::uint64_t life = 0;
        randombytes_buf(&life, sizeof life);
        return life;
    };
    auto voter = peer::Voter::open(self, *store, random, founds);
    if (!voter) throw Error(error_of(voter.fault()));
    return std::move(*voter);
}

void restore_store(const std::filesystem::path& backup, const std::filesystem::path& dir) {
    if (!std::filesystem::exists(backup)) throw Error(Errc::dir_unusable, backup.string() + ": there is no such file");
    store::StoreOptions options;
    options.directory = dir.string();
    const auto restored = store::Store::restore(backup.string(), options);
    if (!restored) throw Error(error_of(restored.fault()));
}

void check_store(const std::filesystem::path& dir) {
    const auto store = open_store(dir, false);
    if (const auto verified = store->verify(); !verified) throw Error(error_of(verified.fault()));
    if (const auto sound = peer::Voter::verify(*store); !sound) throw Error(error_of(sound.fault()));
    const auto sealed = peer::check_seals(*store, std::make_shared<const SealVerifier>());
    if (!sealed) throw Error(error_of(sealed.fault()));
}

Storage::Storage(StorageDriver& driver, std::unique_ptr<store::Store> store)
    : driver_(driver), store_(std::move(store)) {
    refresh(true);
}

Storage::~Storage() {
    stop();
}

void Storage::start() {
    thread_ = std::thread([this] { run(); });
}

void Storage::stop() {
    if (!thread_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

// -- other threads
// -------------------------------------------------------------------------------------------------------

void Storage::work() {
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(work_, true)) return;
    }
    changed_.notify_all();
}

void Storage::drain() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || blocked_ || (!work_ && !working_); });
}

store::Outcome<bool> Storage::backup(const std::string& path) {
    std::optional<store::Outcome<bool>> outcome;
    std::unique_lock lock(mutex_);
    if (stopping_) return store::StoreFault{store::StoreFaultCode::failed, "the node is closed"};
    copies_.push_back({path, &outcome});
    changed_.notify_all();
    changed_.wait(lock, [&] { return outcome.has_value(); });
    return std::move(*outcome);
}

StorageFigures Storage::figures() const {
    const std::lock_guard lock(mutex_);
    return figures_;
}

// -- the thread
// ----------------------------------------------------------------------------------------------------------

void Storage::run() {
    while (true) {
        {
            std::unique_lock lock(mutex_);
            working_ = false;
            changed_.notify_all();  // whoever drains
            const auto called = [&] { return stopping_ || work_ || !copies_.empty(); };
            // A batch that was refused is tried again without being called for; figures are brought up to date.
            if (refused_)
                changed_.wait_for(lock, disk_retry_ms, [&] { return stopping_ || !copies_.empty(); });
            else if (figures_.commits != sized_commits_)
                changed_.wait_for(lock, store_figures_ms, called);
            else
                changed_.wait(lock, called);
            if (stopping_) break;
            work_ = false;
            working_ = true;
        }
        // In turns, so that neither waits for all of the other.
        for (bool more = true; more;) {
            more = commit_one();
            more = copy_some() || more;
        }
        refresh(false);
    }
    // Who waits for a copy is told that there will be none, however far it came.
    while (true) {
        {
            const std::lock_guard lock(mutex_);
            if (copies_.empty()) break;
        }
        end_copy(store::StoreFault{store::StoreFaultCode::failed, "the node was closed before the copy was complete"});
    }
    if (refused_ && commit(*refused_)) refused_.reset();
    if (!over_ && !refused_) {
        if (const auto batch = driver_.last_batch()) commit(*batch);
    }
    store_.reset();
}

/// False where there was nothing to commit, or the disk did not take it.
bool Storage::commit_one() {
    if (!refused_) {
        // Also where the store is over: what is taken does not fill the memory.
        auto batch = driver_.next_batch();
        if (!batch || over_) return false;
        refused_ = std::move(batch);
    }
    const bool committed = commit(*refused_);
    if (committed || over_) refused_.reset();
    return committed;
}

bool Storage::commit(const store::Batch& batch) {
    if (over_) return false;
    const auto outcome = store_->commit(batch);
    bool recovered = false;
    {
        const std::lock_guard lock(mutex_);
        recovered = std::exchange(blocked_, !outcome) && outcome;
        if (outcome) ++figures_.commits;
    }
    if (outcome) {
        if (recovered) driver_.disk_recovered();
        driver_.committed(batch.place);
        return true;
    }
    over_ = !driver_.disk_refused(outcome.fault());
    changed_.notify_all();
    return false;
}

/// False where there is nothing to copy.
bool Storage::copy_some() {
    Copy* copy = nullptr;
    {
        const std::lock_guard lock(mutex_);
        if (copies_.empty() || stopping_) return false;
        copy = &copies_.front();  // stays: only this thread takes it out
    }
    if (!copy->backup) {
        auto begun = store_->backup(copy->path);
        if (!begun) return end_copy(begun.fault()), true;
        copy->backup.emplace(std::move(*begun));
    }
    const auto more = copy->backup->step(copy_step_pages);
    if (!more || !*more) end_copy(more ? store::Outcome<bool>(true) : more);
    return true;
}

/// Of the first; one that is not complete leaves no file.
void Storage::end_copy(const store::Outcome<bool>& outcome) {
    const std::lock_guard lock(mutex_);
    *copies_.front().outcome = outcome;
    copies_.pop_front();
    changed_.notify_all();
}

void Storage::refresh(bool now) {
    const auto time = Clock::now();
    if (!now && time - refreshed_ < store_figures_ms) return;
    refreshed_ = time;
    const auto size = store_->size();
    const std::lock_guard lock(mutex_);
    sized_commits_ = figures_.commits;
    if (size) figures_.size = *size;
}

}  // namespace starling::detail
