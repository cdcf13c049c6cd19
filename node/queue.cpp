// A queue's calls, but for `take`.
#include <starling/queue.hpp>

#include "node/convert.hpp"
#include "node/queue_work.hpp"

namespace starling {

using detail::QueueWork;

static_assert(queue_take_jobs_max == agree::lease_jobs_max);
static_assert(queue_leases_max == agree::leases_max);
static_assert(queue_attempts_max == agree::attempts_max);

namespace {

std::string queue_name(std::string name) {
    if (name.empty() || name.size() > queue_name_bytes_max)
        throw Error(Errc::invalid_argument, "the name of a queue has 1 to 254 bytes");
    return name;
}

}  // namespace

namespace detail {

void require_may_work(const Core& core) {
    core.require_may_wait();
    if (core.standing().role < Role::writer) throw Error(Errc::role_forbids);
}

std::uint64_t until_us(std::chrono::milliseconds from_now) {
    return boot_us() + 1000 * std::uint64_t(std::clamp<std::int64_t>(from_now.count(), 0,
                                                                     std::chrono::milliseconds(wait_max).count()));
}

bool lease_lives(const JobLease* lease) {
    return lease != nullptr && boot_us() < lease->until_us;
}

QueueWork::QueueWork(const CorePtr& of, const std::string& name)
    : core(of), data(of, name), book(of->queues().of(name)), key("q/" + name) {}

namespace {

agree::ClaimRecord claims_in(const std::optional<crdt::Bytes>& value) {
    auto record = agree::decode_claims(value);
    if (!record) throw Error(Errc::invalid_argument, "what is under the queue's name is no queue");
    return std::move(*record);
}

std::chrono::milliseconds left(std::uint64_t deadline_us) {
    const auto now = boot_us();
    return std::chrono::milliseconds(deadline_us > now ? (deadline_us - now) / 1000 : 0);
}

}  // namespace

agree::ClaimRecord QueueWork::change(const Move& move, std::uint64_t deadline_us) const {
    const AgreedChange apply = [&](const std::optional<crdt::Bytes>& value) -> std::optional<crdt::Bytes> {
        auto record = claims_in(value);
        const auto before = record;
        move(record);
        return record == before ? value : agree::encode(record);
    };
    while (true) {
        try {
            ChangeId id;
            const auto result = core->agreement().run(key, apply, left(deadline_us), &id);
            auto record = claims_in(result.value);
            book->saw(record, result.revision, boot_us());
            return record;
        } catch (const Error& error) {
            // Others overtook it; whether it was applied the next attempt finds.
            if (error.errc() != Errc::outcome_unknown || boot_us() >= deadline_us) throw;
        }
    }
}

agree::ClaimRecord QueueWork::look(std::uint64_t deadline_us) const {
    const auto result = core->agreement().run(key, {}, left(deadline_us), nullptr);
    auto record = claims_in(result.value);
    book->saw(record, result.revision, boot_us());
    return record;
}

bool QueueWork::finish(std::uint64_t token, const std::vector<JobId>& jobs, const std::optional<crdt::Dot>& head,
                       const crdt::Version& applied, std::uint64_t deadline_us) const {
    std::vector<agree::JobId> ids;
    for (const auto& job : jobs) ids.push_back(to_inner(job));
    try {
        change(
            [&](agree::ClaimRecord& record) {
                agree::finish_jobs(record, token, ids);
                if (head) agree::add_head(record, *head, applied);
            },
            deadline_us);
        return true;
    } catch (const Error& error) {
        if (error.errc() != Errc::no_majority && error.errc() != Errc::outcome_unknown) throw;
        return false;
    }
}

std::optional<std::uint64_t> QueueWork::attempt(std::uint64_t token, const JobId& job,
                                                std::uint64_t deadline_us) const {
    const auto in = [&](const agree::ClaimRecord& record) -> std::optional<std::uint64_t> {
        const auto* lease = record.lease(token);
        for (const auto& leased : lease == nullptr ? std::vector<agree::LeasedJob>() : lease->jobs) {
            if (leased.id == to_inner(job)) return leased.attempt;
        }
        return {};
    };
    if (const auto known = in(book->last())) return known;
    try {
        return in(look(deadline_us));
    } catch (const Error& error) {
        if (error.errc() != Errc::no_majority && error.errc() != Errc::outcome_unknown) throw;
        return {};
    }
}

std::optional<crdt::Dot> durable_head(const Commit& commit) {
    if (!commit.wrote()) return {};
    try {
        commit.durable();
    } catch (const Error& error) {
        if (error.errc() != Errc::not_durable) throw;  // in memory mode it leaves at once
    }
    const auto& [replica, seq] = *commit.version().lines().begin();
    return to_inner(Dot{replica, seq});
}

QueueWork::Written QueueWork::write(const std::vector<Write>& parts) const {
    Written written;
    const auto run = [&](const Write& part) {
        return core->transact([&](Tx& tx) {
            written.applied = core->read([](const peer::Peer& peer) { return peer.state().version(); });
            part(tx);
        });
    };
    Commit last;
    for (const auto& part : parts) last = run(part);
    // What was written before may be in no head yet. This leaves nothing behind, and depends on all that is here.
    if (!last.wrote()) last = run([&](Tx& tx) { data.mark(tx); });
    written.head = durable_head(last);
    return written;
}

}  // namespace detail

QueueHandle::QueueHandle(detail::CorePtr core, std::string name, QueueOptions options)
    : Handle(std::move(core), Type::map, "$queue/jobs/" + queue_name(name)), name_(std::move(name)), options_(options) {
    if (options_.attempts < 1 || options_.attempts > queue_attempts_max)
        throw Error(Errc::invalid_argument, "a job is tried 1 to 10,000 times");
}

// -- putting

JobId QueueHandle::put_raw(Tx& tx, std::string value, std::optional<std::string_view> key, bool& fresh) const {
    const detail::QueueData data(core_pointer(), name_);
    if (value.size() + key.value_or("").size() > detail::job_bytes_max)
        throw Error(Errc::too_large, "a job and its key have at most 192 KiB less 16 bytes");
    const JobId id{stamp_of(tx), core().queues().draw_number()};
    fresh = !key || tx.append_once(data.keys, *key, {id});
    if (fresh) {
        tx.put(data.jobs, id, {key ? std::optional(std::string(*key)) : std::nullopt, std::move(value)});
        return id;
    }
    return data.put_before(*key).value_or(id);
}

Put QueueHandle::put_raw(std::string value, std::optional<std::string_view> key) const {
    Put put;
    put.commit = core().transact([&](Tx& tx) { put.id = put_raw(tx, std::move(value), key, put.fresh); });
    if (key) detail::QueueData(core_pointer(), name_).trim_keys();
    return put;
}

// -- ending

bool QueueHandle::ack_all(const std::vector<JobId>& jobs, std::uint64_t token, std::chrono::milliseconds within) const {
    detail::require_may_work(core());
    const QueueWork work(core_pointer(), name_);
    const auto deadline_us = detail::until_us(within);
    const auto written = work.write({[&](Tx& tx) {
        for (const auto& job : jobs) work.data.erase(tx, job);
    }});
    return work.finish(token, jobs, written.head, written.applied, deadline_us);
}

bool QueueHandle::nack(const JobId& job, std::uint64_t token, std::chrono::milliseconds delay,
                       std::chrono::milliseconds within) const {
    detail::require_may_work(core());
    if (delay.count() < 0 || delay > queue_delay_max)
        throw Error(Errc::invalid_argument, "a job is delayed for a year at most");
    const QueueWork work(core_pointer(), name_);
    const auto deadline_us = detail::until_us(within);
    auto attempt = work.attempt(token, job, deadline_us);
    if (!attempt) return false;  // the lease is over: who ended it has counted the attempt
    const auto written = work.write(
        {[&](Tx& tx) { work.data.fail(tx, job, *attempt, std::uint64_t(delay.count()), options_.attempts); }});
    return work.finish(token, {job}, written.head, written.applied, deadline_us);
}

void QueueHandle::refuse(const detail::RawJob& job) const {
    const QueueWork work(core_pointer(), name_);
    const auto written = work.write({[&](Tx& tx) { work.data.fail(tx, job.id, job.attempt, 0, 1); }});
    work.finish(job.token, {job.id}, written.head, written.applied, detail::until_us(decide_within));
}

bool QueueHandle::extend_lease(detail::JobLease& lease, const Commit* progress,
                               std::chrono::milliseconds within) const {
    detail::require_may_work(core());
    const QueueWork work(core_pointer(), name_);
    const auto deadline_us = detail::until_us(within);
    std::optional<crdt::Dot> head;
    if (progress != nullptr) head = detail::durable_head(*progress);
    const auto asked_us = detail::boot_us();
    const auto record = work.change(
        [&](agree::ClaimRecord& claims) {
            agree::renew_lease(claims, lease.token);
            if (head) agree::add_head(claims, *head, {});
        },
        deadline_us);
    const bool held = record.lease(lease.token) != nullptr;
    if (held) lease.confirmed(asked_us);
    if (!held) lease.until_us = 0;
    return held;
}

// -- looking

std::size_t QueueHandle::size() const {
    return detail::QueueData(core_pointer(), name_).size();
}

QueueStatus QueueHandle::status(std::chrono::milliseconds within) const {
    core().require_may_wait();
    const QueueWork work(core_pointer(), name_);
    QueueStatus status;
    std::set<JobId> leased;
    try {
        const auto record = work.look(detail::until_us(within));
        auto& leases = status.leases.emplace();
        for (const auto& lease : record.leases) {
            QueueStatus::Lease one{detail::to_public(lease.worker.claim.replica.node), lease.token, {}};
            for (const auto& job : lease.jobs) one.jobs.push_back(detail::to_public(job.id));
            leased.insert(one.jobs.begin(), one.jobs.end());
            leases.push_back(std::move(one));
        }
    } catch (const Error& error) {
        if (error.errc() != Errc::no_majority && error.errc() != Errc::outcome_unknown) throw;
    }
    const auto waiting = work.data.waiting(leased, SIZE_MAX, *work.book, detail::boot_us());
    status.waiting = waiting.jobs.size();
    status.delayed = waiting.delayed;
    status.dead = work.data.dead.size();
    return status;
}

// -- dead letters

std::vector<detail::RawJob> QueueHandle::dead_raw() const {
    std::vector<detail::RawJob> letters;
    for (auto& [id, letter] : detail::QueueData(core_pointer(), name_).dead.items())
        letters.push_back({id, std::move(letter.value), letter.attempts});
    return letters;
}

bool QueueHandle::put_again(const JobId& dead) const {
    const detail::QueueData data(core_pointer(), name_);
    bool found = false;
    core().transact([&](Tx& tx) {
        const auto letter = tx.get(data.dead, dead);
        found = letter.has_value();
        if (!found) return;
        // Without its key, under which the first put is remembered: this is another.
        tx.put(data.jobs, JobId{stamp_of(tx), core().queues().draw_number()}, {std::nullopt, letter->value});
        tx.erase(data.dead, dead);
    });
    return found;
}

bool QueueHandle::drop_dead(const JobId& dead) const {
    const detail::QueueData data(core_pointer(), name_);
    return core().transact([&](Tx& tx) { tx.erase(data.dead, dead); }).wrote();
}

}  // namespace starling
