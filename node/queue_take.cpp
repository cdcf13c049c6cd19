// Taking jobs: leases whose workers are silent are ended, and the first jobs that nobody has are leased, in one change
// of the register, by whoever has applied what it asks for.
#include <algorithm>
#include <condition_variable>
#include <mutex>

#include <starling/queue.hpp>
#include <starling/watch.hpp>

#include "node/convert.hpp"
#include "node/queue_work.hpp"

namespace starling {

using detail::boot_us;
using detail::QueueWork;
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {

/// Jobs that are asked for beyond those that are wanted: others may take the first of them meanwhile.
constexpr std::size_t spare_jobs = 64;
/// How often a waiting taker looks whether leases still live: after an eighth of their time, in these bounds.
constexpr std::uint64_t poll_us_min = 20'000;
constexpr std::uint64_t poll_us_max = 250'000;
/// For changes that are on their way, before the register is looked at again.
constexpr milliseconds heads_step_ms{250};

void check_options(const TakeOptions& options) {
    if (options.jobs < 1 || options.jobs > queue_take_jobs_max)
        throw Error(Errc::invalid_argument, "1 to 32 jobs are taken at once");
    if (options.lease < queue_lease_min || options.lease > queue_lease_max)
        throw Error(Errc::invalid_argument, "a lease is 100 ms to a day");
}

/// Wakes a waiting taker when the queue's data changes, or it is told to stop.
class Alarm {
  public:
    Alarm(const detail::Core& core, const detail::QueueData& data, const std::stop_token& stop)
        : stopped_(stop, [this] { ring(); }) {
        for (const auto& key : {data.jobs.key(), data.tries.key()})
            watching_.emplace_back(core.watchers().add(key, Type::map, [this](const Changes&) { ring(); }));
    }
    /// Since the last call.
    void wait_until(std::uint64_t us) {
        std::unique_lock lock(mutex_);
        const auto now = boot_us();
        if (us > now) changed_.wait_for(lock, microseconds(us - now), [&] { return rung_; });
        rung_ = false;
    }

  private:
    void ring() {
        const std::lock_guard lock(mutex_);
        rung_ = true;
        changed_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    bool rung_ = false;
    std::stop_callback<std::function<void()>> stopped_;
    std::vector<Subscription> watching_;
};

/// One take.
struct Taking {
    const QueueWork& work;
    const TakeOptions& options;
    const std::size_t attempts;
    const agree::Contender worker;
    std::uint64_t next_us = UINT64_MAX;  ///< when there may be something to take, though no data changed

    std::vector<detail::RawJob> attempt();
    std::vector<detail::RawJob> taken(const agree::Lease& lease, std::uint64_t asked_us) const;
    QueueWork::Written bury(const std::vector<agree::Lease>& silent, const std::vector<JobId>& left_over) const;
    void look_again(std::optional<std::uint64_t> due_us);
};

/// What is lost with a silent worker is noted before its lease is ended: who comes next knows of it. Each job is a
/// part: as dead letters together they may be more than a transaction holds.
QueueWork::Written Taking::bury(const std::vector<agree::Lease>& silent, const std::vector<JobId>& left_over) const {
    std::vector<QueueWork::Write> parts;
    for (const auto& lease : silent) {
        for (const auto& job : lease.jobs) {
            parts.emplace_back(
                [&](Tx& tx) { work.data.fail(tx, detail::to_public(job.id), job.attempt, 0, attempts); });
        }
    }
    parts.emplace_back([&](Tx& tx) {
        for (const auto& id : left_over) work.data.drop(tx, id);
    });
    return work.write(parts);
}

/// Jobs of the lease that is ours, and are still there.
std::vector<detail::RawJob> Taking::taken(const agree::Lease& lease, std::uint64_t asked_us) const {
    auto hold = std::make_shared<detail::JobLease>();
    hold->token = lease.token;
    hold->ttl_us = lease.worker.ttl_us;
    hold->confirmed(asked_us);
    std::vector<detail::RawJob> jobs;
    std::vector<JobId> gone;
    for (const auto& leased : lease.jobs) {
        const auto id = detail::to_public(leased.id);
        auto job = work.data.jobs.get(id);
        if (job) jobs.push_back({id, std::move(job->value), leased.attempt, lease.token, hold});
        if (!job) gone.push_back(id);
    }
    if (!gone.empty()) work.finish(lease.token, gone, {}, {}, detail::until_us(options.within));
    return jobs;
}

void Taking::look_again(std::optional<std::uint64_t> due_us) {
    std::uint64_t ttl_us = UINT64_MAX;
    for (const auto& lease : work.book->last().leases) ttl_us = std::min(ttl_us, lease.worker.ttl_us);
    next_us = due_us.value_or(UINT64_MAX);
    if (ttl_us == UINT64_MAX) return;
    next_us = std::min({next_us, boot_us() + std::clamp(ttl_us / 8, poll_us_min, poll_us_max),
                        std::max(work.book->next_silent_us(), boot_us() + poll_us_min)});
}

std::vector<detail::RawJob> Taking::attempt() {
    const auto deadline_us = detail::until_us(options.within);
    while (true) {
        // Who hears no majority sees nobody's silence.
        if (!work.book->silent(boot_us()).empty()) work.look(deadline_us);
        const auto known = work.book->last();
        const auto silent = work.book->silent(boot_us());
        auto leased = work.book->leased();
        for (const auto& lease : silent) {
            for (const auto& job : lease.jobs) leased.erase(detail::to_public(job.id));
        }
        auto found = work.data.waiting(leased, options.jobs + spare_jobs, *work.book, boot_us());
        QueueWork::Written written;
        if (!silent.empty() || !found.left_over.empty()) {
            written = bury(silent, found.left_over);
            found = work.data.waiting(leased, options.jobs + spare_jobs, *work.book, boot_us());
        }
        // After Errc::outcome_unknown the lease may be there.
        const bool mine = known.lease_of(worker.claim) != nullptr;
        if (!mine && found.jobs.empty() && silent.empty()) {
            look_again(found.due_us);
            // Whether those who have the others live is only seen by looking.
            if (!found.others_have_some || work.look(deadline_us) == known) return {};
            if (boot_us() >= deadline_us) return {};
            continue;
        }
        const auto lost = work.book->unheard(found.applied, boot_us());
        const auto asked_us = boot_us();
        const auto record = work.change(
            [&](agree::ClaimRecord& claims) {
                for (const auto& lease : silent) agree::expire_lease(claims, lease.sighting());
                if (written.head) agree::add_head(claims, *written.head, written.applied);
                agree::forget_heads(claims, lost);
                agree::claim_jobs(claims, worker, found.jobs, options.jobs, found.applied);
            },
            deadline_us);
        if (const auto* lease = record.lease_of(worker.claim)) {
            auto jobs = taken(*lease, asked_us);
            if (!jobs.empty()) return jobs;
        }
        if (!record.applied_by(found.applied)) {
            crdt::Version heads;
            for (const auto& head : record.heads) heads[head.replica] = head.seq;
            work.core->wait_until(heads, heads_step_ms);
        } else if (record == known) {
            look_again(found.due_us);
            return {};
        }
        if (boot_us() >= deadline_us) return {};
    }
}

}  // namespace

std::vector<detail::RawJob> QueueHandle::take_raw(const TakeOptions& options) const {
    check_options(options);
    detail::require_may_work(core());
    const QueueWork work(core_pointer(), name_);
    const agree::Contender worker{core().queues().draw_claim(), std::uint64_t(microseconds(options.lease).count())};
    Taking taking{work, options, options_.attempts, worker};
    const auto deadline_us = detail::until_us(options.wait);
    std::optional<Alarm> alarm;
    if (options.wait.count() > 0) alarm.emplace(core(), work.data, options.stop);
    while (true) {
        core().require_open();
        std::optional<Error> trouble;
        taking.next_us = UINT64_MAX;
        try {
            auto jobs = taking.attempt();
            if (!jobs.empty()) return work.data.trim_keys(), jobs;
        } catch (const Error& error) {
            if (error.errc() != Errc::no_majority && error.errc() != Errc::outcome_unknown) throw;
            trouble = error;
        }
        const auto now = boot_us();
        const bool over = now >= deadline_us || options.stop.stop_requested();
        if (over && trouble) throw Error(*trouble);
        if (over) return {};
        const auto poll_us = now + (trouble ? poll_us_min : poll_us_max);
        alarm->wait_until(std::min({deadline_us, taking.next_us, poll_us}));
    }
}

}  // namespace starling
