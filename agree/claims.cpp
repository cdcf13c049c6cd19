#include "agree/claims.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "crdt/codec.hpp"

namespace starling::agree {

using namespace crdt;

namespace {

template <class Items, class Less>
bool ascending(const Items& items, Less less) {
    return std::adjacent_find(items.begin(), items.end(), [&](const auto& a, const auto& b) { return !less(a, b); }) ==
           items.end();
}

bool before(const LeasedJob& a, const LeasedJob& b) {
    return a.id < b.id;
}

bool sound_claims(const ClaimRecord& record) {
    if (record.heads.size() > claim_heads_max || record.leases.size() > leases_max) return false;
    if (!ascending(record.heads, [](const Dot& a, const Dot& b) { return a.replica < b.replica; })) return false;
    if (!ascending(record.leases, [](const Lease& a, const Lease& b) { return a.token < b.token; })) return false;
    if (!record.leases.empty() && record.leases.back().token > record.token) return false;
    std::set<JobId> jobs;
    std::set<Claim> claims;
    for (const auto& lease : record.leases) {
        if (!claims.insert(lease.worker.claim).second) return false;
        if (lease.jobs.empty() || lease.jobs.size() > lease_jobs_max || !ascending(lease.jobs, before)) return false;
        for (const auto& job : lease.jobs) {
            if (!jobs.insert(job.id).second) return false;
        }
    }
    return true;
}

template <class Leases>
auto find_lease(Leases& leases, std::uint64_t token) {
    return std::find_if(leases.begin(), leases.end(), [&](const auto& lease) { return lease.token == token; });
}

void write_job(Writer& out, const LeasedJob& job) {
    out.words(job.id.at_us, job.id.number).uint(job.attempt);
}
LeasedJob read_job(Reader& in) {
    LeasedJob job;
    std::tie(job.id.at_us, job.id.number) = in.words();
    job.attempt = in.uint(attempts_max);
    return job;
}

Lease read_lease(Reader& in) {
    Lease lease;
    in.tuple(6);
    lease.worker.claim.replica = in.replica();
    lease.worker.claim.number = in.uint(count_max);
    lease.worker.ttl_us = in.uint(lock_ttl_us_max);
    if (lease.worker.ttl_us < lock_ttl_us_min) in.fail();
    lease.token = in.uint(count_max);
    lease.renewal = in.uint(count_max);
    const auto items = in.array(2 * lease_jobs_max);
    if (items % 2 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 2) lease.jobs.push_back(read_job(in));
    return lease;
}

}  // namespace

const Lease* ClaimRecord::lease(std::uint64_t token) const {
    const auto at = find_lease(leases, token);
    return at == leases.end() ? nullptr : &*at;
}

const Lease* ClaimRecord::lease_of(const Claim& claim) const {
    const auto at =
        std::find_if(leases.begin(), leases.end(), [&](const Lease& lease) { return lease.worker.claim == claim; });
    return at == leases.end() ? nullptr : &*at;
}

bool ClaimRecord::leased(const JobId& job) const {
    return std::any_of(leases.begin(), leases.end(), [&](const Lease& lease) {
        return std::binary_search(lease.jobs.begin(), lease.jobs.end(), LeasedJob{job}, before);
    });
}

bool ClaimRecord::applied_by(const Version& version) const {
    return std::all_of(heads.begin(), heads.end(), [&](const Dot& head) { return covers(version, head); });
}

void ClaimRecord::check() const {
    STARLING_ASSERT(sound_claims(*this), "a queue's claims keep their invariants");
}

bool claim_jobs(ClaimRecord& record, const Contender& worker, const std::vector<LeasedJob>& wanted,
                std::size_t jobs_max, const Version& applied) {
    if (const auto* mine = record.lease_of(worker.claim)) return renew_lease(record, mine->token);
    if (!record.applied_by(applied) || record.leases.size() >= leases_max || record.token >= count_max) return false;
    Lease lease{worker, record.token + 1, 1, {}};
    for (const auto& job : wanted) {
        if (lease.jobs.size() >= std::min(jobs_max, lease_jobs_max)) break;
        const auto same = [&](const LeasedJob& other) { return other.id == job.id; };
        if (!record.leased(job.id) && std::none_of(lease.jobs.begin(), lease.jobs.end(), same))
            lease.jobs.push_back(job);
    }
    if (lease.jobs.empty()) return false;
    std::sort(lease.jobs.begin(), lease.jobs.end(), before);
    ++record.token;
    record.leases.push_back(std::move(lease));
    return true;
}

bool renew_lease(ClaimRecord& record, std::uint64_t token) {
    const auto at = find_lease(record.leases, token);
    if (at == record.leases.end() || at->renewal >= count_max) return false;
    ++at->renewal;
    return true;
}

bool add_head(ClaimRecord& record, const Dot& head, const Version& applied) {
    auto heads = record.heads;
    std::erase_if(heads, [&](const Dot& other) {
        return other.replica == head.replica ? other.seq <= head.seq : covers(applied, other);
    });
    const auto place = std::lower_bound(heads.begin(), heads.end(), head,
                                        [](const Dot& a, const Dot& b) { return a.replica < b.replica; });
    if (place == heads.end() || place->replica != head.replica) heads.insert(place, head);
    if (heads.size() > claim_heads_max) heads.erase(heads.front() == head ? heads.begin() + 1 : heads.begin());
    if (heads == record.heads) return false;
    record.heads = std::move(heads);
    return true;
}

bool finish_jobs(ClaimRecord& record, std::uint64_t token, const std::vector<JobId>& jobs) {
    const auto at = find_lease(record.leases, token);
    if (at == record.leases.end()) return false;
    const auto finished = [&](const LeasedJob& job) {
        return std::find(jobs.begin(), jobs.end(), job.id) != jobs.end();
    };
    if (std::erase_if(at->jobs, finished) == 0) return false;
    at->renewal = std::min(at->renewal + 1, count_max);
    if (at->jobs.empty()) record.leases.erase(at);
    return true;
}

bool expire_lease(ClaimRecord& record, const Sighting& seen) {
    const auto at = find_lease(record.leases, seen.token);
    if (at == record.leases.end() || at->sighting() != seen) return false;
    record.leases.erase(at);
    return true;
}

bool forget_heads(ClaimRecord& record, const std::vector<Dot>& lost) {
    return std::erase_if(record.heads,
                         [&](const Dot& head) { return std::find(lost.begin(), lost.end(), head) != lost.end(); }) > 0;
}

Bytes encode(const ClaimRecord& record) {
    record.check();
    Writer out;
    out.array(3).uint(record.token);
    out.array(2 * record.heads.size());
    for (const auto& head : record.heads) out.replica(head.replica).uint(head.seq);
    out.array(record.leases.size());
    for (const auto& [worker, token, renewal, jobs] : record.leases) {
        out.array(6).replica(worker.claim.replica).uint(worker.claim.number).uint(worker.ttl_us);
        out.uint(token).uint(renewal).array(2 * jobs.size());
        for (const auto& job : jobs) write_job(out, job);
    }
    return out.take();
}

std::optional<ClaimRecord> decode_claims(const std::optional<Bytes>& value) {
    ClaimRecord record;
    if (!value) return record;
    Reader in(*value);
    in.tuple(3);
    record.token = in.uint(count_max);
    const auto items = in.array(2 * claim_heads_max);
    if (items % 2 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 2) {
        Dot head;
        head.replica = in.replica();
        head.seq = in.uint(seq_max);
        if (head.seq == 0) in.fail();
        record.heads.push_back(head);
    }
    for (auto left = in.array(leases_max); left > 0 && in.ok(); --left) record.leases.push_back(read_lease(in));
    return in.done() && sound_claims(record) ? std::optional(std::move(record)) : std::nullopt;
}

}  // namespace starling::agree
