#include "node/queue_book.hpp"

#include <algorithm>

#include "node/queue_data.hpp"

namespace starling::detail {

void QueueBook::saw(const agree::ClaimRecord& record, std::uint64_t revision, std::uint64_t now_us) {
    const std::lock_guard lock(mutex_);
    if (revision < revision_) return;  // another thread's answer came first
    revision_ = revision;
    last_ = record;
    std::erase_if(leases_, [&](const auto& seen) { return record.lease(seen.first) == nullptr; });
    for (const auto& lease : record.leases) {
        auto& seen = leases_[lease.token];
        if (seen.number != lease.renewal) seen = {lease.renewal, now_us};
    }
    std::erase_if(missing_, [&](const auto& head) {
        return std::find(record.heads.begin(), record.heads.end(), head.first) == record.heads.end();
    });
}

agree::ClaimRecord QueueBook::last() const {
    const std::lock_guard lock(mutex_);
    return last_;
}

std::set<JobId> QueueBook::leased() const {
    const std::lock_guard lock(mutex_);
    std::set<JobId> jobs;
    for (const auto& lease : last_.leases) {
        for (const auto& job : lease.jobs) jobs.insert(to_public(job.id));
    }
    return jobs;
}

std::vector<agree::Lease> QueueBook::silent(std::uint64_t now_us) const {
    const std::lock_guard lock(mutex_);
    std::vector<agree::Lease> silent;
    for (const auto& lease : last_.leases) {
        if (now_us >= leases_.at(lease.token).since_us + lease.worker.ttl_us) silent.push_back(lease);
    }
    return silent;
}

std::uint64_t QueueBook::next_silent_us() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t next_us = UINT64_MAX;
    for (const auto& lease : last_.leases)
        next_us = std::min(next_us, leases_.at(lease.token).since_us + lease.worker.ttl_us);
    return next_us;
}

std::vector<crdt::Dot> QueueBook::unheard(const crdt::Version& applied, std::uint64_t now_us) {
    constexpr auto patience_us = std::uint64_t(std::chrono::microseconds(queue_unheard_max).count());
    const std::lock_guard lock(mutex_);
    std::vector<crdt::Dot> lost;
    for (const auto& head : last_.heads) {
        if (crdt::covers(applied, head)) {
            missing_.erase(head);
        } else if (now_us >= missing_.emplace(head, now_us).first->second + patience_us) {
            lost.push_back(head);
        }
    }
    return lost;
}

QueueBook::Delayed QueueBook::delayed(const std::map<JobId, Tries>& failed, std::uint64_t now_us) {
    constexpr auto delay_ms_max = std::uint64_t(std::chrono::milliseconds(queue_delay_max).count());
    const std::lock_guard lock(mutex_);
    std::map<JobId, Seen> delays;
    Delayed found;
    for (const auto& [id, tries] : failed) {
        if (tries.delay_ms == 0) continue;
        const auto before = delays_.find(id);
        const bool known = before != delays_.end() && before->second.number == tries.attempts;
        const Seen seen = known ? before->second : Seen{tries.attempts, now_us};
        delays.emplace_hint(delays.end(), id, seen);
        const auto due_us = seen.since_us + std::min(tries.delay_ms, delay_ms_max) * 1000;
        if (now_us >= due_us) continue;
        found.jobs.insert(id);
        found.first_due_us = std::min(found.first_due_us.value_or(due_us), due_us);
    }
    delays_ = std::move(delays);
    return found;
}

std::shared_ptr<QueueBook> QueueBooks::of(const std::string& queue) {
    const std::lock_guard lock(mutex_);
    auto& book = books_[queue];
    if (!book) book = std::make_shared<QueueBook>();
    return book;
}

std::uint64_t QueueBooks::draw_number() {
    const std::lock_guard lock(mutex_);
    return ++last_number_;
}

agree::Claim QueueBooks::draw_claim() {
    return {self_, draw_number()};
}

}  // namespace starling::detail
