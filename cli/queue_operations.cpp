#include "cli/queue_operations.hpp"

#include <charconv>
#include <map>
#include <vector>

#include "cli/json_value.hpp"
#include "cli/request.hpp"

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;
using std::chrono::milliseconds;

using Jobs = Queue<Value>;
using Work = std::function<Json(const std::stop_token& stop)>;

/// What a worker shows to end a job: its name and the token of its lease, as one word.
struct Receipt {
    JobId id;
    std::uint64_t token = 0;
};

std::string text_of(const Receipt& receipt) {
    return receipt.id.to_string() + "-" + std::to_string(receipt.token);
}

Result<Receipt> receipt_of(const std::string& text) {
    const auto dash = text.find('-');
    Receipt receipt;
    const auto id = JobId::parse(text.substr(0, dash));
    const auto* const end = text.data() + text.size();
    if (id && dash != std::string::npos) {
        receipt.id = *id;
        const auto read = std::from_chars(text.data() + dash + 1, end, receipt.token);
        if (read.ec == std::errc() && read.ptr == end) return receipt;
    }
    return Fault{FaultCode::malformed, "'" + text + "' is no receipt: 'starling queue take' prints them"};
}

Result<JobId> id_in(const Json& request) {
    auto text = text_in(request, "job");
    if (!text) return text.fault();
    // A receipt names its job, too.
    if (const auto id = JobId::parse(text->substr(0, text->find('-')))) return *id;
    return Fault{FaultCode::malformed, "'" + *text + "' names no job"};
}

/// An argument that may be left out.
Result<std::int64_t> integer_or(const Json& request, const char* name, std::int64_t otherwise) {
    return request.contains(name) ? integer_in(request, name) : Result<std::int64_t>(otherwise);
}

Result<Jobs> queue_in(const Node& node, const Json& request) {
    auto name = text_in(request, "queue");
    if (!name) return name.fault();
    auto attempts = integer_or(request, "attempts", std::int64_t(QueueOptions{}.attempts));
    if (!attempts) return attempts.fault();
    return node.queue<Value>(*name, {std::size_t(std::max<std::int64_t>(0, *attempts))});
}

Result<Work> put_job(const Jobs& queue, const Json& request) {
    auto value = value_in(request, "value");
    if (!value) return value.fault();
    std::optional<std::string> key;
    if (request.contains("key")) {
        auto text = text_in(request, "key");
        if (!text) return text.fault();
        key = std::move(*text);
    }
    return Work([queue, value = std::move(*value), key](const std::stop_token&) {
        const auto done = key ? queue.put(value, *key) : queue.put(value);
        try {
            done.commit.durable();
        } catch (const Error& error) {
            if (error.errc() != Errc::not_durable) throw;
        }
        Json line = ok_answer();
        line["job"] = done.id.to_string();
        line["fresh"] = done.fresh;
        return line;
    });
}

Result<Work> take_jobs(const Jobs& queue, const Json& request) {
    auto count = integer_or(request, "jobs", 1);
    auto lease_ms = integer_or(request, "lease_ms", TakeOptions{}.lease.count());
    auto wait_ms = integer_or(request, "wait_ms", 0);
    for (const auto* argument : {&count, &lease_ms, &wait_ms}) {
        if (!*argument) return argument->fault();
    }
    TakeOptions options;
    options.jobs = std::size_t(std::max<std::int64_t>(0, *count));
    options.lease = milliseconds(std::clamp<std::int64_t>(*lease_ms, 0, INT32_MAX));
    options.wait = milliseconds(std::clamp<std::int64_t>(*wait_ms, 0, milliseconds(queue_delay_max).count()));
    return Work([queue, options](const std::stop_token& stop) mutable {
        options.stop = stop;
        Json list = Json::array();
        for (const auto& job : queue.take(options)) {
            list.push_back({{"receipt", text_of({job.id, job.token})},
                            {"token", job.token},
                            {"attempt", job.attempt},
                            {"value", to_json(job.value)}});
        }
        Json line = ok_answer();
        line["taken"] = std::move(list);
        return line;
    });
}

Result<Work> ack_jobs(const Jobs& queue, const Json& request) {
    const auto list = request.find("jobs");
    if (list == request.end() || !list->is_array() || list->empty())
        return Fault{FaultCode::malformed, "\"jobs\" must be a list of at least one receipt"};
    std::map<std::uint64_t, std::vector<JobId>> by_token;
    for (const Json& item : *list) {
        auto receipt = receipt_of(item.is_string() ? item.get<std::string>() : std::string());
        if (!receipt) return receipt.fault();
        by_token[receipt->token].push_back(receipt->id);
    }
    return Work([queue, by_token = std::move(by_token)](const std::stop_token&) {
        bool told = true;
        for (const auto& [token, jobs] : by_token) told = queue.ack_all(jobs, token) && told;
        Json line = ok_answer();
        line["told"] = told;
        return line;
    });
}

Result<Work> nack_job(const Jobs& queue, const Json& request) {
    auto text = text_in(request, "job");
    if (!text) return text.fault();
    auto receipt = receipt_of(*text);
    if (!receipt) return receipt.fault();
    auto delay_ms = integer_or(request, "delay_ms", 0);
    if (!delay_ms) return delay_ms.fault();
    return Work([queue, receipt = *receipt, delay = milliseconds(*delay_ms)](const std::stop_token&) {
        Json line = ok_answer();
        line["told"] = queue.nack(receipt.id, receipt.token, delay);
        return line;
    });
}

Result<Work> show_queue(const Jobs& queue, const Json&) {
    return Work([queue](const std::stop_token&) {
        const auto status = queue.status();
        Json line = ok_answer();
        line["waiting"] = status.waiting;
        line["delayed"] = status.delayed;
        line["leased"] = status.leases ? Json(status.leased()) : Json();
        Json leases = Json::array();
        for (const auto& lease : status.leases.value_or(std::vector<QueueStatus::Lease>())) {
            Json jobs = Json::array();
            for (const auto& job : lease.jobs) jobs.push_back(job.to_string());
            leases.push_back({{"node", lease.node.to_string()}, {"token", lease.token}, {"jobs", std::move(jobs)}});
        }
        line["leases"] = std::move(leases);
        Json dead = Json::array();
        for (const auto& letter : queue.dead()) {
            dead.push_back({{"job", letter.id.to_string()},
                            {"attempts", letter.attempts},
                            {"value", letter.value ? to_json(*letter.value) : Json()}});
        }
        line["dead"] = std::move(dead);
        return line;
    });
}

Result<Work> end_dead(const Jobs& queue, const Json& request, bool (Jobs::*end)(const JobId&) const) {
    auto id = id_in(request);
    if (!id) return id.fault();
    return Work([queue, end, id = *id](const std::stop_token&) {
        if ((queue.*end)(id)) return ok_answer();
        return error_answer(error_code::absent, "there is no dead letter '" + id.to_string() + "' here");
    });
}

}  // namespace

std::optional<Json> QueueOperations::run(const std::string& op, const Json& request, ClientSession& session) {
    static const std::map<std::string, std::function<Result<Work>(const Jobs&, const Json&)>> operations{
        {"queue_put", put_job},
        {"queue_take", take_jobs},
        {"queue_ack", ack_jobs},
        {"queue_nack", nack_job},
        {"queue_show", show_queue},
        {"queue_again", [](const Jobs& queue, const Json& given) { return end_dead(queue, given, &Jobs::put_again); }},
        {"queue_drop", [](const Jobs& queue, const Json& given) { return end_dead(queue, given, &Jobs::drop_dead); }}};
    const auto operation = operations.find(op);
    if (operation == operations.end()) return {};
    auto queue = queue_in(node_, request);
    if (!queue) return bad_request(queue);
    auto work = operation->second(*queue, request);
    if (!work) return bad_request(work);
    return background_.run(session, std::move(*work));
}

}  // namespace starling::cli
