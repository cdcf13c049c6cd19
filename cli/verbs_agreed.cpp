// What a majority decides: voters, and commands under a lock or in a role.
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/control_client.hpp"
#include "cli/durations.hpp"
#include "cli/exit_codes.hpp"
#include "cli/guarded_command.hpp"
#include "cli/json_value.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

constexpr std::chrono::milliseconds set_voters_answer_ms_max{30'000};
constexpr std::chrono::hours lock_answer_max{24 * 366};
constexpr const char* token_variable = "STARLING_TOKEN";

void print_voters(const Json& answer) {
    if (answer["voters"].empty()) {
        std::cout << "no voters are known here: 'starling voters set' on the node that founded the mesh\n";
        return;
    }
    for (const Json& voter : answer["voters"]) {
        std::cout << voter["node"].get<std::string>() << "  "
                  << (voter["self"].get<bool>()     ? "this node"
                      : voter["linked"].get<bool>() ? "linked"
                                                    : "not linked")
                  << (voter["incoming"].get<bool>() ? ", incoming" : "")
                  << (voter["leaving"].get<bool>() ? ", leaving" : "") << '\n';
    }
}

int run_set_voters(const Invocation& invocation, const std::vector<std::string>& nodes) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto answer = client->call({{"op", "set_voters"}, {"voters", nodes}});
    if (answer && answer->value("ok", false)) answer = client->receive(set_voters_answer_ms_max);
    if (!answer) return complain(exit_no_node, answer.fault().what);
    if (!answer->value("ok", false)) return complain_of(*answer);
    if (invocation.json) {
        std::cout << to_line(payload_of(std::move(*answer)));
    } else {
        print_voters(*answer);
    }
    return exit_ok;
}

/// A lock, or a role.
struct TurnGiven {
    std::string name, note;
    std::vector<std::string> command;
    std::uint64_t ttl_ms = 10'000;
    std::optional<std::uint64_t> wait_ms;
};

/// `kind`: "lock" or "role".
int run_turn(const Invocation& invocation, const TurnGiven& given, const std::string& kind) {
    const auto what = "the " + kind + " '" + given.name + "'";
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    Json request{{"op", kind == "lock" ? "lock" : "elect"}, {kind, given.name}, {"ttl_ms", given.ttl_ms}};
    if (!given.note.empty()) request["note"] = given.note;
    if (given.wait_ms) request["wait_ms"] = *given.wait_ms;
    auto line = client->call(std::move(request));
    if (line && line->value("ok", false)) line = client->receive(lock_answer_max);
    if (!line) return complain(exit_no_node, line.fault().what);
    if (!line->value("ok", false)) return complain_of(*line);
    // Whatever the node says next is that the lock is lost; so it is when the node ends. It may have said so already:
    // that may be in what was read, where no poll of the socket finds it, or come before the token.
    const auto over = [&] { return client->receive(std::chrono::milliseconds(0)) || client->gone(); };
    if (!line->contains("locked") || over()) return complain(exit_lost, what + " was lost before the command was run");
    const auto token = (*line)["locked"]["token"].get<std::uint64_t>();
    const auto end = run_guarded(given.command, token_variable, std::to_string(token), client->fd(), over);
    if (end.lost) return complain(exit_lost, what + " was lost, and the command was ended");
    return end.exit;
}

void print_leader(const Json& line) {
    const Json& leader = line["leader"];
    std::cout << leader["node"].get<std::string>() << '\t' << leader["token"] << '\t'
              << leader["note"].get<std::string>() << '\n';
}

int run_leader(const Invocation& invocation, const std::string& role) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto line = client->call({{"op", "leader"}, {"role", role}});
    if (line && line->value("ok", false)) line = client->receive();
    if (!line) return complain(exit_no_node, line.fault().what);
    if (!line->value("ok", false)) return complain_of(*line);
    if (invocation.json) {
        std::cout << to_line(payload_of(std::move(*line)));
    } else {
        print_leader(*line);
    }
    return exit_ok;
}

void add_voters(CLI::App& app, Invocation& invocation) {
    CLI::App& voters = add_verb(app, invocation, "voters",
                                "Print who decides on locks and registers, as far as this node knows, or name others");
    auto nodes = std::make_shared<std::vector<std::string>>();
    CLI::App& set = add_verb(voters, invocation, "set", "Name 1, 3, 5 or 7 linked nodes, in place of those before");
    set.add_option("NODE", *nodes, "Name of a node: all 64 digits, or the first few of a linked one's")->required();
    set.footer("On any admin's node; a mesh that has no voters yet: once, on the node that founded it.");
    set.callback(
        [&invocation, nodes] { invocation.run = [&invocation, nodes] { return run_set_voters(invocation, *nodes); }; });
    voters.callback([&invocation, &set] {
        if (set.parsed()) return;
        invocation.run = [&invocation] { return ask(invocation, {{"op", "voters"}}, print_voters); };
    });
}

void add_lock(CLI::App& app, Invocation& invocation) {
    auto given = std::make_shared<TurnGiven>();
    CLI::App& lock = add_verb(app, invocation, "lock", "Run a command while this node holds a lock of the mesh");
    lock.add_option("NAME", given->name, "Name of the lock")->required();
    lock.add_option("COMMAND", given->command, "After --: what to run, with its token in STARLING_TOKEN")->required();
    lock.add_option("--ttl", given->ttl_ms, "How long nobody has it when its holder dies: 500ms, 10s (default), 5m")
        ->transform(as_milliseconds());
    lock.add_option("--wait", given->wait_ms, "How long to wait for it: 30s; 0s: for nobody (default: without end)")
        ->transform(as_milliseconds());
    lock.footer(
        "The exit code is the command's; 1: somebody else had the lock until --wait was over; 6: no majority answered; "
        "7: the lock was lost, and the command was ended (SIGTERM, SIGKILL after 5 s).");
    lock.callback([&invocation, given] {
        invocation.run = [&invocation, given] { return run_turn(invocation, *given, "lock"); };
    });
}

void add_elect(CLI::App& app, Invocation& invocation) {
    auto given = std::make_shared<TurnGiven>();
    CLI::App& elect = add_verb(app, invocation, "elect",
                               "Run a command while this node has a role of the mesh; without one, print who has it");
    elect.add_option("ROLE", given->name, "Name of the role")->required();
    elect.add_option("COMMAND", given->command, "After --: what to run, with the number of its term in STARLING_TOKEN");
    elect.add_option("--ttl", given->ttl_ms, "How long nobody has it when its holder dies: 500ms, 10s (default), 5m")
        ->transform(as_milliseconds());
    elect.add_option("--wait", given->wait_ms, "How long to wait for it: 30s (default: without end)")
        ->transform(as_milliseconds());
    elect.add_option("--note", given->note, "What others read of who has it")->check(check_text);
    elect.footer(
        "The exit code is the command's; 1: somebody else had the role until --wait was over, or nobody has it; 6: no "
        "majority answered; 7: the role was lost, and the command was ended (SIGTERM, SIGKILL after 5 s).");
    elect.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            return given->command.empty() ? run_leader(invocation, given->name) : run_turn(invocation, *given, "role");
        };
    });
}

}  // namespace

void add_agreed_verbs(CLI::App& app, Invocation& invocation) {
    add_voters(app, invocation);
    add_lock(app, invocation);
    add_elect(app, invocation);
}

}  // namespace starling::cli
