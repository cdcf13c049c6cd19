// Work queues over the whole mesh: jobs are put anywhere, also offline, and each is worked on by one worker at a time.
//
//     auto jobs = node.queue<Order>("orders");
//     jobs.put(order);                                                   // converging data: waits for nobody
//
//     for (auto& job : jobs.take({.jobs = 10, .lease = 30s, .wait = 5s}))
//         if (work_on(job.value)) jobs.ack(job); else jobs.nack(job, 10s);
//
// A job is delivered at least once. A majority of the voters says who has it, for the time of a lease: while leases
// live, no two workers have one job. A worker that neither acknowledges nor extends in time is taken for dead, and the
// job is delivered again. Jobs are taken in the order in which they were put, as far as their writers knew of each
// other, and as far as whoever takes has heard of them (docs/coordination.md).
//
// Thread rule: thread-safe; but for `put`, not inside `transact` or a watcher (Errc::would_deadlock).
#pragma once

#include <algorithm>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <starling/agreed.hpp>
#include <starling/commit.hpp>
#include <starling/export.hpp>
#include <starling/handles.hpp>
#include <starling/transaction.hpp>
#include <starling/types.hpp>

namespace starling {

inline constexpr std::size_t queue_name_bytes_max = 254;
/// Of one take, which is one lease.
inline constexpr std::size_t queue_take_jobs_max = 32;
/// Takes of one queue whose jobs are neither done nor given up; beyond, nothing is taken.
inline constexpr std::size_t queue_leases_max = 64;
inline constexpr std::size_t queue_attempts_max = 10'000;
inline constexpr std::chrono::milliseconds queue_lease_min{100};
inline constexpr std::chrono::hours queue_lease_max{24};
inline constexpr std::chrono::hours queue_delay_max{24 * 365};
/// The newest idempotency keys of a queue, at least so many of which are remembered.
inline constexpr std::size_t queue_keys_kept = 16'384;
/// For how long a node that takes waits for an acknowledgement that it has not heard of; then it gives the wait up for
/// all, and the job may be delivered again: by a node that only lags, too.
inline constexpr std::chrono::milliseconds queue_unheard_max{10'000};

/// Names a job, in the order of the queue. A value.
struct STARLING_API JobId {
    std::uint64_t at_us = 0;   ///< when it was put, as its writer's clock told it
    std::uint64_t number = 0;  ///< counts what one process put, from a random beginning

    /// 32 lower-case hexadecimal digits.
    std::string to_string() const;
    /// Reads what `to_string` wrote; nothing where it is anything else.
    static std::optional<JobId> parse(std::string_view text);
    auto operator<=>(const JobId&) const = default;
};

template <>
struct STARLING_API Codec<JobId> {
    static constexpr bool scalar = true;
    static void encode(Encoder& out, const JobId& id);
    static JobId decode(Decoder& in);
};

struct QueueOptions {
    /// After so many that failed a job is a dead letter; 1 to `queue_attempts_max`. Of the node that sees the last
    /// fail.
    std::size_t attempts = 16;
};

struct TakeOptions {
    std::size_t jobs = 1;                              ///< at most; 1 to `queue_take_jobs_max`
    std::chrono::milliseconds lease{30'000};           ///< for how long: `queue_lease_min` to `queue_lease_max`
    std::chrono::milliseconds wait{0};                 ///< until there is a job; it may take `within` longer
    std::chrono::milliseconds within = decide_within;  ///< for the voters' answer
    std::stop_token stop{};                            ///< ends the waiting
};

/// What is known of a queue.
struct QueueStatus {
    struct Lease {
        NodeId node{};
        std::uint64_t token = 0;
        std::vector<JobId> jobs{};
    };
    std::size_t waiting = 0;  ///< as far as this node has heard: to be taken now
    std::size_t delayed = 0;  ///< likewise: given back, and not to be taken yet
    std::size_t dead = 0;     ///< likewise
    /// By a linearizable read; nothing where no majority answered, and `waiting` may then count what others have.
    std::optional<std::vector<Lease>> leases{};
    std::size_t leased() const {
        std::size_t jobs = 0;
        for (const auto& lease : leases.value_or(std::vector<Lease>())) jobs += lease.jobs.size();
        return jobs;
    }
};

namespace detail {

struct JobLease;
STARLING_API bool lease_lives(const JobLease* lease);

struct RawJob {
    JobId id;
    std::string value;
    std::size_t attempt = 0;
    std::uint64_t token = 0;
    std::shared_ptr<JobLease> lease{};
};

}  // namespace detail

/// A job that was taken.
template <class T>
struct Job {
    JobId id;
    T value;
    std::size_t attempt = 1;  ///< the how-many-eth this is
    /// Of the lease: higher than all before of this queue. What the work changes elsewhere may check it (TokenGate).
    std::uint64_t token = 0;
    std::shared_ptr<detail::JobLease> lease{};

    /// By this node's own clock, at this instant: nobody else has it. A tenth of the lease before its end it is false.
    bool held() const { return detail::lease_lives(lease.get()); }
};

/// A job that failed too often, or that is no T.
template <class T>
struct DeadJob {
    JobId id;
    std::optional<T> value;
    std::size_t attempts = 0;
};

/// What `put` returns.
struct Put {
    JobId id{};  ///< of the job that is there: the one put before, where the key was known
    Commit commit{};
    bool fresh = true;  ///< false: its idempotency key was known here, and nothing was put
};

/// What queues of all types share. Values in here are MessagePack items; the typed handle is for use.
class STARLING_API QueueHandle : public Handle {
  public:
    QueueHandle(detail::CorePtr core, std::string name, QueueOptions options);
    const std::string& name() const { return name_; }

    /// O(jobs). Waits for the voters, up to `within`; where they do not answer, the rest is told.
    QueueStatus status(std::chrono::milliseconds within = decide_within) const;
    /// Jobs that are not acknowledged and not dead, as far as this node has heard; waits for nobody. O(jobs).
    std::size_t size() const;

    /// The work is done: the job is gone, for everybody. It is converging data, so it holds without a majority, too,
    /// and after the lease was lost to another worker, who then may have done it again. True where a majority was told
    /// in time: nobody takes it any more. False where it was not: whoever has not heard of it may take it when the
    /// lease is over. With a directory it waits for the disk, and throws what `Commit::durable` does; else as
    /// `transact`. To be called on the node that took it.
    bool ack(const JobId& job, std::uint64_t token, std::chrono::milliseconds within = decide_within) const {
        return ack_all({job}, token, within);
    }
    /// The same for several jobs of one take.
    bool ack_all(const std::vector<JobId>& jobs, std::uint64_t token,
                 std::chrono::milliseconds within = decide_within) const;
    /// The work failed: it is delivered again, `delay` from now at the earliest, which each node counts by its own
    /// clock from when it first looked (`take` or `status`); or is a dead letter, after the last attempt. False, and
    /// nothing happens, where this node knows that the lease is over, or no majority says whether it is. Where it does
    /// not know yet, a late one still notes the attempt: the job of another worker may become a dead letter, which goes
    /// if that worker's `ack` comes after it. Else as `ack`.
    bool nack(const JobId& job, std::uint64_t token, std::chrono::milliseconds delay = {},
              std::chrono::milliseconds within = decide_within) const;
    /// Puts a dead letter in again, at the end, as a job that was never tried. False where there is no such one here.
    bool put_again(const JobId& dead) const;
    /// Drops a dead letter. False where there is no such one here.
    bool drop_dead(const JobId& dead) const;

  protected:
    Put put_raw(std::string value, std::optional<std::string_view> key) const;
    JobId put_raw(Tx& tx, std::string value, std::optional<std::string_view> key, bool& fresh) const;
    std::vector<detail::RawJob> take_raw(const TakeOptions& options) const;
    bool extend_lease(detail::JobLease& lease, const Commit* progress, std::chrono::milliseconds within) const;
    void refuse(const detail::RawJob& job) const;
    std::vector<detail::RawJob> dead_raw() const;

  private:
    std::string name_;
    QueueOptions options_;
};

/// A handle, cheap to copy. Throws Errc::closed once the node is.
template <Storable T>
class Queue : public QueueHandle {
  public:
    using QueueHandle::ack;
    using QueueHandle::nack;
    using QueueHandle::QueueHandle;

    /// Puts a job at the end. Waits for nobody; nothing is lost while no majority is there. Throws as `transact`;
    /// Errc::too_large where the encoded job and its key have more than 192 KiB less 16 bytes.
    Put put(const T& value) const { return put_raw(encode(value), std::nullopt); }
    /// The same, unless this node has heard of a put with this key: of those that did not hear of each other, one is
    /// delivered once they have. The newest `queue_keys_kept` keys are remembered, also of jobs that are done. Throws
    /// as `Journal::append_once`.
    Put put(const T& value, std::string_view idempotency_key) const { return put_raw(encode(value), idempotency_key); }
    /// As part of a transaction. True where it was put.
    bool put(Tx& tx, const T& value, std::optional<std::string_view> idempotency_key = std::nullopt) const {
        bool fresh = true;
        put_raw(tx, encode(value), idempotency_key, fresh);
        return fresh;
    }

    /// Takes the first jobs that nobody has. Nothing where there are none that this node has heard of, until `wait` is
    /// over, or `queue_leases_max` takes are under way. What is no T becomes a dead letter. Throws Errc::no_majority,
    /// outcome_unknown (jobs may be leased, which come again when the lease is over), role_forbids (a reader),
    /// invalid_argument, and as `transact`. O(jobs that are leased or delayed) here.
    std::vector<Job<T>> take(const TakeOptions& options = {}) const {
        std::vector<Job<T>> jobs;
        for (auto& raw : take_raw(options)) {
            if (auto value = decode<T>(raw.value)) {
                jobs.push_back({raw.id, std::move(*value), raw.attempt, raw.token, std::move(raw.lease)});
            } else {
                refuse(raw);
            }
        }
        return jobs;
    }
    bool ack(const Job<T>& job, std::chrono::milliseconds within = decide_within) const {
        return ack_all({job.id}, job.token, within);
    }
    bool nack(const Job<T>& job, std::chrono::milliseconds delay = {},
              std::chrono::milliseconds within = decide_within) const {
        return nack(job.id, job.token, delay, within);
    }
    /// The lease of all that was taken with this job begins anew. False where it is lost. Throws Errc::no_majority,
    /// outcome_unknown.
    bool extend(const Job<T>& job, std::chrono::milliseconds within = decide_within) const {
        return job.lease && extend_lease(*job.lease, nullptr, within);
    }
    /// The same, and whoever is given one of these jobs next has applied what was written here: how far the work got.
    /// As heads of acknowledgements: others wait for it, up to `queue_unheard_max`. With a directory it waits for the
    /// disk, and throws what `Commit::durable` does, too.
    bool extend(const Job<T>& job, const Commit& progress, std::chrono::milliseconds within = decide_within) const {
        return job.lease && extend_lease(*job.lease, &progress, within);
    }

    /// In order, as far as this node has heard. O(dead).
    std::vector<DeadJob<T>> dead() const {
        std::vector<DeadJob<T>> jobs;
        for (const auto& raw : dead_raw()) jobs.push_back({raw.id, decode<T>(raw.value), raw.attempt});
        return jobs;
    }
};

}  // namespace starling
