#include "cli/up.hpp"

#include <charconv>
#include <csignal>
#include <iostream>
#include <mutex>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/control_server.hpp"
#include "cli/exit_codes.hpp"
#include "cli/messages.hpp"
#include "cli/node_service.hpp"
#include "cli/passphrase.hpp"

namespace starling::cli {
namespace {

/// What asks a node to end (Ctrl-C, a service manager, a closed terminal) as a descriptor; to be made before the node
/// starts its threads, which inherit the mask.
Descriptor stop_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    return Descriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
}

std::string_view name_of(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warning:
            return "warning";
        default:
            return "error";
    }
}

/// Warnings always, the rest where asked for.
auto log_to_stderr(bool verbose) {
    return [verbose](LogLevel level, std::string_view text) {
        if (!verbose && (level == LogLevel::debug || level == LogLevel::info)) return;
        std::string line = "starling: " + std::string(name_of(level)) + ": " + std::string(text) + "\n";
        [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
    };
}

void print_ready(const Node& node, const UpOptions& options) {
    const Status status = node.status();
    if (options.json) {
        std::cout << to_line({{"ready", true},
                              {"node", status.id.to_string()},
                              {"port", status.port},
                              {"dir", options.directory.string()},
                              {"pid", ::getpid()}});
    } else {
        std::cout << "ready: node " << status.id.short_name() << " listens on port " << status.port
                  << "; drive it with --dir " << options.directory.string() << '\n';
    }
    std::cout.flush();
}

void serve(Node& node, ControlServer& server) {
    NodeService service(node);
    server.run([&](const Json& request, ClientSession& session) {
        Json answer = service.answer(request, session);
        if (service.stop_wanted()) server.stop();
        return answer;
    });
    node.close();  // before the server hangs up, which 'starling stop' waits for
}

/// A directory without a mesh is more often mistyped than meant, and a new mesh would never meet the others.
bool holds_mesh(const std::filesystem::path& directory) {
    std::error_code ignored;
    return std::filesystem::exists(directory / "mesh.key", ignored);
}

}  // namespace

bool parse_listen(const std::string& text, std::string& address, std::uint16_t& port) {
    address = text;
    port = 0;
    std::string number;
    if (text.starts_with('[')) {
        auto end = text.find(']');
        if (end == std::string::npos) return false;
        address = text.substr(1, end - 1);
        if (end + 1 < text.size() && text[end + 1] != ':') return false;
        if (end + 1 < text.size()) number = text.substr(end + 2);
        if (end + 1 < text.size() && number.empty()) return false;
    } else if (auto colon = text.find(':');
               colon != std::string::npos && text.find(':', colon + 1) == std::string::npos) {
        address = text.substr(0, colon);
        number = text.substr(colon + 1);
        if (number.empty()) return false;
    }
    if (number.empty()) return true;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), port);
    return error == std::errc() && end == number.data() + number.size();
}

int run_up(const UpOptions& options) {
    starling::Options node_options{.dir = options.directory,
                                   .peers = options.peers,
                                   .discovery = options.discovery,
                                   .discovery_port = options.discovery_port,
                                   .interfaces = options.interfaces,
                                   .log = log_to_stderr(options.verbose)};
    if (!parse_listen(options.listen, node_options.listen_address, node_options.listen_port)) {
        return complain(exit_usage,
                        "--listen takes ADDRESS, ADDRESS:PORT, [V6]:PORT or :PORT, not '" + options.listen + "'");
    }
    const auto directory = options.directory.string();
    if (!holds_mesh(options.directory)) {
        return complain(exit_input, "there is no mesh in " + directory + ": make one with 'starling init --dir " +
                                        directory + "', or enter one with 'starling join CODE --dir " + directory +
                                        "'");
    }
    Descriptor stop = stop_signals();
    if (!stop) return complain(exit_machine, "the system is out of file descriptors");
    try {
        node_options.unlock = unlock_from(options.passphrase_file);
        Node node = Node::open(node_options);
        auto server = ControlServer::open(options.directory, stop.get());
        if (!server) return complain(exit_machine, server.fault().what);
        print_ready(node, options);
        serve(node, **server);
        return exit_ok;
    } catch (const Error& error) {
        return complain(error);
    }
}

}  // namespace starling::cli
