#include "agree/claims.hpp"

#include <algorithm>
#include <set>

#include "crdt/codec.hpp"

namespace starling::agree {

using namespace crdt;

namespace {

bool ascending(const std::vector<Dot>& dots) {
    return std::adjacent_find(dots.begin(), dots.end(), [](const Dot& a, const Dot& b) { return a >= b; }) ==
           dots.end();
}

bool sound_claims(const ClaimRecord& record) {
    if (record.heads.size() > claim_heads_max || record.leases.size() > leases_max || !ascending(record.heads))
        return false;
    std::set<Dot> jobs;
    const Claim* last = nullptr;
    for (const auto& lease : record.leases) {
        if (last != nullptr && !(*last < lease.worker.claim)) return false;
        last = &lease.worker.claim;
        if (lease.jobs.empty() || lease.jobs.size() > lease_jobs_max || !ascending(lease.jobs)) return false;
        for (const auto& job : lease.jobs) {
            if (!jobs.insert(job).second) return false;
        }
    }
    return true;
}

template <class Leases>
auto lease_of(Leases& leases, const Claim& claim) {
    return std::find_if(leases.begin(), leases.end(), [&](const auto& lease) { return lease.worker.claim == claim; });
}

void write_dots(Writer& out, const std::vector<Dot>& dots) {
    out.array(2 * dots.size());
    for (const auto& dot : dots) out.replica(dot.replica).uint(dot.seq);
}
std::vector<Dot> read_dots(Reader& in, std::size_t dots_max) {
    std::vector<Dot> dots;
    const auto items = in.array(2 * dots_max);
    if (items % 2 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 2) {
        Dot dot;
        dot.replica = in.replica();
        dot.seq = in.uint(seq_max);
        if (dot.seq == 0) in.fail();
        dots.push_back(dot);
    }
    return dots;
}

}  // namespace

const Lease* ClaimRecord::lease(const Claim& claim) const {
    const auto at = lease_of(leases, claim);
    return at == leases.end() ? nullptr : &*at;
}

bool ClaimRecord::leased(const Dot& job) const {
    return std::any_of(leases.begin(), leases.end(), [&](const Lease& lease) {
        return std::binary_search(lease.jobs.begin(), lease.jobs.end(), job);
    });
}

void ClaimRecord::check() const {
    STARLING_ASSERT(sound_claims(*this), "a queue's claims keep their invariants");
}

bool claim_jobs(ClaimRecord& record, const Contender& worker, const std::vector<Dot>& jobs, const Version& applied) {
    if (renew_lease(record, worker.claim)) return true;
    const bool knows_acks =
        std::all_of(record.heads.begin(), record.heads.end(), [&](const Dot& head) { return covers(applied, head); });
    if (!knows_acks || record.leases.size() >= leases_max) return false;
    Lease lease{worker, 1, {}};
    for (const auto& job : jobs) {
        if (lease.jobs.size() < lease_jobs_max && !record.leased(job)) lease.jobs.push_back(job);
    }
    std::sort(lease.jobs.begin(), lease.jobs.end());
    lease.jobs.erase(std::unique(lease.jobs.begin(), lease.jobs.end()), lease.jobs.end());
    if (lease.jobs.empty()) return false;
    const auto place = std::find_if(record.leases.begin(), record.leases.end(),
                                    [&](const Lease& other) { return worker.claim < other.worker.claim; });
    record.leases.insert(place, std::move(lease));
    return true;
}

bool renew_lease(ClaimRecord& record, const Claim& claim) {
    const auto at = lease_of(record.leases, claim);
    if (at == record.leases.end()) return false;
    ++at->renewal;
    return true;
}

bool finish_jobs(ClaimRecord& record, const Claim& claim, const std::vector<Dot>& jobs, const std::optional<Dot>& acked,
                 const Version& applied) {
    const auto at = lease_of(record.leases, claim);
    if (at == record.leases.end()) return false;
    if (acked) {
        auto heads = record.heads;
        std::erase_if(heads, [&](const Dot& head) { return covers(applied, head); });
        heads.insert(std::lower_bound(heads.begin(), heads.end(), *acked), *acked);
        heads.erase(std::unique(heads.begin(), heads.end()), heads.end());
        if (heads.size() > claim_heads_max) return false;
        record.heads = std::move(heads);
    }
    const auto finished = [&](const Dot& job) { return std::find(jobs.begin(), jobs.end(), job) != jobs.end(); };
    std::erase_if(at->jobs, finished);
    ++at->renewal;
    if (at->jobs.empty()) record.leases.erase(at);
    return true;
}

bool expire_lease(ClaimRecord& record, const Claim& claim, std::uint64_t renewal) {
    const auto at = lease_of(record.leases, claim);
    if (at == record.leases.end() || at->renewal != renewal) return false;
    record.leases.erase(at);
    return true;
}

Bytes encode(const ClaimRecord& record) {
    record.check();
    Writer out;
    out.array(2);
    write_dots(out, record.heads);
    out.array(record.leases.size());
    for (const auto& [worker, renewal, jobs] : record.leases) {
        out.array(5).replica(worker.claim.replica).uint(worker.claim.number).uint(worker.ttl_us).uint(renewal);
        write_dots(out, jobs);
    }
    return out.take();
}

std::optional<ClaimRecord> decode_claims(const std::optional<Bytes>& value) {
    ClaimRecord record;
    if (!value) return record;
    Reader in(*value);
    in.tuple(2);
    record.heads = read_dots(in, claim_heads_max);
    for (auto left = in.array(leases_max); left > 0 && in.ok(); --left) {
        Lease lease;
        in.tuple(5);
        lease.worker.claim.replica = in.replica();
        lease.worker.claim.number = in.uint(count_max);
        lease.worker.ttl_us = in.uint(lock_ttl_us_max);
        if (lease.worker.ttl_us < lock_ttl_us_min) in.fail();
        lease.renewal = in.uint(count_max);
        lease.jobs = read_dots(in, lease_jobs_max);
        record.leases.push_back(std::move(lease));
    }
    return in.done() && sound_claims(record) ? std::optional(std::move(record)) : std::nullopt;
}

}  // namespace starling::agree
