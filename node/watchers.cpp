#include "node/watchers.hpp"

#include <algorithm>
#include <map>

#include "crdt/assert.hpp"
#include "crdt/views.hpp"
#include "node/convert.hpp"

namespace starling::detail {

namespace {

// Which Watchers' thread this is, if any.
thread_local const Watchers* home_of_thread = nullptr;

/// Groups what belongs to one journal, reads the present values, and counts what it costs to keep.
class Collector {
  public:
    explicit Collector(const crdt::State& state) : state_(state) {}

    void add(const crdt::Change& change) {
        const auto& slot = change.slot;
        if (slot.type == crdt::Type::journal) return add_journal(change);
        const auto reading = crdt::reading(state_, slot);
        bytes_ += watch_change_bytes + slot.key.size() + slot.field.size() + (reading ? reading->size() : 0);
        list_.push_back({to_public(slot.type),
                         slot.key,
                         to_value(slot.field),
                         reading ? std::optional(to_value(*reading)) : std::nullopt,
                         {}});
    }
    std::size_t bytes() const { return bytes_; }
    std::vector<Change> take() {
        end_journal();
        return std::move(list_);
    }

  private:
    void add_journal(const crdt::Change& change) {
        const auto& key = change.slot.key;
        if (journal_ == nullptr || *journal_ != key) {
            end_journal();
            journal_ = &key;
            bytes_ += watch_change_bytes + key.size();
        }
        if (const auto* entry = change.appended ? state_.find(*change.appended) : nullptr; entry != nullptr) {
            appended_.push_back(entry);
            bytes_ += watch_change_bytes + entry->value_size;
        }
    }
    void end_journal() {
        if (journal_ == nullptr) return;
        std::sort(appended_.begin(), appended_.end(), crdt::CausalOrder());
        auto& change = list_.emplace_back(Change{Type::journal, *journal_, {}, {}, {}});
        for (const auto* entry : appended_)
            change.appended.push_back(
                {to_public(entry->dot()), to_public_stamp(entry->stamp), to_value(entry->value())});
        journal_ = nullptr;
        appended_.clear();
    }

    const crdt::State& state_;
    std::vector<Change> list_;
    std::size_t bytes_ = 0;
    const crdt::Bytes* journal_ = nullptr;
    std::vector<const crdt::Entry*> appended_;
};

}  // namespace

bool Watcher::wants(const crdt::Slot& slot) const {
    if (slot.type == crdt::trim_mark) return false;
    if (crdt::is_mesh_key(slot.key) && !crdt::is_mesh_key(prefix)) return false;  // the mesh's own
    if (reads_itself && slot.type != crdt::Type::journal) return false;
    if (only) return to_public(slot.type) == *only && slot.key == prefix;
    return slot.key.starts_with(prefix);
}

Watchers::~Watchers() {
    stop();
}

std::shared_ptr<Watcher> Watchers::add(std::string prefix, std::optional<Type> only,
                                       std::function<void(const Changes&)> changed) {
    std::shared_ptr<Watcher> watcher(
        new Watcher{weak_from_this(), std::move(prefix), only, std::move(changed), true, false, 0});
    const std::lock_guard lock(mutex_);
    watchers_.push_back(watcher);
    start();
    return watcher;
}

std::shared_ptr<Watcher> Watchers::add_reader(std::string prefix, bool exact,
                                              std::function<void(const Changes&)> changed) {
    const auto only = exact ? std::optional(Type::journal) : std::nullopt;
    std::shared_ptr<Watcher> watcher(
        new Watcher{weak_from_this(), std::move(prefix), only, std::move(changed), true, false, 0, true});
    const std::lock_guard lock(mutex_);
    watchers_.push_back(watcher);
    push_overflow(watcher);
    start();
    return watcher;
}

void Watchers::read_again(const std::shared_ptr<Watcher>& watcher) {
    const std::lock_guard lock(mutex_);
    if (watcher->live && !watcher->overflowed && !stopping_) push_overflow(watcher);
}

void Watchers::remove(Watcher& watcher, bool may_wait) noexcept {
    std::unique_lock lock(mutex_);
    watcher.live = false;
    std::erase_if(watchers_, [&](const auto& w) { return w.get() == &watcher; });
    std::erase_if(jobs_, [&](const Job& job) { return job.watcher.get() == &watcher; });
    watcher.bytes = 0;
    if (may_wait && home_of_thread != this) idle_.wait(lock, [&] { return running_ != &watcher; });
}

void Watchers::happened(const Happened& what) {
    const std::lock_guard lock(mutex_);
    for (const auto& watcher : watchers_) {
        if (watcher->overflowed) continue;
        if (watcher->reads_itself) {
            if (std::ranges::any_of(what.changes, [&](const auto& change) { return watcher->wants(change.slot); }))
                push_overflow(watcher);
            continue;
        }
        Collector collector(what.state);
        for (const auto& change : what.changes) {
            if (watcher->wants(change.slot)) collector.add(change);
            if (collector.bytes() > watch_queue_bytes_max) break;  // it will not be kept
        }
        if (collector.bytes() > 0) push(watcher, {collector.take(), what.origin, what.local, false}, collector.bytes());
    }
}

void Watchers::push(const std::shared_ptr<Watcher>& watcher, Changes changes, std::size_t bytes) {
    if (watcher->bytes + bytes > watch_queue_bytes_max) return push_overflow(watcher);
    watcher->bytes += bytes;
    jobs_.push_back({watcher, std::move(changes), bytes, {}});
    work_.notify_one();
}

void Watchers::push_overflow(const std::shared_ptr<Watcher>& watcher) {
    watcher->overflowed = true;
    jobs_.push_back({watcher, {{}, {}, false, true}, 0, {}});
    work_.notify_one();
}

bool Watchers::post(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    if (tasks_ == tasks_max) return false;
    ++tasks_;
    jobs_.push_back({nullptr, {}, 0, std::move(task)});
    start();
    work_.notify_one();
    return true;
}

bool Watchers::on_watcher_thread() const {
    return home_of_thread == this;
}

void Watchers::start() {
    if (thread_.joinable() || stopping_) return;
    // The thread keeps its home alive: the last owner may be a callback.
    thread_ = std::thread([self = shared_from_this()] { self->run(); });
}

void Watchers::run() {
    home_of_thread = this;
    for (Job job; next(job); job = {}) perform(job);
}

bool Watchers::next(Job& job) {
    std::unique_lock lock(mutex_);
    running_ = nullptr;
    idle_.notify_all();
    work_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return false;
    job = std::move(jobs_.front());
    jobs_.pop_front();
    if (job.watcher) {
        running_ = job.watcher.get();
        job.watcher->bytes -= job.bytes;
        if (job.changes.overflow) job.watcher->overflowed = false;  // what comes from here on is queued again
    } else {
        --tasks_;
    }
    return true;
}

void Watchers::perform(Job& job) noexcept {
    try {
        if (job.watcher) {
            job.watcher->changed(job.changes);
        } else {
            job.task();
        }
    } catch (const std::exception& error) {
        report_(std::string("a watcher threw: ") + error.what());
    } catch (...) {
        report_("a watcher threw something that is no std::exception");
    }
}

void Watchers::stop() noexcept {
    std::thread thread;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        jobs_.clear();
        tasks_ = 0;
        for (const auto& watcher : watchers_) watcher->bytes = 0;
        thread = std::move(thread_);
        work_.notify_all();
    }
    if (!thread.joinable()) return;
    if (home_of_thread == this) {
        thread.detach();  // it ends when the callback returns
    } else {
        thread.join();
    }
}

void Watchers::check() const {
    const std::lock_guard lock(mutex_);
    std::map<const Watcher*, std::size_t> bytes;
    std::size_t tasks = 0;
    for (const auto& job : jobs_) {
        if (job.watcher) {
            bytes[job.watcher.get()] += job.bytes;
            STARLING_ASSERT(job.watcher->live, "nothing is queued for a dead watcher");
        } else {
            ++tasks;
        }
    }
    STARLING_ASSERT(tasks == tasks_ && tasks <= tasks_max, "queued tasks are counted and bounded");
    for (const auto& watcher : watchers_) {
        STARLING_ASSERT(watcher->bytes == bytes[watcher.get()], "a watcher's queued bytes are those of its jobs");
        STARLING_ASSERT(watcher->bytes <= watch_queue_bytes_max, "what waits for a watcher is bounded");
    }
}

}  // namespace starling::detail
