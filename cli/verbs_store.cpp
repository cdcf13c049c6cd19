#include <filesystem>
#include <iostream>
#include <memory>

#include <starling/starling.hpp>

#include "cli/control_client.hpp"
#include "cli/exit_codes.hpp"
#include "cli/export.hpp"
#include "cli/json_value.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

constexpr std::chrono::hours copy_max{24};

/// What a node answers to a command that is over when a second line comes.
int finish(ControlClient& client, const Invocation& invocation) {
    auto done = client.receive(copy_max);
    if (!done) return complain(exit_no_node, done.fault().what);
    if (!done->value("ok", false)) return complain_of(*done);
    if (invocation.json) std::cout << to_line(payload_of(std::move(*done)));
    return exit_ok;
}

int run_backup(const Invocation& invocation, const std::string& file) {
    auto client = ControlClient::connect(invocation.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto begun = client->call({{"op", "backup"}, {"file", std::filesystem::absolute(file).string()}});
    if (!begun) return complain(exit_no_node, begun.fault().what);
    if (!begun->value("ok", false)) return complain_of(*begun);
    return finish(*client, invocation);
}

int run_restore(const Invocation& invocation, const std::string& file) {
    try {
        Node::restore(file, invocation.directory);
        if (invocation.json) std::cout << to_line({{"dir", invocation.directory}, {"restored", file}});
        return exit_ok;
    } catch (const Error& error) {
        return complain(error);
    }
}

int run_check(const Invocation& invocation) {
    try {
        if (!Node::check_store(invocation.directory))
            return complain(exit_absent, "there is no data in " + invocation.directory);
        if (invocation.json)
            std::cout << to_line({{"dir", invocation.directory}, {"sound", true}});
        else
            std::cout << "sound: all data in " << invocation.directory << " is as it was written\n";
        return exit_ok;
    } catch (const Error& error) {
        return complain(error);
    }
}

}  // namespace

void add_store_verbs(CLI::App& app, Invocation& invocation) {
    auto copy = std::make_shared<std::string>(), from = std::make_shared<std::string>();
    CLI::App& backup = add_verb(app, invocation, "backup", "Copy the running node's data to a file that is not there");
    backup.footer("The copy holds all that was acknowledged before, and no keys. The node goes on meanwhile.");
    backup.add_option("FILE", *copy, "Made when the copy is complete")->required();
    backup.callback(
        [&invocation, copy] { invocation.run = [&invocation, copy] { return run_backup(invocation, *copy); }; });

    auto prefix = std::make_shared<std::string>();
    CLI::App& print =
        add_verb(app, invocation, "export", "Print what the running node holds as JSON Lines, a write a line");
    print.footer(
        "'starling import FILE' does these writes again. They are what reads now: 'backup' copies history too.");
    print.add_option("PREFIX", *prefix, "Beginning of the keys (default: all)")->check(check_text);
    print.callback([&invocation, prefix] {
        invocation.run = [&invocation, prefix] { return run_export(invocation.directory, *prefix); };
    });

    CLI::App& restore = add_verb(app, invocation, "restore", "Make a directory hold the data of a backup");
    restore.footer(
        "The directory must hold no data. Then 'starling join CODE' lets it into its mesh, unless it is in.");
    restore.add_option("FILE", *from, "What 'starling backup' wrote")->required();
    restore.callback(
        [&invocation, from] { invocation.run = [&invocation, from] { return run_restore(invocation, *from); }; });

    CLI::App& check = add_verb(app, invocation, "check", "Read all data of a directory whose node does not run");
    check.footer("Exit 0: all is as it was written. 1: there is no data. 4: it is damaged. 5: it cannot be read.");
    check.callback([&invocation] { invocation.run = [&invocation] { return run_check(invocation); }; });
}

}  // namespace starling::cli
