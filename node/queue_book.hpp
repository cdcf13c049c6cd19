// What a node remembers of the queues that it works on, beside their data: how long it has seen leases unchanged, jobs
// delayed and heads missing, by its own clock. Lost with the process, after which it watches anew.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <starling/queue.hpp>

#include "agree/claims.hpp"

namespace starling::detail {

struct Tries;

/// One take that succeeded, for those who hold its jobs.
struct JobLease {
    std::uint64_t token = 0;
    std::uint64_t ttl_us = 0;
    std::atomic<std::uint64_t> until_us{0};  ///< as `boot_us`

    /// It was confirmed by what was asked then.
    void confirmed(std::uint64_t asked_us) {
        until_us = asked_us + ttl_us - ttl_us * agree::drift_margin_permille / 1000;
    }
};

/// Of one queue. All times are of `boot_us`. Thread rule: thread-safe; it takes no other lock. O(log n) a lease or job.
class QueueBook {
  public:
    /// A majority said this, and the answer came now; `revision` is the register's.
    void saw(const agree::ClaimRecord& record, std::uint64_t revision, std::uint64_t now_us);
    /// Nothing while nobody was asked.
    agree::ClaimRecord last() const;
    std::set<JobId> leased() const;
    /// Leases that did not change for their whole time to live: others may end them.
    std::vector<agree::Lease> silent(std::uint64_t now_us) const;
    /// When the first will be so; UINT64_MAX where there are none.
    std::uint64_t next_silent_us() const;
    /// Heads that are missing in this version, and have been for `queue_unheard_max`.
    std::vector<crdt::Dot> unheard(const crdt::Version& applied, std::uint64_t now_us);

    struct Delayed {
        std::set<JobId> jobs;
        std::optional<std::uint64_t> first_due_us;
    };
    /// Which of those that failed are to wait; the delay of one begins when it is seen here for the first time.
    Delayed delayed(const std::map<JobId, Tries>& failed, std::uint64_t now_us);

  private:
    struct Seen {
        std::uint64_t number = 0;  ///< renewals, or attempts
        std::uint64_t since_us = 0;
    };
    mutable std::mutex mutex_;  // guards what follows
    agree::ClaimRecord last_;
    std::uint64_t revision_ = 0;
    std::map<std::uint64_t, Seen> leases_;  ///< by token
    std::map<JobId, Seen> delays_;
    std::map<crdt::Dot, std::uint64_t> missing_;  ///< since when
};

/// The books of one node. Thread-safe.
class QueueBooks {
  public:
    /// `self`: this node in this life.
    explicit QueueBooks(const crdt::ReplicaId& self)
        : self_(self), last_number_(self.life & (agree::count_max / 2 - 1)) {}
    std::shared_ptr<QueueBook> of(const std::string& queue);
    /// Names one take.
    agree::Claim draw_claim();
    /// A number that is higher than all before in this life. The first is random: jobs that two nodes put at one
    /// instant of their clocks differ in it.
    std::uint64_t draw_number();

  private:
    const crdt::ReplicaId self_;
    std::mutex mutex_;  // guards what follows
    std::map<std::string, std::shared_ptr<QueueBook>> books_;
    std::uint64_t last_number_;
};

}  // namespace starling::detail
