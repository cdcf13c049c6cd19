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
crdt::Dot job_of(crdt::Seq seq) {
    return {writer_of(9), seq};
}

}  // namespace

TEST_CASE("the full record of claims fits a register") {
    ClaimRecord record;
    crdt::Seq seq = 0;
    for (std::size_t i = 0; i < leases_max; ++i) {
        std::vector<crdt::Dot> jobs;
        while (jobs.size() < lease_jobs_max) jobs.push_back(job_of(crdt::seq_max - ++seq));
        CHECK(claim_jobs(record, worker_of(1, i + 1), jobs, {}) == (i < leases_max));
    }
    CHECK_FALSE(claim_jobs(record, worker_of(2, 1), {job_of(1)}, {}));
    record.check();
    CHECK(encode(record).size() <= register_value_bytes_max);
    CHECK(*decode_claims(encode(record)) == record);
}

TEST_CASE("who has not applied the last acknowledgements may not claim") {
    ClaimRecord record;
    CHECK(claim_jobs(record, worker_of(1, 1), {job_of(1), job_of(2)}, {}));
    const crdt::Dot ack{writer_of(1), 5};
    CHECK(finish_jobs(record, worker_of(1, 1).claim, {job_of(1), job_of(2)}, ack, {}));
    CHECK(record.leases.empty());
    CHECK(record.heads == std::vector{ack});
    CHECK_FALSE(claim_jobs(record, worker_of(2, 1), {job_of(1)}, {{writer_of(1), 4}}));
    CHECK(claim_jobs(record, worker_of(2, 1), {job_of(3)}, {{writer_of(1), 5}}));
    // An acknowledgement that saw the one before takes its place; one that did not stands beside it.
    CHECK(claim_jobs(record, worker_of(3, 1), {job_of(4)}, {{writer_of(1), 5}}));
    CHECK(finish_jobs(record, worker_of(2, 1).claim, {job_of(3)}, crdt::Dot{writer_of(2), 1}, {{writer_of(1), 5}}));
    CHECK(record.heads == std::vector{crdt::Dot{writer_of(2), 1}});
    CHECK(finish_jobs(record, worker_of(3, 1).claim, {job_of(4)}, crdt::Dot{writer_of(3), 1}, {{writer_of(1), 5}}));
    CHECK(record.heads.size() == 2);
    CHECK_FALSE(finish_jobs(record, worker_of(3, 1).claim, {job_of(4)}, std::nullopt, {}));  // its lease is gone
}

TEST_CASE("random workers: no job has two workers, and each is acknowledged once by whoever had it") {
    sim::Random random(1);
    ClaimRecord record;
    std::set<crdt::Dot> pending;
    std::map<crdt::Dot, Claim> held;  // the naive twin
    std::uint64_t number = 0;
    crdt::Version applied;
    for (crdt::Seq seq = 1; seq <= 200; ++seq) pending.insert(job_of(seq));
    for (int step = 0; step < 5000 && !pending.empty(); ++step) {
        const auto* lease = record.leases.empty() ? nullptr : &random.pick(record.leases);
        const auto draw = random.below(6);
        if (draw < 2) {
            std::vector<crdt::Dot> wanted;
            for (const auto& job : pending) {
                if (random.chance(50)) wanted.push_back(job);
            }
            const auto worker = worker_of(int(random.between(1, 5)), ++number);
            if (claim_jobs(record, worker, wanted, applied)) {
                for (const auto& job : record.lease(worker.claim)->jobs) CHECK(held.emplace(job, worker.claim).second);
            }
        } else if (lease != nullptr && draw == 2) {
            const auto stale = Lease(*lease);
            CHECK(renew_lease(record, stale.worker.claim));
            CHECK_FALSE(expire_lease(record, stale.worker.claim, stale.renewal));
        } else if (lease != nullptr && draw == 3) {
            const auto over = Lease(*lease);
            CHECK(expire_lease(record, over.worker.claim, over.renewal));
            for (const auto& job : over.jobs) held.erase(job);
        } else if (lease != nullptr) {
            const auto done = Lease(*lease);
            const bool acks = draw == 4;
            const std::vector<crdt::Dot> some(done.jobs.begin(),
                                              done.jobs.begin() + std::ptrdiff_t(random.between(1, done.jobs.size())));
            const auto ack =
                acks ? std::optional(crdt::Dot{done.worker.claim.replica, applied[done.worker.claim.replica] + 1})
                     : std::nullopt;
            CHECK(finish_jobs(record, done.worker.claim, some, ack, applied));
            if (acks) ++applied[done.worker.claim.replica];
            for (const auto& job : some) {
                CHECK(held.at(job) == done.worker.claim);
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
