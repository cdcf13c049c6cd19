// Where a queue's jobs are: converging data, under keys that begin with "$queue/". A job is a field of a map,
// named in the order of the queue, so that it can go alone when it is done (docs/decisions/0022-queues.md).
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <starling/handles.hpp>
#include <starling/queue.hpp>
#include <starling/transaction.hpp>

#include "agree/claims.hpp"
#include "crdt/limits.hpp"

namespace starling::detail {

struct StoredJob {
    std::optional<std::string> key;  ///< of idempotency
    std::string value;               ///< a MessagePack item
};
/// Of a job that failed.
struct Tries {
    std::uint64_t attempts = 0;
    std::uint64_t delay_ms = 0;  ///< before the next
};
struct DeadLetter {
    std::optional<std::string> key;
    std::uint64_t attempts = 0;
    std::string value;
};

/// Of a job's value and key together: a dead letter is a value of a map, too, with at most 14 bytes beside them.
inline constexpr std::size_t job_bytes_max = crdt::value_bytes_max - 16;
/// Of one look.
inline constexpr std::size_t left_over_max = 1024;

inline agree::JobId to_inner(const JobId& id) {
    return {id.at_us, id.number};
}
inline JobId to_public(const agree::JobId& id) {
    return {id.at_us, id.number};
}

}  // namespace starling::detail

template <>
struct starling::Codec<starling::detail::StoredJob> {
    static constexpr bool scalar = false;
    static void encode(Encoder& out, const detail::StoredJob& job);
    static detail::StoredJob decode(Decoder& in);
};
template <>
struct starling::Codec<starling::detail::Tries> {
    static constexpr bool scalar = false;
    static void encode(Encoder& out, const detail::Tries& tries);
    static detail::Tries decode(Decoder& in);
};
template <>
struct starling::Codec<starling::detail::DeadLetter> {
    static constexpr bool scalar = false;
    static void encode(Encoder& out, const detail::DeadLetter& letter);
    static detail::DeadLetter decode(Decoder& in);
};

namespace starling::detail {

class QueueBook;

/// What may be claimed, as one look at the data found it.
struct Waiting {
    crdt::Version applied;               ///< what the look covers
    std::vector<agree::LeasedJob> jobs;  ///< in order, with the attempt that each would be
    /// To be dropped: jobs that were put again with a key before the first put was heard of, and what is known of jobs
    /// that were acknowledged meanwhile. The first `left_over_max` that were met.
    std::vector<JobId> left_over;
    std::size_t delayed = 0;
    bool others_have_some = false;        ///< jobs were left out that have a lease
    std::optional<std::uint64_t> due_us;  ///< when the first that is delayed may be taken, as `boot_us`
};

/// The data of one queue. Reads and writes as handles do.
struct QueueData {
    QueueData(const CorePtr& core, const std::string& name);

    /// Up to `most` jobs that are not in `leased`, nor delayed by the book. Closes the flush window, after which it is
    /// decided which of two puts with one key counts. O(leased + delayed + failed + most).
    Waiting waiting(const std::set<JobId>& leased, std::size_t most, QueueBook& book, std::uint64_t now_us) const;
    std::size_t size() const;
    /// What was put with this key, if it is remembered.
    std::optional<JobId> put_before(std::string_view idempotency_key) const;
    /// An attempt failed, unless that was counted before: the job waits for the next, or is a dead letter.
    void fail(Tx& tx, const JobId& id, std::uint64_t attempt, std::uint64_t delay_ms, std::uint64_t attempts_max) const;
    /// It is to be dropped: unlike what is done it may be a dead letter.
    void drop(Tx& tx, const JobId& id) const;
    /// It is done.
    void erase(Tx& tx, const JobId& id) const;
    /// Writes what changes nothing, and depends on all that is applied here.
    void mark(Tx& tx) const;
    /// Forgets the oldest keys where there are twice as many as are to be kept. Throws nothing: what it cannot do now,
    /// the next call does.
    void trim_keys() const;

    CorePtr core;
    Map<JobId, StoredJob> jobs;
    Map<JobId, Tries> tries;
    Map<JobId, DeadLetter> dead;
    Journal<JobId> keys;
};

}  // namespace starling::detail
