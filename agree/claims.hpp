// Who works on which jobs of a queue. The jobs themselves, and what became of them, are converging data. One register
// holds what must be agreed on: the leases, and the heads that a claimant must have applied before it claims, so that
// it does not take again what was acknowledged. It does not grow with the queue.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agree/lock_record.hpp"
#include "crdt/ids.hpp"

namespace starling::agree {

/// Names a job for ever: when it was put, by its writer's hybrid clock, and a number that tells apart what was put at
/// once. The order of names is that of the queue.
struct JobId {
    std::uint64_t at_us = 0;
    std::uint64_t number = 0;
    auto operator<=>(const JobId&) const = default;
};
struct LeasedJob {
    JobId id;
    std::uint64_t attempt = 1;  ///< the how-many-eth this is; up to `attempts_max`
    bool operator==(const LeasedJob&) const = default;
};

/// Jobs that one worker has taken. `renewal` counts its signs of life: who saw the same (token, renewal) for the whole
/// time to live, on its own clock from the answer of its read, may end the lease.
struct Lease {
    Contender worker;
    std::uint64_t token = 0;
    std::uint64_t renewal = 0;
    std::vector<LeasedJob> jobs;  ///< ascending; never empty
    bool operator==(const Lease&) const = default;
    Sighting sighting() const { return {token, renewal}; }
};

/// Invariants: no job is in two leases; no claim has two leases; leases ascend by token, and the last token given is
/// `token`, which only grows; of a replica there is one head; everything is bounded.
struct ClaimRecord {
    std::uint64_t token = 0;
    std::vector<crdt::Dot> heads;  ///< of the last writes that a claimant must have applied; ascending
    std::vector<Lease> leases;
    bool operator==(const ClaimRecord&) const = default;

    const Lease* lease(std::uint64_t token) const;
    const Lease* lease_of(const Claim& claim) const;
    bool leased(const JobId& job) const;
    /// Does this version cover the heads?
    bool applied_by(const crdt::Version& version) const;
    void check() const;
};

// -- moves: true where the record changed. O(jobs in leases · log).

/// Leases those of `wanted` that nobody has, in their order, up to `jobs_max` and `lease_jobs_max`. `applied`: the
/// claimant's version when it chose them, which must cover the record's heads. A claim that has a lease already is
/// renewed: its earlier attempt came through.
bool claim_jobs(ClaimRecord& record, const Contender& worker, const std::vector<LeasedJob>& wanted,
                std::size_t jobs_max, const crdt::Version& applied);
/// A sign of life.
bool renew_lease(ClaimRecord& record, std::uint64_t token);
/// Claimants must have applied `head` from now on, which was written by somebody who had applied `applied`: heads that
/// this covers are its causes, and make way for it. Where there would be too many, the first goes: what it stands for
/// may then be delivered again.
bool add_head(ClaimRecord& record, const crdt::Dot& head, const crdt::Version& applied);
/// Takes these jobs out of the lease, and ends it with the last. False where it is gone, or they are.
bool finish_jobs(ClaimRecord& record, std::uint64_t token, const std::vector<JobId>& jobs);
/// Ends a lease whose worker was silent for its whole time to live, if it still is at that renewal.
bool expire_lease(ClaimRecord& record, const Sighting& seen);
/// Gives up to wait for heads that do not come.
bool forget_heads(ClaimRecord& record, const std::vector<crdt::Dot>& lost);

crdt::Bytes encode(const ClaimRecord& record);
/// An absent value is an empty record; nothing where the bytes are something else.
std::optional<ClaimRecord> decode_claims(const std::optional<crdt::Bytes>& value);

}  // namespace starling::agree
