#include <iomanip>
#include <iostream>
#include <memory>

#include "cli/control_client.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json_value.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

constexpr std::chrono::hours watch_silence_max{24 * 365};

void print_change(const Json& change) {
    const std::string origin =
        change["origin"].is_string() ? change["origin"].get<std::string>().substr(0, 8) : "several";
    if (change.contains("overflow")) std::cout << "-- too many changes at once: read anew what you need\n";
    for (const Json& item : change["changes"]) {
        std::cout << origin << "  " << for_people(item["type"]) << ' ' << for_people(item["key"]);
        if (item.contains("field")) std::cout << ' ' << for_people(item["field"]);
        if (item.contains("gone")) std::cout << "  gone";
        if (item.contains("value")) std::cout << "  = " << for_people(item["value"]);
        std::cout << '\n';
        for (const Json& entry : item.value("appended", Json::array())) {
            std::cout << origin << "    + " << for_people(entry["value"]) << '\n';
        }
    }
}

/// Prints transactions until there were `count` (0: without end), the node stops or stdout is closed.
int run_watch(const Invocation& invocation, const std::string& prefix, std::uint64_t count) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto answer = client->call({{"op", "watch"}, {"prefix", prefix}});
    if (!answer) return complain(exit_no_node, answer.fault().what);
    std::uint64_t seen = 0;
    for (auto line = std::move(answer);; line = client->receive(watch_silence_max)) {
        if (!line) return complain(exit_no_node, line.fault().what);
        if (line->contains("error")) {
            const Json& error = (*line)["error"];
            return complain(exit_code_of(error.value("code", "")), error.value("message", "the node refused"));
        }
        if (!line->contains("change")) continue;
        if (invocation.json) {
            std::cout << to_line((*line)["change"]);
        } else {
            print_change((*line)["change"]);
        }
        if (!std::cout.flush()) return complain(exit_machine, "cannot write to standard output");
        if (++seen == count) return exit_ok;
    }
}

void add_watch(CLI::App& app, Invocation& invocation) {
    struct Given {
        std::string prefix;
        std::uint64_t count = 0;
    };
    auto given = std::make_shared<Given>();
    CLI::App& verb =
        add_verb(app, invocation, "watch", "Print each transaction under a prefix as it becomes visible, until Ctrl-C");
    verb.add_option("PREFIX", given->prefix, "Beginning of the keys to watch (default: all)")->check(check_text);
    verb.add_option("--count", given->count, "End after so many transactions")->check(check_whole);
    verb.callback([&invocation, given] {
        invocation.run = [&invocation, given] { return run_watch(invocation, given->prefix, given->count); };
    });
}

void add_keys(CLI::App& app, Invocation& invocation) {
    auto prefix = std::make_shared<std::string>();
    CLI::App& verb = add_verb(app, invocation, "keys", "Print the keys that hold anything, with their types");
    verb.add_option("PREFIX", *prefix, "Beginning of the keys (default: all)")->check(check_text);
    verb.callback([&invocation, prefix] {
        invocation.run = [&invocation, prefix] {
            return ask(invocation, {{"op", "keys"}, {"prefix", *prefix}}, [](const Json& answer) {
                for (const Json& info : answer["keys"]) {
                    std::cout << for_people(info["type"]) << '\t' << for_people(info["key"]) << '\n';
                }
            });
        };
    });
}

/// "2026-03-01 12:00:00.123" in UTC.
std::string time_of(std::int64_t stamp_us) {
    const std::time_t seconds = stamp_us / 1'000'000;
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::ostringstream text;
    text << std::put_time(&parts, "%F %T") << '.' << std::setw(3) << std::setfill('0') << stamp_us / 1000 % 1000;
    return text.str();
}

void print_reasons(const Json& answer) {
    for (const Json& reason : answer["reasons"]) {
        const auto dot = reason["dot"].get<std::string>();
        std::cout << (reason["decides"].get<bool>() ? "* " : "  ") << for_people(reason["value"]) << "\n    written by "
                  << dot.substr(0, 8) << " on " << time_of(reason["stamp_us"].get<std::int64_t>()) << " UTC, depth "
                  << reason["depth"] << ", as " << dot << '\n';
    }
}

void add_explain(CLI::App& app, Invocation& invocation) {
    struct Given {
        std::string type, key, field;
    };
    auto given = std::make_shared<Given>();
    CLI::App& verb = add_verb(app, invocation, "explain",
                              "Say why a value is what it is: the live writes behind it, * the one that decides");
    verb.add_option("TYPE", given->type, "counter, set, map, register, multi-value, flag or journal")->required();
    verb.add_option("KEY", given->key, "Key")->required()->check(check_text);
    auto* field = verb.add_option("FIELD", given->field, "Field of the map, element of the set")->check(check_value);
    verb.callback([&invocation, given, field] {
        invocation.run = [&invocation, given, field] {
            Json request{{"op", "explain"}, {"type", given->type}, {"key", given->key}};
            if (field->count() > 0) request["field"] = json_of_argument(given->field);
            return ask(invocation, std::move(request), print_reasons);
        };
    });
}

}  // namespace

void add_look_verbs(CLI::App& app, Invocation& invocation) {
    add_watch(app, invocation);
    add_keys(app, invocation);
    add_explain(app, invocation);
}

}  // namespace starling::cli
