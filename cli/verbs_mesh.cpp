#include <algorithm>
#include <iomanip>
#include <iostream>
#include <memory>
#include <thread>

#include <starling/starling.hpp>

#include "cli/control_client.hpp"
#include "cli/exit_codes.hpp"
#include "cli/messages.hpp"
#include "cli/node_report.hpp"
#include "cli/passphrase.hpp"
#include "cli/up.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds ask_again_ms{20};
constexpr std::chrono::milliseconds ending_ms_max{10'000};

int run_stop(const Invocation& invocation) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto answer = client->call({{"op", "stop"}});
    if (!answer) return complain(exit_no_node, answer.fault().what);
    if (!answer->value("ok", false)) return complain_of(*answer);
    while (client->receive(ending_ms_max)) {
    }
    if (!client->gone()) return complain(exit_machine, "the node is still about to end");  // it hangs up at its end
    if (invocation.json) std::cout << to_line(payload_of(std::move(*answer)));
    return exit_ok;
}

void add_up(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<UpOptions>();
    auto no_discovery = std::make_shared<bool>(false);
    CLI::App& verb = add_verb(app, invocation, "up",
                              "Run the node of a directory, in the foreground, until Ctrl-C or 'starling stop'");
    verb.add_option("--listen", options->listen,
                    "ADDRESS, ADDRESS:PORT, [V6]:PORT or :PORT (default: every address, any port)");
    verb.add_option("--peer", options->peers, "HOST:PORT of a node to dial, for where beacons do not reach; repeatable")
        ->take_all()
        ->allow_extra_args(false);
    add_passphrase_option(verb, options->passphrase_file);
    verb.add_option("--interface", options->interfaces, "Network card to find peers on; repeatable (default: all)")
        ->take_all()
        ->allow_extra_args(false);
    verb.add_flag("--no-discovery", *no_discovery, "Send and hear no beacons");
    verb.add_option("--discovery-port", options->discovery_port, "UDP port of the beacons (default 27465)");
    verb.add_flag("-v,--verbose", options->verbose, "Say on stderr what happens");
    verb.callback([&invocation, options, no_discovery] {
        invocation.run = [&invocation, options, no_discovery] {
            options->directory = invocation.directory;
            options->json = invocation.json;
            options->discovery = !*no_discovery;
            return run_up(*options);
        };
    });
    CLI::App& stop = add_verb(app, invocation, "stop", "End the running node, and wait until it has ended");
    stop.callback([&invocation] { invocation.run = [&invocation] { return run_stop(invocation); }; });
}

void print_peers(const Json& answer) {
    if (answer["peers"].empty()) {
        std::cout << "no peer is linked\n";
        return;
    }
    std::cout << "node      role    address                   lag  behind    bytes in   bytes out  state\n";
    for (const Json& peer : answer["peers"]) {
        std::cout << peer["id"].get<std::string>().substr(0, 8) << "  " << std::left << std::setw(8)
                  << peer["role"].get<std::string>() << std::setw(22) << peer["address"].get<std::string>()
                  << std::right << std::setw(7) << peer["lag"].get<std::uint64_t>() << std::setw(8)
                  << peer["behind"].get<std::uint64_t>() << std::setw(12) << peer["bytes_in"].get<std::uint64_t>()
                  << std::setw(12) << peer["bytes_out"].get<std::uint64_t>() << "  "
                  << (peer["synced"].get<bool>() ? "in step" : "catching up") << '\n';
    }
}

void print_store(const Json& store) {
    std::cout << "store        " << store["file_bytes"] << " bytes, of them unused " << store["unused_bytes"]
              << "; written ahead " << store["write_ahead_bytes"] << ", log " << store["log_bytes"] << '\n';
    if (const auto trouble = store["trouble"].get<std::string>(); !trouble.empty())
        std::cout << "disk         " << trouble << '\n';
}

void print_status(const Json& answer) {
    const auto text = [&](const char* name) { return answer[name].get<std::string>(); };
    std::cout << "node         " << text("node") << "\nrole         "
              << in_words({role_named(text("role")).value_or(Role::reader), answer["expires_s"].get<std::int64_t>()})
              << (answer["revoked"] == "no" ? "" : ", revoked: see 'starling doctor'") << "\nmesh         "
              << text("mesh") << "\nport         " << answer["port"] << "\nversion      " << text("version")
              << "\nevents       " << answer["events"] << "\nfingerprint  " << text("fingerprint") << "\nlive         "
              << answer["live_entries"] << " entries, log " << answer["log_bytes"] << " bytes\ntraffic      "
              << answer["bytes_in"] << " bytes in, " << answer["bytes_out"] << " out\nstate        "
              << (answer["synced"].get<bool>() ? "in step with all linked peers"
                  : answer["peers"].empty()    ? "no peer is linked"
                                               : "catching up")
              << '\n';
    if (answer.contains("store")) print_store(answer["store"]);
    if (answer["update_needed"].get<bool>()) std::cout << "update       a node runs a newer format: update this one\n";
    for (const Json& fault : answer["faults"]) std::cout << "fault        " << fault.get<std::string>() << '\n';
    if (!answer["blocked"].empty())
        std::cout << "blocked      " << answer["blocked"].size() << " nodes ('starling fault unblock')\n";
    if (!answer["peers"].empty()) std::cout << '\n';
    if (!answer["peers"].empty()) print_peers(answer);
}

void print_findings(const Json& findings) {
    for (const Json& finding : findings) {
        std::cout << std::left << std::setw(8) << finding["level"].get<std::string>()
                  << finding["what"].get<std::string>() << '\n';
        if (const auto advice = finding["advice"].get<std::string>(); !advice.empty())
            std::cout << "        -> " << advice << '\n';
    }
}

/// Exit 1 where there is trouble.
int run_doctor(const Invocation& invocation) {
    bool trouble = false;
    const auto look = [&](const Json& answer) {
        const auto& findings = answer["findings"];
        trouble = std::any_of(findings.begin(), findings.end(),
                              [](const Json& finding) { return finding["level"] == "trouble"; });
        if (invocation.json) {
            std::cout << to_line({{"findings", findings}});
        } else {
            print_findings(findings);
        }
    };
    auto people = invocation;
    people.json = false;
    const int asked = ask(people, {{"op", "doctor"}}, look);
    return asked == exit_ok && trouble ? exit_absent : asked;
}

int run_wait(const Invocation& invocation, const std::string& version, double seconds) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    Json request{{"op", "synced"}};
    if (!version.empty()) request["version"] = version;
    const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
    for (;;) {
        auto answer = client->call(request);
        if (!answer) return complain(exit_no_node, answer.fault().what);
        if (!answer->value("ok", false)) return complain_of(*answer);
        if (answer->value("synced", false)) return exit_ok;
        if (Clock::now() >= deadline) break;
        std::this_thread::sleep_for(ask_again_ms);
    }
    return complain(exit_absent, version.empty() ? "not in step with a peer yet: see 'starling peers'"
                                                 : "the version is not here yet: see 'starling peers'");
}

void add_looks(CLI::App& app, Invocation& invocation) {
    CLI::App& peers = add_verb(app, invocation, "peers", "Print the linked peers: lag, bytes, state");
    peers.callback(
        [&invocation] { invocation.run = [&invocation] { return ask(invocation, {{"op", "peers"}}, print_peers); }; });
    CLI::App& status =
        add_verb(app, invocation, "status", "Print how the node is doing: version, fingerprint, traffic, peers");
    status.callback([&invocation] {
        invocation.run = [&invocation] { return ask(invocation, {{"op", "status"}}, print_status); };
    });
    CLI::App& doctor = add_verb(app, invocation, "doctor",
                                "Say why the running node may not meet others, and what to do; exit 1 at trouble");
    doctor.callback([&invocation] { invocation.run = [&invocation] { return run_doctor(invocation); }; });
    struct Given {
        std::string version;
        double seconds = 10;
    };
    auto given = std::make_shared<Given>();
    CLI::App& wait =
        add_verb(app, invocation, "wait",
                 "Wait until all linked peers hold the same as the node (at least one peer); exit 1 at the timeout");
    wait.add_option("--version", given->version, "Wait instead until the node holds what this version covers");
    wait.add_option("--timeout", given->seconds, "Seconds (default 10)")->check(CLI::Range(0.0, 86400.0));
    wait.callback([&invocation, given] {
        invocation.run = [&invocation, given] { return run_wait(invocation, given->version, given->seconds); };
    });
}

/// The fault switch is for drills and tests, so that --help does not show it.
void add_fault(CLI::App& app, Invocation& invocation) {
    CLI::App& fault = add_verb(app, invocation, "fault", "Cut the links to some nodes, or let them in again");
    fault.group("");
    fault.require_subcommand(1);
    const auto say = [](const Json& answer) { std::cout << "blocked nodes: " << answer["blocked"] << '\n'; };
    auto nodes = std::make_shared<std::vector<std::string>>();
    CLI::App& block = add_verb(fault, invocation, "block", "Cut the links to these nodes and ignore them");
    block.add_option("NODE", *nodes, "Name of a node: all 64 digits, or the first few of a linked peer's")->required();
    block.callback([&invocation, nodes, say] {
        invocation.run = [&invocation, nodes, say] {
            return ask(invocation, {{"op", "fault"}, {"block", *nodes}}, say);
        };
    });
    CLI::App& unblock = add_verb(fault, invocation, "unblock", "Let all nodes in again");
    unblock.callback([&invocation, say] {
        invocation.run = [&invocation, say] { return ask(invocation, {{"op", "fault"}, {"unblock", true}}, say); };
    });
}

}  // namespace

void add_mesh_verbs(CLI::App& app, Invocation& invocation) {
    add_up(app, invocation);
    add_looks(app, invocation);
    add_fault(app, invocation);
}

}  // namespace starling::cli
