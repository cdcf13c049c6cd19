#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/control_client.hpp"
#include "cli/exit_codes.hpp"
#include "cli/json_value.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

constexpr std::chrono::hours follow_silence_max{24 * 365};
constexpr int replay_page_events = 10'000;

struct FeedGiven {
    std::string journal, cursor;
    bool prefix = false, follow = false;
    std::uint64_t count = 0;

    Json request(const char* op) const {
        Json request{{"op", op}, {"journal", journal}, {"prefix", prefix}};
        if (!cursor.empty()) request["cursor"] = cursor;
        return request;
    }
};

void add_feed_options(CLI::App& verb, FeedGiven& given) {
    verb.add_option("JOURNAL", given.journal, "Key of the journal")->required()->check(check_text);
    verb.add_flag("--prefix", given.prefix, "JOURNAL is the beginning of keys: all such journals, in one order");
}

void print_entries(const Json& page) {
    for (const Json& entry : page["entries"]) std::cout << for_people(entry["value"]) << '\n';
}

/// Prints pages as they come until there were `count` entries (0: without end), the node stops or stdout is closed.
int run_follow(const Invocation& invocation, const FeedGiven& given) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto line = client->call(given.request("follow"));
    std::uint64_t seen = 0;
    for (;; line = client->receive(follow_silence_max)) {
        if (!line) return complain(exit_no_node, line.fault().what);
        if (line->contains("error")) return complain_of(*line);
        if (!line->contains("page")) continue;
        const Json& page = (*line)["page"];
        if (invocation.json) {
            std::cout << to_line(page);
        } else {
            print_entries(page);
        }
        if (!std::cout.flush()) return complain(exit_machine, "cannot write to standard output");
        seen += page["entries"].size();
        if (given.count > 0 && seen >= given.count) return exit_ok;
    }
}

/// Prints all events from the beginning, one a line, page by page; with --json the cursor to go on from is the last.
int run_replay(const Invocation& invocation, const FeedGiven& given) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto request = given.request("since");
    request["limit"] = replay_page_events;
    for (;;) {
        auto page = client->call(request);
        if (!page) return complain(exit_no_node, page.fault().what);
        if (!page->value("ok", false)) return complain_of(*page);
        if (invocation.json) {
            for (const Json& entry : (*page)["entries"]) std::cout << to_line(entry);
        } else {
            print_entries(*page);
        }
        request["cursor"] = (*page)["cursor"];
        if (!std::cout) return complain(exit_machine, "cannot write to standard output");
        if (!(*page)["more"].get<bool>()) break;
    }
    if (invocation.json) std::cout << to_line({{"cursor", request["cursor"]}});
    return exit_ok;
}

void add_append(CLI::App& app, Invocation& invocation) {
    struct Given {
        std::string journal, key;
        std::vector<std::string> values;
    };
    auto given = std::make_shared<Given>();
    CLI::App& append = add_verb(app, invocation, "append", "Append to a journal; several values as one transaction");
    append.add_option("JOURNAL", given->journal, "Key of the journal")->required()->check(check_text);
    append.add_option("VALUE", given->values, "Values: JSON where they parse as JSON, else text")
        ->required()
        ->check(check_value);
    append
        .add_option("--key", given->key,
                    "Idempotency key: append nothing where the journal has seen it, and print that")
        ->check(check_text);
    append.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            Json values = Json::array();
            for (const auto& value : given->values) values.push_back(json_of_argument(value));
            Json request{{"op", "append"}, {"journal", given->journal}, {"values", std::move(values)}};
            if (!given->key.empty()) request["key"] = given->key;
            return ask(invocation, std::move(request), [](const Json& answer) {
                if (!answer["wrote"].get<bool>()) std::cout << "appended before\n";
            });
        };
    });
}

void add_trim(CLI::App& app, Invocation& invocation) {
    struct Given {
        std::string journal;
        std::uint64_t keep = 0, older_than_s = 0;
    };
    auto given = std::make_shared<Given>();
    CLI::App& trim = add_verb(app, invocation, "trim", "Drop the oldest entries of a journal, on every node");
    trim.add_option("JOURNAL", given->journal, "Key of the journal")->required()->check(check_text);
    auto* keep = trim.add_option("--keep", given->keep, "So many of the newest stay")->check(check_whole);
    auto* age = trim.add_option("--older-than", given->older_than_s, "Seconds: what is older goes")->check(check_whole);
    trim.footer("Readers whose cursors do not cover what is gone get an error that names a cursor to go on from.");
    trim.callback([&invocation, given, keep, age] {
        invocation.run = [&invocation, given, by_count = keep->count() > 0, by_age = age->count() > 0] {
            if (!by_count && !by_age) return complain(exit_usage, "say what stays: --keep or --older-than");
            Json request{{"op", "trim"}, {"journal", given->journal}};
            if (by_count) request["keep"] = given->keep;
            if (by_age) request["older_than_s"] = given->older_than_s;
            return ask(invocation, std::move(request), print_nothing);
        };
    });
}

void add_since(CLI::App& app, Invocation& invocation) {
    auto given = std::make_shared<FeedGiven>();
    CLI::App& since = add_verb(app, invocation, "since",
                               "Print a journal, a value a line; with --json its entries and the cursor to go on from");
    add_feed_options(since, *given);
    since.add_option("--cursor,--from", given->cursor,
                     "Only what this does not cover (from an earlier 'since --json' or 'status', on any node)");
    since.add_flag("--follow", given->follow, "Go on with what comes, until Ctrl-C; with --json a page a line");
    since.add_option("--count", given->count, "With --follow: end after so many entries")->check(check_whole);
    since.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            if (given->follow) return run_follow(invocation, *given);
            return ask(invocation, given->request("since"), print_entries);
        };
    });
}

void add_replay(CLI::App& app, Invocation& invocation) {
    auto given = std::make_shared<FeedGiven>();
    CLI::App& replay = add_verb(app, invocation, "replay",
                                "Print all events from the beginning in their order, one a line; with --json in full, "
                                "and last the cursor to go on from");
    add_feed_options(replay, *given);
    replay.callback(
        [&invocation, given] { invocation.run = [&invocation, given] { return run_replay(invocation, *given); }; });
}

void print_news(const Json& answer) {
    if (answer["resync"].get<bool>()) std::cout << "resync\n";
    for (const Json& item : answer["changes"]) {
        std::cout << for_people(item["type"]) << ' ' << for_people(item["key"]);
        if (item.contains("field")) std::cout << ' ' << for_people(item["field"]);
        if (item.contains("gone")) std::cout << "  gone";
        if (item.contains("value")) std::cout << "  = " << for_people(item["value"]);
        std::cout << '\n';
    }
}

void add_changes(CLI::App& app, Invocation& invocation) {
    struct Given {
        std::string prefix, cursor;
    };
    auto given = std::make_shared<Given>();
    CLI::App& changes = add_verb(app, invocation, "changes",
                                 "Print what may have changed since a cursor, of every type, as it reads now; 'resync' "
                                 "where the node does not remember that far back");
    changes.add_option("PREFIX", given->prefix, "Beginning of the keys (default: all)")->check(check_text);
    changes.add_option("--cursor", given->cursor,
                       "From an earlier 'changes --json' or 'status' (default: the beginning)");
    changes.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            Json request{{"op", "changes"}, {"prefix", given->prefix}};
            if (!given->cursor.empty()) request["cursor"] = given->cursor;
            return ask(invocation, std::move(request), print_news);
        };
    });
}

}  // namespace

void add_event_verbs(CLI::App& app, Invocation& invocation) {
    add_append(app, invocation);
    add_trim(app, invocation);
    add_since(app, invocation);
    add_replay(app, invocation);
    add_changes(app, invocation);
}

}  // namespace starling::cli
