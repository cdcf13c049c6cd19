#include "agree/claims.hpp"

#include <map>
#include <set>

#include <doctest/doctest.h>

#include "sim/random.hpp"

using namespace starling;
using namespace starling::agree;

namespace {

crdt::ReplicaId writer_of(int node) {
    return {{std::uint8_t(node)}, 1};
}
Contender worker_of(int node, std::uint64_t number) {
    return {{writer_of(node), number}, 1'000'000};
}
LeasedJob job_of(std::uint64_t number) {
    return {{1'000'000, number}, 1};
}
std::vector<JobId> ids_of(const std::vector<LeasedJob>& jobs) {
    std::vector<JobId> ids;
    for (const auto& job : jobs) ids.push_back(job.id);
    return ids;
}

}  // namespace

TEST_CASE("the full record of claims fits a register") {
    ClaimRecord record;
    std::uint64_t number = 0;
    record.token = count_max - leases_max;
    for (std::size_t i = 0; i < leases_max; ++i) {
        std::vector<LeasedJob> jobs;
        while (jobs.size() < lease_jobs_max) jobs.push_back({{UINT64_MAX, UINT64_MAX - ++number}, attempts_max});
        CHECK(claim_jobs(record, {{writer_of(1), count_max - i}, lock_ttl_us_max}, jobs, lease_jobs_max, {}));
    }
    for (auto& lease : record.leases) lease.renewal = count_max;
    for (std::size_t i = 0; i < claim_heads_max + 3; ++i)
        CHECK(add_head(record, {writer_of(int(i)), crdt::seq_max}, {}));
    CHECK(record.heads.size() == claim_heads_max);
    CHECK_FALSE(claim_jobs(record, worker_of(2, 1), {job_of(1)}, 1, {}));
    record.check();
    CHECK(encode(record).size() <= register_value_bytes_max);
    CHECK(*decode_claims(encode(record)) == record);
}

TEST_CASE("who has not applied the last acknowledgements may not claim") {
    ClaimRecord record;
    CHECK(claim_jobs(record, worker_of(1, 1), {job_of(1), job_of(2)}, 2, {}));
    const crdt::Dot ack{writer_of(1), 5};
    CHECK(finish_jobs(record, 1, {job_of(1).id, job_of(2).id}));
    CHECK(add_head(record, ack, {}));
    CHECK(record.leases.empty());
    CHECK(record.heads == std::vector{ack});
    CHECK_FALSE(claim_jobs(record, worker_of(2, 1), {job_of(1)}, 1, {{writer_of(1), 4}}));
    CHECK(claim_jobs(record, worker_of(2, 1), {job_of(3)}, 1, {{writer_of(1), 5}}));
    // One that saw the one before takes its place; one that did not stands beside it.
    CHECK(claim_jobs(record, worker_of(3, 1), {job_of(4)}, 1, {{writer_of(1), 5}}));
    CHECK(finish_jobs(record, 2, {job_of(3).id}));
    CHECK(add_head(record, {writer_of(2), 1}, {{writer_of(1), 5}}));
    CHECK(record.heads == std::vector{crdt::Dot{writer_of(2), 1}});
    CHECK(finish_jobs(record, 3, {job_of(4).id}));
    CHECK(add_head(record, {writer_of(3), 1}, {{writer_of(1), 5}}));
    CHECK(record.heads.size() == 2);
    CHECK_FALSE(add_head(record, {writer_of(3), 1}, {}));
    CHECK(add_head(record, {writer_of(3), 2}, {}));  // of a replica the last one says it all
    CHECK(record.heads.size() == 2);
    CHECK_FALSE(finish_jobs(record, 3, {job_of(4).id}));  // its lease is gone
    CHECK(forget_heads(record, {{writer_of(2), 1}}));
    CHECK(record.heads == std::vector{crdt::Dot{writer_of(3), 2}});
}

TEST_CASE("a claim asked for again keeps its lease, and only what was silent is ended") {
    ClaimRecord record;
    CHECK(claim_jobs(record, worker_of(1, 1), {job_of(2), job_of(1), job_of(2), job_of(3)}, 2, {}));
    REQUIRE(record.lease(1) != nullptr);
    CHECK(record.lease(1)->jobs == std::vector{job_of(1), job_of(2)});
    CHECK(claim_jobs(record, worker_of(1, 1), {job_of(3)}, 1, {}));
    CHECK(record.leases.size() == 1);
    CHECK(record.lease(1)->renewal == 2);
    CHECK_FALSE(expire_lease(record, {1, 1}));
    CHECK(expire_lease(record, {1, 2}));
    CHECK(claim_jobs(record, worker_of(2, 1), {job_of(1)}, 1, {}));
    CHECK(record.leases[0].token == 2);  // no token comes twice
    CHECK_FALSE(renew_lease(record, 1));
    CHECK_FALSE(decode_claims("no record"));
}

TEST_CASE("random workers: no job has two workers, and each is acknowledged once by whoever had it") {
    sim::Random random(1);
    ClaimRecord record;
    std::set<JobId> pending;
    std::map<JobId, std::uint64_t> held;  // the naive twin: by which token
    std::uint64_t number = 0;
    crdt::Version applied;
    for (std::uint64_t n = 1; n <= 200; ++n) pending.insert(job_of(n).id);
    for (int step = 0; step < 5000 && !pending.empty(); ++step) {
        const auto* lease = record.leases.empty() ? nullptr : &random.pick(record.leases);
        const auto draw = random.below(6);
        if (draw < 2) {
            std::vector<LeasedJob> wanted;
            for (const auto& job : pending) {
                if (random.chance(50)) wanted.push_back({job, 1});
            }
            const auto worker = worker_of(int(random.between(1, 5)), ++number);
            if (claim_jobs(record, worker, wanted, random.between(1, 40), applied)) {
                const auto* mine = record.lease_of(worker.claim);
                for (const auto& job : mine->jobs) CHECK(held.emplace(job.id, mine->token).second);
            }
        } else if (lease != nullptr && draw == 2) {
            const auto stale = Lease(*lease);
            CHECK(renew_lease(record, stale.token));
            CHECK_FALSE(expire_lease(record, stale.sighting()));
        } else if (lease != nullptr && draw == 3) {
            const auto over = Lease(*lease);
            CHECK(expire_lease(record, over.sighting()));
            for (const auto& job : over.jobs) held.erase(job.id);
        } else if (lease != nullptr) {
            const auto done = Lease(*lease);
            const bool acks = draw == 4;
            auto some = ids_of(done.jobs);
            some.resize(random.between(1, some.size()));
            const auto& replica = done.worker.claim.replica;
            CHECK(finish_jobs(record, done.token, some));
            if (acks) CHECK(add_head(record, {replica, applied[replica] + 1}, applied));
            if (acks) ++applied[replica];
            for (const auto& job : some) {
                CHECK(held.at(job) == done.token);
                held.erase(job);
                if (acks) CHECK(pending.erase(job) == 1);
            }
        }
        record.check();
        CHECK(*decode_claims(encode(record)) == record);
        std::size_t leased = 0;
        for (const auto& one : record.leases) leased += one.jobs.size();
        CHECK(leased == held.size());
    }
    CHECK(pending.empty());
    CHECK(record.heads.size() <= 1);
}
