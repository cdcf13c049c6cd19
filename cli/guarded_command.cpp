#include "cli/guarded_command.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/descriptor.hpp"

namespace starling::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int exit_not_run = 126;
constexpr int exit_not_found = 127;
constexpr int exit_of_signals = 128;

sigset_t handed_on() {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGCHLD, SIGTERM, SIGHUP, SIGINT}) sigaddset(&signals, signal);
    return signals;
}

[[noreturn]] void become(const std::vector<std::string>& command, pid_t parent, bool own_group, const sigset_t& mask) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);                // who goes on without the lock could do harm
    if (::getppid() != parent) ::_exit(exit_not_run);  // it died before
    if (own_group) ::setpgid(0, 0);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    std::vector<char*> words;
    for (const auto& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    const int why = errno;
    std::fprintf(stderr, "starling: cannot run %s: %s\n", words[0], std::strerror(why));
    ::_exit(why == ENOENT ? exit_not_found : exit_not_run);
}

/// The child, once it has ended.
std::optional<int> ended(pid_t child) {
    int status = 0;
    const auto which = ::waitpid(child, &status, WNOHANG);
    if (which < 0 && errno == ECHILD) return exit_not_run;  // it is gone, and nobody can say how
    if (which != child) return {};
    return WIFSIGNALED(status) ? exit_of_signals + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

CommandEnd run_guarded(const std::vector<std::string>& command, const std::string& variable, const std::string& value,
                       int watch_fd, const std::function<bool()>& over) {
    const auto signals = handed_on();
    sigset_t before;
    ::sigprocmask(SIG_BLOCK, &signals, &before);
    const Descriptor told(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!told) return {exit_not_run};
    ::setenv(variable.c_str(), value.c_str(), 1);
    ::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, the end of a child would not be told
    const bool own_group = ::isatty(STDIN_FILENO) == 0;
    const auto parent = ::getpid();
    const auto child = ::fork();
    if (child < 0) return {exit_not_run};
    if (child == 0) become(command, parent, own_group, before);
    if (own_group) ::setpgid(child, child);  // whichever comes first
    const auto target = own_group ? -child : child;

    CommandEnd end;
    std::optional<SteadyClock::time_point> kill_at;
    while (true) {
        if (const auto exit = ended(child)) {
            if (end.lost && own_group) ::kill(target, SIGKILL);  // what it left behind
            end.exit = *exit;
            return end;
        }
        int wait_ms = -1;
        if (kill_at) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(*kill_at - SteadyClock::now()).count();
            wait_ms = int(std::max<std::int64_t>(0, left));
        }
        std::array<pollfd, 2> items{pollfd{told.get(), POLLIN, 0}, pollfd{end.lost ? -1 : watch_fd, POLLIN, 0}};
        const int count = ::poll(items.data(), items.size(), wait_ms);
        if (count == 0 && kill_at) {
            ::kill(target, SIGKILL);
            kill_at.reset();
        }
        signalfd_siginfo signal{};
        while (::read(told.get(), &signal, sizeof signal) == sizeof signal) {
            // What a terminal sends, it sends to the command as well.
            const bool from_terminal = !own_group && signal.ssi_code == SI_KERNEL;
            if (signal.ssi_signo != SIGCHLD && !from_terminal) ::kill(target, int(signal.ssi_signo));
        }
        if (!end.lost && items[1].revents != 0 && over()) {
            end.lost = true;
            kill_at = SteadyClock::now() + end_ms_max;
            ::kill(target, SIGTERM);
        }
    }
}

}  // namespace starling::cli
