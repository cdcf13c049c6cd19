#include <iostream>

#include "cli/control_client.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json_value.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {

CLI::App& add_verb(CLI::App& app, Invocation& invocation, const std::string& name, const std::string& what) {
    CLI::App& verb = *app.add_subcommand(name, what);
    verb.add_option("-d,--dir", invocation.directory, "The node's directory (default ./starling, or $STARLING_DIR)");
    verb.add_flag("--json", invocation.json, "Print JSON, one object a line");
    return verb;
}

void print_value(const Json& answer) {
    std::cout << for_people(answer["value"]) << '\n';
}

void print_nothing(const Json&) {}

Json payload_of(Json answer) {
    answer.erase("v");
    answer.erase("ok");
    answer.erase("began_us");
    return answer;
}

int complain_of(const Json& answer) {
    const Json error = answer.value("error", Json::object());
    return complain(exit_code_of(error.value("code", "")), error.value("message", "the node refused"));
}

int ask(const Invocation& invocation, Json request, const std::function<void(const Json&)>& print) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto answer = client->call(std::move(request));
    if (!answer) return complain(exit_no_node, answer.fault().what);
    if (!answer->value("ok", false)) return complain_of(*answer);
    if (invocation.json) {
        std::cout << to_line(payload_of(std::move(*answer)));
    } else {
        print(*answer);
    }
    return exit_ok;
}

}  // namespace starling::cli
