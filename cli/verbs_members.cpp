// Who is in a mesh: making one, joining one, inviting.
#include <iostream>
#include <memory>
#include <unistd.h>

#include <starling/starling.hpp>

#include "cli/exit_codes.hpp"
#include "cli/messages.hpp"
#include "cli/node_report.hpp"
#include "cli/passphrase.hpp"
#include "cli/qr.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {
namespace {

/// For a person at a terminal, who may want to show it to a camera, as a QR code as well.
void print_code(const std::string& code, bool qr) {
    std::cout << code << '\n';
    if (!qr) return;
    if (const auto drawn = qr_of(code)) {
        std::cout << *drawn;
    } else {
        std::cerr << "starling: the code is too long for a QR code\n";
    }
}

int run_init(const Invocation& invocation, const std::string& passphrase_file) {
    try {
        const std::string code = Node::create_mesh(invocation.directory, unlock_from(passphrase_file));
        if (invocation.json) {
            std::cout << to_line({{"dir", invocation.directory}, {"join_code", code}});
        } else {
            print_code(code, false);
        }
        return exit_ok;
    } catch (const Error& error) {
        return complain(error);
    }
}

/// A code on the command line is for everybody on the machine to read: "-" takes it from standard input.
std::string code_from(const std::string& given) {
    if (given != "-") return given;
    std::string line;
    std::getline(std::cin, line);
    return line;
}

int run_join(const Invocation& invocation, const std::string& code, const std::string& passphrase_file) {
    try {
        const auto standing = Node::join(invocation.directory, code_from(code), unlock_from(passphrase_file));
        if (invocation.json) {
            std::cout << to_line({{"dir", invocation.directory},
                                  {"joined", true},
                                  {"role", role_name(standing.role)},
                                  {"expires_s", standing.expires_s}});
        } else {
            std::cout << "joined as " << in_words(standing) << '\n';
        }
        return exit_ok;
    } catch (const Error& error) {
        return complain(error);
    }
}

void add_invite(CLI::App& app, Invocation& invocation) {
    struct Given {
        std::string role = "keeper";
        std::optional<std::uint64_t> valid_s;
        std::uint16_t uses = 0;
        bool qr = false;
    };
    auto given = std::make_shared<Given>();
    CLI::App& invite = add_verb(app, invocation, "invite", "Print a join code for other nodes; admins can");
    invite.add_option("--role", given->role, "What they will be: reader, writer, keeper (default) or admin")
        ->check(CLI::IsMember({"reader", "writer", "keeper", "admin"}));
    const std::map<std::string, std::uint64_t> units{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    invite
        .add_option("--expires", given->valid_s, "When it is over, and who joined with it is out: 90s, 15m, 12h, 30d")
        ->transform(CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED))
        ->check(CLI::PositiveNumber);
    invite.add_option("--uses", given->uses, "How many nodes should join with it, as far as one node can count them");
    invite.add_flag("--qr", given->qr, "Draw it as a QR code too (without --json)");
    invite.callback([&invocation, given] {
        invocation.run = [&invocation, given] {
            Json request{{"op", "invite"}, {"role", given->role}, {"uses", given->uses}};
            if (given->valid_s) request["valid_s"] = *given->valid_s;
            return ask(invocation, std::move(request),
                       [given](const Json& answer) { print_code(answer["join_code"].get<std::string>(), given->qr); });
        };
    });
}

void add_revoke(CLI::App& app, Invocation& invocation) {
    auto key = std::make_shared<std::string>();
    auto itself = std::make_shared<bool>(false);
    CLI::App& verb = add_verb(app, invocation, "revoke",
                              "Put a node out for good, or an invitation and all who joined with it; admins can");
    verb.add_option("KEY", *key, "Of the node or invitation: its first digits ('starling members --json')")->required();
    verb.add_flag("--itself", *itself, "Even this node, or what it joined with");
    verb.callback([&invocation, key, itself] {
        invocation.run = [&invocation, key, itself] {
            return ask(invocation, {{"op", "revoke"}, {"key", *key}, {"itself", *itself}}, [](const Json& answer) {
                std::cout << (answer["revoked"] ? "revoked " : "was revoked before: ")
                          << answer["key"].get<std::string>() << '\n';
            });
        };
    });
}

void add_rotate(CLI::App& app, Invocation& invocation) {
    CLI::App& verb = add_verb(app, invocation, "rotate",
                              "Give the mesh a new secret, which those who were put out do not learn; admins can");
    verb.callback([&invocation] {
        invocation.run = [&invocation] {
            return ask(invocation, {{"op", "rotate"}}, [](const Json& answer) {
                std::cout << "the mesh's secret is number " << answer["secret_epoch"] << " now\n";
            });
        };
    });
}

}  // namespace

/// "4f02ab…  admin  this node", one a line.
void print_mesh_members(const Json& answer) {
    for (const Json& member : answer["members"]) {
        std::cout << member["id"].get<std::string>() << "  " << member["role"].get<std::string>();
        if (member["expires_s"] != 0) std::cout << " until " << member["expires_s"] << " s";
        for (const char* is : {"revoked", "linked"}) {
            if (member[is]) std::cout << "  " << is;
        }
        std::cout << (member["self"] ? "  this node\n" : "\n");
    }
}

void add_member_verbs(CLI::App& app, Invocation& invocation) {
    CLI::App& init = add_verb(app, invocation, "init", "Make a mesh in a directory and print a join code");
    init.footer(
        "Whoever has the code can join. The directory's admin.key founds the mesh, and the same mesh again in an empty "
        "directory: keep a copy of it, and of the file seal where there is one.");
    auto seal = std::make_shared<std::string>();
    add_passphrase_option(init, *seal);
    init.callback(
        [&invocation, seal] { invocation.run = [&invocation, seal] { return run_init(invocation, *seal); }; });

    auto code = std::make_shared<std::string>();
    CLI::App& join = add_verb(app, invocation, "join", "Make a directory belong to the mesh of a join code");
    join.add_option("CODE", *code, "What 'starling init' or 'starling invite' printed; - reads it from standard input")
        ->required();
    add_passphrase_option(join, *seal);
    join.callback([&invocation, code, seal] {
        invocation.run = [&invocation, code, seal] { return run_join(invocation, *code, *seal); };
    });
    add_invite(app, invocation);
    add_revoke(app, invocation);
    add_rotate(app, invocation);
}

}  // namespace starling::cli
