// Registers that a majority decides on, and the map whose writers name the token of their lock.
#include <iostream>
#include <memory>
#include <optional>

#include "cli/control_client.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json_value.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

constexpr std::chrono::milliseconds beyond_within_ms{10'000};  // of a decision, for its answer
constexpr const char* token_environment = "STARLING_TOKEN";

struct RegisterGiven {
    std::string name, value, was;
    std::optional<std::string> change{};
    std::int64_t within_ms = 2'000;
};

int complain_of_decision(const Json& answer) {
    const Json& error = answer["error"];
    if (!error.contains("change")) return complain_of(answer);
    return complain(
        exit_code_of(error.value("code", "")),
        error.value("message", "") + "; the same again, once at most: --change " + error["change"].get<std::string>());
}

/// Sends a wish, waits for what is decided, and prints it.
int decide(const Invocation& invocation, const RegisterGiven& given, Json request) {
    request["register"] = given.name;
    request["within_ms"] = given.within_ms;
    if (given.change) request["change"] = *given.change;
    const bool reads = request["op"] == "agreed_get";
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto line = client->call(std::move(request));
    if (line && line->value("ok", false))
        line = client->receive(std::chrono::milliseconds(given.within_ms) + beyond_within_ms);
    if (!line) return complain(exit_no_node, line.fault().what);
    if (!line->value("ok", false)) return complain_of_decision(*line);
    const Json& decided = (*line)["decided"];
    const bool there = decided.value("there", false), met = decided.value("met", true);
    if (invocation.json) {
        std::cout << to_line(decided);
    } else if (there) {
        std::cout << for_people(decided["value"]) << '\n';
    }
    if (!met && there) return complain(exit_absent, "register '" + given.name + "' holds another value: it is printed");
    if (!met) return complain(exit_absent, "register '" + given.name + "' holds no value");
    if (reads && !there) return complain(exit_absent, "register '" + given.name + "' is not there");
    return exit_ok;
}

CLI::App& add_decision(CLI::App& agreed, Invocation& invocation, const std::shared_ptr<RegisterGiven>& given,
                       const std::string& verb, const std::string& what) {
    CLI::App& app = add_verb(agreed, invocation, verb, what);
    app.add_option("REGISTER", given->name, "Name of the register")->required()->check(check_text);
    app.add_option("--within", given->within_ms, "How long to try, in milliseconds (default 2000)")
        ->check(CLI::Range(1, 60'000));
    if (verb == "get") return app;
    app.add_option("VALUE", given->value, "Value: JSON if it parses as JSON, else text")
        ->required()
        ->check(check_value);
    app.add_option("--change", given->change, "The name that an unknown outcome gave: the same change, once at most");
    return app;
}

void add_agreed(CLI::App& app, Invocation& invocation) {
    CLI::App& agreed = add_verb(app, invocation, "agreed", "Registers that a majority of the voters decides on");
    agreed.require_subcommand(1);
    agreed.footer("Exit 6: no majority of the voters answered. It says so where the change may have been made.");
    const auto given = std::make_shared<RegisterGiven>();
    const auto runs = [&invocation, given](CLI::App& verb, const std::string& op) {
        verb.callback([&invocation, given, op] {
            invocation.run = [&invocation, given, op] {
                Json request{{"op", op}};
                if (op != "agreed_get") request["value"] = json_of_argument(given->value);
                return decide(invocation, *given, std::move(request));
            };
        });
    };
    runs(add_decision(agreed, invocation, given, "get", "Print the last value that was decided; exit 1: there is none"),
         "agreed_get");
    runs(add_decision(agreed, invocation, given, "set", "Set it, whatever it holds"), "agreed_set");
    runs(add_decision(agreed, invocation, given, "append", "Add to the end of the list that it holds"),
         "agreed_append");
    CLI::App& cas =
        add_decision(agreed, invocation, given, "cas", "Set it where it holds what is expected, else exit 1");
    const auto* was = cas.add_option("--was", given->was, "What it must hold (without: nothing)")->check(check_value);
    cas.callback([&invocation, given, was] {
        invocation.run = [&invocation, given, was] {
            Json request{{"op", "agreed_cas"}, {"value", json_of_argument(given->value)}};
            if (was->count() > 0) request["expected"] = json_of_argument(given->was);
            return decide(invocation, *given, std::move(request));
        };
    });
}

struct FencedGiven {
    std::string map, field, value;
    std::uint64_t token = 0;
};

int print_fenced(const Invocation& invocation, const FencedGiven& given) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto answer = client->call({{"op", "fenced_get"}, {"map", given.map}, {"field", json_of_argument(given.field)}});
    if (!answer) return complain(exit_no_node, answer.fault().what);
    if (!answer->value("ok", false)) return complain_of(*answer);
    const bool there = answer->contains("value");
    if (invocation.json) {
        std::cout << to_line(payload_of(*answer));
    } else if (there) {
        std::cout << for_people((*answer)["value"]) << '\n';
    }
    return there ? exit_ok
                 : complain(exit_absent, "field '" + given.field + "' of fenced map '" + given.map + "' is not there");
}

CLI::App& add_field_verb(CLI::App& fenced, Invocation& invocation, const std::shared_ptr<FencedGiven>& given,
                         const std::string& verb, const std::string& what) {
    CLI::App& app = add_verb(fenced, invocation, verb, what);
    app.add_option("MAP", given->map, "Key of the map")->required()->check(check_text);
    app.add_option("FIELD", given->field, "Field: JSON scalar if it parses as one, else text")
        ->required()
        ->check(check_value);
    if (verb == "get") return app;
    if (verb == "put")
        app.add_option("VALUE", given->value, "Value: JSON if it parses as JSON, else text")
            ->required()
            ->check(check_value);
    app.add_option("--token", given->token, "The lock's (default: STARLING_TOKEN of the environment)")
        ->envname(token_environment)
        ->required();
    return app;
}

void add_fenced(CLI::App& app, Invocation& invocation) {
    CLI::App& fenced = add_verb(app, invocation, "fenced", "A map whose writers name the token of the lock they hold");
    fenced.require_subcommand(1);
    const auto given = std::make_shared<FencedGiven>();
    CLI::App& put =
        add_field_verb(fenced, invocation, given, "put", "Write a field; exit 4 under a token that is past");
    CLI::App& erase = add_field_verb(fenced, invocation, given, "erase", "Erase a field; exit 4 as put");
    CLI::App& get = add_field_verb(fenced, invocation, given, "get", "Print a field; --json: with its token");
    const auto request = [given](const char* op) {
        return Json{
            {"op", op}, {"map", given->map}, {"field", json_of_argument(given->field)}, {"token", given->token}};
    };
    put.callback([&invocation, given, request] {
        invocation.run = [&invocation, given, request] {
            Json write = request("fenced_put");
            write["value"] = json_of_argument(given->value);
            return ask(invocation, std::move(write), print_nothing);
        };
    });
    erase.callback([&invocation, request] {
        invocation.run = [&invocation, request] { return ask(invocation, request("fenced_erase"), print_nothing); };
    });
    get.callback(
        [&invocation, given] { invocation.run = [&invocation, given] { return print_fenced(invocation, *given); }; });
}

}  // namespace

void add_decision_verbs(CLI::App& app, Invocation& invocation) {
    add_agreed(app, invocation);
    add_fenced(app, invocation);
}

}  // namespace starling::cli
