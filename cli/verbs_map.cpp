#include <iostream>
#include <memory>
#include <utility>

#include "cli/exit_codes.hpp"
#include "cli/import.hpp"
#include "cli/json_value.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

struct MapArguments {
    std::string map, field, value;
};

void print_items(const Json& answer) {
    for (const Json& item : answer["items"]) std::cout << for_people(item[0]) << '\t' << for_people(item[1]) << '\n';
}

void add_put(CLI::App& app, Invocation& invocation) {
    CLI::App& verb = add_verb(app, invocation, "put", "Write a field of a map");
    auto given = std::make_shared<MapArguments>();
    verb.add_option("MAP", given->map, "Key of the map")->required()->check(check_text);
    verb.add_option("FIELD", given->field, "Field: JSON scalar if it parses as one, else text")
        ->required()
        ->check(check_value);
    verb.add_option("VALUE", given->value, "Value: JSON if it parses as JSON, else text")
        ->required()
        ->check(check_value);
    verb.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            Json request{{"op", "put"}, {"map", given->map}, {"field", json_of_argument(given->field)}};
            request["value"] = json_of_argument(given->value);
            return ask(invocation, std::move(request), print_nothing);
        };
    });
}

void add_get(CLI::App& app, Invocation& invocation) {
    CLI::App& verb =
        add_verb(app, invocation, "get", "Print a field of a map, or without FIELD all of it, a field a line");
    auto given = std::make_shared<MapArguments>();
    verb.add_option("MAP", given->map, "Key of the map")->required()->check(check_text);
    auto* field = verb.add_option("FIELD", given->field, "Field; exit 1 where it is not there")->check(check_value);
    verb.callback([&invocation, given, field] {
        invocation.run = [&invocation, given, field] {
            if (field->count() == 0) return ask(invocation, {{"op", "items"}, {"map", given->map}}, print_items);
            Json request{{"op", "get"}, {"map", given->map}, {"field", json_of_argument(given->field)}};
            return ask(invocation, std::move(request), print_value);
        };
    });
}

void add_erase(CLI::App& app, Invocation& invocation) {
    CLI::App& verb = add_verb(app, invocation, "erase", "Erase a field of a map; exit 1 where it is not there");
    auto given = std::make_shared<MapArguments>();
    verb.add_option("MAP", given->map, "Key of the map")->required()->check(check_text);
    verb.add_option("FIELD", given->field, "Field")->required()->check(check_value);
    verb.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            Json request{{"op", "erase"}, {"map", given->map}, {"field", json_of_argument(given->field)}};
            return ask(invocation, std::move(request), print_nothing);
        };
    });
}

void add_import(CLI::App& app, Invocation& invocation) {
    CLI::App& verb = add_verb(app, invocation, "import", "Put each line of a file of JSON Lines into a map");
    verb.footer(
        "With one argument it is a FILE that 'starling export' printed, and all that was there is written: into a\n"
        "mesh without these keys, since counters would count twice.");
    auto options = std::make_shared<ImportOptions>();
    verb.add_option("MAP", options->map, "Key of the map")->required()->check(check_text);
    auto* file = verb.add_option("FILE", options->file, "JSON Lines; - is standard input");
    auto* key = verb.add_option(
        "--key", options->key,
        "Lines are objects, and this member names the map's field; without it lines are [field, value]");
    verb.callback([&invocation, options, file, key] {
        invocation.run = [&invocation, options, file, key] {
            options->directory = invocation.directory;
            options->json = invocation.json;
            if (file->count() == 0) {
                if (key->count() > 0) return complain(exit_usage, "name the map that --key is for: import MAP FILE");
                options->file = std::exchange(options->map, {});
            }
            return run_import(*options);
        };
    });
}

}  // namespace

void add_map_verbs(CLI::App& app, Invocation& invocation) {
    add_put(app, invocation);
    add_get(app, invocation);
    add_erase(app, invocation);
    add_import(app, invocation);
}

}  // namespace starling::cli
