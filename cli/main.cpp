// `starling`: the command line. Parses, then runs the one verb that was given.
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <iostream>

#include "cli/exit_codes.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace {

using namespace starling::cli;

constexpr const char* about = R"(Starling: replicated data without a leader or a server.

  starling init --dir ./a            makes a mesh and prints its join code
  starling join CODE --dir ./b       lets another directory into it
  starling up --dir ./a              runs a node, until Ctrl-C
  starling put stock bolts 40 --dir ./a
  starling get stock bolts --dir ./b)";

constexpr const char* codes =
    R"(Values are JSON where they parse as JSON, else text: 40 is a number, bolts and '"40"' are text.
What begins with a dash comes after --, as in: put --dir ./a -- stock shift -x

Exit codes: 0 done; 1 absent, or a check does not hold; 2 the command line is wrong; 3 no running node answers in the
directory; 4 a value, file or join code is not what it should be; 5 the machine refuses (directory in use, port taken);
6 no majority of the voters answers; 7 a lock was lost.)";

/// One line that says what is wrong with the command line, and where to look.
int explain_usage(const CLI::App& app, const CLI::ParseError& error) {
    const auto unknown = app.remaining();
    if (app.get_subcommands().empty() && !unknown.empty()) {
        return complain(exit_usage, "there is no command '" + unknown.front() + "'; see 'starling --help'");
    }
    std::string verb;
    for (const CLI::App* sub : app.get_subcommands()) verb += " " + sub->get_name();
    if (app.get_subcommands().empty()) return complain(exit_usage, "say what to do; see 'starling --help'");
    return complain(exit_usage, std::string(error.what()) + "; see 'starling" + verb + " --help'");
}

int run(int argc, char** argv) {
    Invocation invocation;
    invocation.program = argv[0];
    if (const char* directory = std::getenv("STARLING_DIR"); directory && *directory) invocation.directory = directory;

    CLI::App app(about, "starling");
    app.require_subcommand(1);
    app.footer(codes);
    app.set_version_flag("--version", STARLING_VERSION);
    app.add_option("-d,--dir", invocation.directory, "The node's directory (default ./starling, or $STARLING_DIR)");
    app.add_flag("--json", invocation.json, "Print JSON, one object a line");
    add_member_verbs(app, invocation);
    add_mesh_verbs(app, invocation);
    add_map_verbs(app, invocation);
    add_type_verbs(app, invocation);
    add_event_verbs(app, invocation);
    add_look_verbs(app, invocation);
    add_store_verbs(app, invocation);
    add_agreed_verbs(app, invocation);
    add_decision_verbs(app, invocation);
    add_queue_verbs(app, invocation);
    add_trial_verbs(app, invocation);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& help) {
        return app.exit(help);
    } catch (const CLI::ParseError& error) {
        return explain_usage(app, error);
    }
    const int exit = invocation.run();
    std::cout.flush();
    return std::cout || exit > exit_absent ? exit : complain(exit_machine, "cannot write to standard output");
}

/// A closed 0, 1 or 2 would be given to the first file or socket that is opened. What is written to a closed standard
/// output still fails.
void hold_standard_descriptors() {
    for (int fd = 0; fd <= 2; ++fd) {
        if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR);
    }
}

}  // namespace

int main(int argc, char** argv) {
    hold_standard_descriptors();
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        // Out of memory, or a bug: nothing that a command line, a file or a peer can bring about.
        return complain(exit_machine, error.what());
    }
}
