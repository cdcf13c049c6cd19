#include <charconv>
#include <iostream>
#include <memory>
#include <optional>

#include "cli/json_value.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

struct Arguments {
    std::string key, value;
};

/// A whole number of 63 bits and a sign; CLI11 itself would silently take the nearest one.
std::optional<std::int64_t> amount_in(const std::string& text) {
    std::int64_t amount = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), amount);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(amount) : std::nullopt;
}

std::string check_amount(const std::string& text) {
    return amount_in(text) ? "" : "N is a whole number within 63 bits, not '" + text + "'";
}

void add_counter_verbs(CLI::App& app, Invocation& invocation) {
    auto given = std::make_shared<Arguments>();
    CLI::App& incr = add_verb(app, invocation, "incr", "Add to a counter and print its sum");
    incr.add_option("COUNTER", given->key, "Key of the counter")->required()->check(check_text);
    incr.add_option("N", given->value, "How much; may be negative (default 1)")->check(check_amount);
    incr.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            const auto amount = amount_in(given->value).value_or(1);
            return ask(invocation, {{"op", "incr"}, {"counter", given->key}, {"amount", amount}}, print_value);
        };
    });
    CLI::App& count = add_verb(app, invocation, "count", "Print the sum of a counter; 0 where nothing was added");
    count.add_option("COUNTER", given->key, "Key of the counter")->required()->check(check_text);
    count.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            return ask(invocation, {{"op", "count"}, {"counter", given->key}}, print_value);
        };
    });
}

void add_set_verb(CLI::App& app, Invocation& invocation, const std::string& op, const std::string& what) {
    auto given = std::make_shared<Arguments>();
    CLI::App& verb = add_verb(app, invocation, op, what);
    verb.add_option("SET", given->key, "Key of the set")->required()->check(check_text);
    verb.add_option("ELEMENT", given->value, "Element: JSON scalar if it parses as one, else text")
        ->required()
        ->check(check_value);
    verb.callback([&invocation, given, op] {
        invocation.run = [&invocation, given, op] {
            Json request{{"op", op}, {"set", given->key}, {"element", json_of_argument(given->value)}};
            return ask(invocation, std::move(request), print_nothing);
        };
    });
}

void add_members(CLI::App& app, Invocation& invocation) {
    auto given = std::make_shared<Arguments>();
    CLI::App& verb =
        add_verb(app, invocation, "members",
                 "Print the mesh's members; with SET: a set, an element a line; with ELEMENT: exit 0 if it "
                 "is in, else 1");
    auto* set = verb.add_option("SET", given->key, "Key of the set")->check(check_text);
    auto* element = verb.add_option("ELEMENT", given->value, "Only ask whether this element is in")->check(check_value);
    verb.callback([&invocation, given, set, element] {
        invocation.run = [&invocation, given, set, element] {
            if (set->count() == 0) return ask(invocation, {{"op", "mesh_members"}}, print_mesh_members);
            if (element->count() > 0) {
                Json request{{"op", "has"}, {"set", given->key}, {"element", json_of_argument(given->value)}};
                return ask(invocation, std::move(request), print_nothing);
            }
            return ask(invocation, {{"op", "members"}, {"set", given->key}}, [](const Json& answer) {
                for (const Json& member : answer["members"]) std::cout << for_people(member) << '\n';
            });
        };
    });
}

void add_register_verbs(CLI::App& app, Invocation& invocation) {
    auto given = std::make_shared<Arguments>();
    CLI::App& set = add_verb(app, invocation, "set", "Write a register");
    set.add_option("REGISTER", given->key, "Key of the register")->required()->check(check_text);
    set.add_option("VALUE", given->value, "Value: JSON if it parses as JSON, else text")
        ->required()
        ->check(check_value);
    set.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            Json request{{"op", "set"}, {"register", given->key}, {"value", json_of_argument(given->value)}};
            return ask(invocation, std::move(request), print_nothing);
        };
    });
    CLI::App& show = add_verb(app, invocation, "show", "Print a register; exit 1 where it was never written");
    show.add_option("REGISTER", given->key, "Key of the register")->required()->check(check_text);
    show.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            return ask(invocation, {{"op", "show"}, {"register", given->key}}, print_value);
        };
    });
}

}  // namespace

void add_type_verbs(CLI::App& app, Invocation& invocation) {
    add_counter_verbs(app, invocation);
    add_set_verb(app, invocation, "add", "Add an element to a set");
    add_set_verb(app, invocation, "rm", "Remove an element from a set; exit 1 where it is not in");
    add_members(app, invocation);
    add_register_verbs(app, invocation);
}

}  // namespace starling::cli
