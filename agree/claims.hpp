// Who works on which jobs of a queue. The jobs themselves are entries of a journal, named by their dots;
// acknowledgements are converging writes. One register holds what must be agreed on: the leases, and the heads that a
// claimant must have applied before it claims, so that it does not take again what was acknowledged. It does not grow
// with the queue.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agree/lock_record.hpp"
#include "crdt/ids.hpp"

namespace starling::agree {

/// Jobs that one worker has taken. `renewal` counts its signs of life: who saw the same (claim, renewal) for the whole
/// time to live, on its own clock from the answer of its read, may end the lease.
struct Lease {
    Contender worker;
    std::uint64_t renewal = 0;
    std::vector<crdt::Dot> jobs;  ///< ascending; never empty
    bool operator==(const Lease&) const = default;
};

/// Invariants: no job is in two leases; no claim has two leases; leases ascend by claim; everything is bounded.
struct ClaimRecord {
    std::vector<crdt::Dot> heads;  ///< of the changesets with the last acknowledgements; ascending
    std::vector<Lease> leases;
    bool operator==(const ClaimRecord&) const = default;

    const Lease* lease(const Claim& claim) const;
    bool leased(const crdt::Dot& job) const;
    void check() const;
};

// -- moves: true where the record changed. O(jobs in leases · log).

/// Leases those of `jobs` that nobody has, in order, up to `lease_jobs_max`. `applied`: the claimant's version, which
/// must cover the record's heads. A claim that has a lease already is renewed: its earlier attempt came through.
bool claim_jobs(ClaimRecord& record, const Contender& worker, const std::vector<crdt::Dot>& jobs,
                const crdt::Version& applied);
/// A sign of life.
bool renew_lease(ClaimRecord& record, const Claim& claim);
/// Ends the lease of these jobs, or of some. `acked`: the changeset in which they were acknowledged, by a worker whose
/// version when it wrote that is `applied`; nothing where they are given back. Heads that `applied` covers are causes
/// of the new one and make way for it. False where the lease is gone, or where there would be too many heads: then
/// apply those of the record, and acknowledge again.
bool finish_jobs(ClaimRecord& record, const Claim& claim, const std::vector<crdt::Dot>& jobs,
                 const std::optional<crdt::Dot>& acked, const crdt::Version& applied);
/// Ends a lease whose worker was silent for its whole time to live, if it still is at that renewal.
bool expire_lease(ClaimRecord& record, const Claim& claim, std::uint64_t renewal);

crdt::Bytes encode(const ClaimRecord& record);
/// An absent value is an empty record; nothing where the bytes are something else.
std::optional<ClaimRecord> decode_claims(const std::optional<crdt::Bytes>& value);

}  // namespace starling::agree
