#include <iostream>
#include <memory>

#include "cli/demo/demo.hpp"
#include "cli/json_value.hpp"
#include "cli/verbs.hpp"
#include "sim/command.hpp"

namespace starling::cli {
namespace {

void add_demo(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<demo::DemoOptions>();
    CLI::App& verb =
        *app.add_subcommand("demo", "Show what it does: five real nodes on this machine, about 45 seconds");
    verb.add_flag("--json", invocation.json, "Print an object for each scene, and nothing else");
    verb.add_flag("--quick", options->quick, "Shorter scenes");
    verb.add_flag("--keep", options->keep, "Leave the temporary directories");
    verb.add_option("--inventory", options->inventory, "Status file of dpkg to load (default /var/lib/dpkg/status)");
    verb.footer("Exit code 0 when every scene passed, 1 otherwise. Needs no network, no configuration and no root.");
    verb.callback([&invocation, options] {
        invocation.run = [&invocation, options] {
            options->json = invocation.json;
            options->program = invocation.program;
            return demo::run_demo(*options);
        };
    });
}

void add_sim(CLI::App& app, Invocation& invocation) {
    auto command = std::make_shared<sim::Command>();
    CLI::App& verb =
        *app.add_subcommand("sim", "Simulate a mesh with faults, the same for the same seed, and judge what it does");
    verb.add_option("--scenario", command->scenario,
                    "A scenario by name, or a file with one (default: drawn from the seed, small, with all faults)");
    verb.add_option("--nodes", command->nodes, "Nodes of the mesh (default 5, or what the scenario says)")
        ->check(check_whole);
    verb.add_option("--seed", command->seed, "What decides all that happens (default 1)")->check(check_whole);
    verb.add_option("--seeds", command->seeds, "So many seeds, one after another (default 1)")->check(check_whole);
    verb.add_flag("--disks", command->disks,
                  "Nodes come back from disks that lose power in mid-write, old ones and copies");
    verb.add_flag("--sealed", command->sealed, "Nodes sign what they write, and apply nothing else");
    verb.add_option("--replay", command->replay, "This seed once more, with every event in words")->check(check_whole);
    verb.add_flag("--json", invocation.json, "Print an object for each seed");
    verb.footer("Exit code 0 when every seed converged and broke no rule, 1 otherwise.");
    verb.callback([&invocation, command] {
        invocation.run = [&invocation, command] {
            command->json = invocation.json;
            return sim::run_command(*command, std::cout, std::cerr);
        };
    });
}

}  // namespace

void add_trial_verbs(CLI::App& app, Invocation& invocation) {
    add_demo(app, invocation);
    add_sim(app, invocation);
}

}  // namespace starling::cli
