// Work queues on the command line.
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/control_client.hpp"
#include "cli/durations.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json_value.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

constexpr std::chrono::milliseconds queue_answer_ms_max{30'000};  // beyond what was asked to be waited

struct QueueGiven {
    std::string name, value, key;
    std::vector<std::string> jobs;
    std::uint64_t count = 1, attempts = 0;
    std::uint64_t lease_ms = 30'000, wait_ms = 0, delay_ms = 0;
};
using GivenPtr = std::shared_ptr<QueueGiven>;

/// Sends a request, and prints what comes of it, which is told after the answer. `print` returns the exit code.
int ask_queue(const Invocation& invocation, const QueueGiven& given, Json request,
              const std::function<int(const Json&)>& print) {
    request["queue"] = given.name;
    if (given.attempts > 0) request["attempts"] = given.attempts;
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto line = client->call(std::move(request));
    if (line && line->value("ok", false))
        line = client->receive(queue_answer_ms_max + std::chrono::milliseconds(given.wait_ms));
    if (!line) return complain(exit_no_node, line.fault().what);
    if (!line->value("ok", false)) return complain_of(*line);
    if (!invocation.json) return print(*line);
    std::cout << to_line(payload_of(*line));
    const auto taken = line->find("taken");
    return taken != line->end() && taken->empty() ? exit_absent : exit_ok;
}

int print_taken(const Json& line) {
    for (const Json& job : line["taken"])
        std::cout << job["receipt"].get<std::string>() << '\t' << job["attempt"] << '\t' << for_people(job["value"])
                  << '\n';
    return line["taken"].empty() ? exit_absent : exit_ok;
}

int print_told(const Json& line) {
    if (!line["told"].get<bool>())
        std::cerr << "starling: the lease is over, or no majority was told in time: others may be given the job\n";
    return exit_ok;
}

int print_queue(const Json& line) {
    std::cout << "waiting " << line["waiting"] << ", leased "
              << (line["leased"].is_null() ? "unknown (no majority answers)" : line["leased"].dump()) << ", delayed "
              << line["delayed"] << ", dead " << line["dead"].size() << '\n';
    for (const Json& lease : line["leases"])
        std::cout << "lease " << lease["token"] << " of " << lease["node"].get<std::string>().substr(0, 8) << ": "
                  << lease["jobs"].size() << '\n';
    for (const Json& letter : line["dead"])
        std::cout << "dead " << letter["job"].get<std::string>() << " after " << letter["attempts"] << ": "
                  << for_people(letter["value"]) << '\n';
    return exit_ok;
}

int print_job(const Json& line) {
    std::cout << line["job"].get<std::string>() << (line["fresh"].get<bool>() ? "" : " put before") << '\n';
    return exit_ok;
}

int print_no_more(const Json&) {
    return exit_ok;
}

using RequestOf = std::function<Json(const QueueGiven&)>;

CLI::App& add_queue_verb(CLI::App& queue, Invocation& invocation, const GivenPtr& given, const char* name,
                         const char* what, const RequestOf& request, int (*print)(const Json&)) {
    CLI::App& verb = add_verb(queue, invocation, name, what);
    verb.add_option("NAME", given->name, "Name of the queue")->required()->check(check_text);
    verb.callback([&invocation, given, request, print] {
        invocation.run = [&invocation, given, request, print] {
            return ask_queue(invocation, *given, request(*given), print);
        };
    });
    return verb;
}

void add_attempts(CLI::App& verb, const GivenPtr& given) {
    verb.add_option("--attempts", given->attempts, "After so many that failed a job is a dead letter (default 16)")
        ->check(CLI::Range(1, 10'000));
}

void add_put_and_take(CLI::App& queue, Invocation& invocation, const GivenPtr& given) {
    const auto put_request = [](const QueueGiven& of) {
        Json request{{"op", "queue_put"}, {"value", json_of_argument(of.value)}};
        if (!of.key.empty()) request["key"] = of.key;
        return request;
    };
    CLI::App& put = add_queue_verb(queue, invocation, given, "put", "Put a job at the end, and print its name",
                                   put_request, print_job);
    put.add_option("VALUE", given->value, "The job: JSON if it parses as JSON, else text")
        ->required()
        ->check(check_value);
    put.add_option("--key", given->key, "Idempotency key: what was put with it before is not put again")
        ->check(check_text);

    const auto take_request = [](const QueueGiven& of) {
        return Json{{"op", "queue_take"}, {"jobs", of.count}, {"lease_ms", of.lease_ms}, {"wait_ms", of.wait_ms}};
    };
    CLI::App& take =
        add_queue_verb(queue, invocation, given, "take", "Take the first jobs, a line each: receipt, attempt and value",
                       take_request, print_taken);
    take.add_option("--count", given->count, "At most so many, up to 32 (default 1)")->check(CLI::Range(1, 32));
    take.add_option("--lease", given->lease_ms, "For how long nobody else gets them: 500ms, 30s (default), 5m")
        ->transform(as_milliseconds());
    take.add_option("--wait", given->wait_ms, "How long to wait for a job (default: not)")
        ->transform(as_milliseconds());
    add_attempts(take, given);
    take.footer("Exit code 1: there was no job; 6: no majority answered.");
}

void add_ends(CLI::App& queue, Invocation& invocation, const GivenPtr& given) {
    CLI::App& ack = add_queue_verb(
        queue, invocation, given, "ack", "The work is done: the jobs are gone, for everybody",
        [](const QueueGiven& of) { return Json{{"op", "queue_ack"}, {"jobs", of.jobs}}; }, print_told);
    ack.add_option("RECEIPT", given->jobs, "As 'starling queue take' printed them")->required()->check(check_text);

    const auto nack_request = [](const QueueGiven& of) {
        return Json{{"op", "queue_nack"}, {"job", of.jobs.at(0)}, {"delay_ms", of.delay_ms}};
    };
    CLI::App& nack = add_queue_verb(queue, invocation, given, "nack",
                                    "The work failed: the job is given to others, or becomes a dead letter",
                                    nack_request, print_told);
    nack.add_option("RECEIPT", given->jobs, "As 'starling queue take' printed it")
        ->required()
        ->expected(1)
        ->check(check_text);
    nack.add_option("--delay", given->delay_ms, "Not before so long (default: at once)")->transform(as_milliseconds());
    add_attempts(nack, given);
}

void add_dead(CLI::App& queue, Invocation& invocation, const GivenPtr& given, const char* name, const char* what,
              const std::string& op) {
    CLI::App& verb = add_queue_verb(
        queue, invocation, given, name, what,
        [op](const QueueGiven& of) { return Json{{"op", op}, {"job", of.jobs.at(0)}}; }, print_no_more);
    verb.add_option("JOB", given->jobs, "As 'starling queue show' names it")
        ->required()
        ->expected(1)
        ->check(check_text);
}

}  // namespace

void add_queue_verbs(CLI::App& app, Invocation& invocation) {
    CLI::App& queue = *app.add_subcommand("queue", "Work queues: put jobs, and take them one worker at a time");
    queue.require_subcommand(1);
    const auto given = std::make_shared<QueueGiven>();
    add_put_and_take(queue, invocation, given);
    add_ends(queue, invocation, given);
    add_queue_verb(
        queue, invocation, given, "show", "Print how many jobs wait and are leased, and the dead letters",
        [](const QueueGiven&) { return Json{{"op", "queue_show"}}; }, print_queue);
    add_dead(queue, invocation, given, "again", "Put a dead letter in again, at the end", "queue_again");
    add_dead(queue, invocation, given, "drop", "Drop a dead letter", "queue_drop");
}

}  // namespace starling::cli
