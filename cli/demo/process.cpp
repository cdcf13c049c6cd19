#include "cli/demo/process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace starling::cli::demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds look_again_ms{10};
constexpr int cannot_run = 127;

/// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void become(char* const* arguments, int out, int log, pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(cannot_run);  // it died before prctl
    ::setpgid(0, 0);                                 // Ctrl-C is for the demo, which then ends its children itself
    ::dup2(out, STDOUT_FILENO);
    ::dup2(log, STDERR_FILENO);
    ::execv("/proc/self/exe", arguments);
    ::_exit(cannot_run);
}

}  // namespace

crdt::Result<Child> Child::start(const std::vector<std::string>& arguments, const std::filesystem::path& log) {
    const auto fault = [](const char* what) {
        return crdt::Fault{crdt::FaultCode::not_available, std::string(what) + ": " + std::strerror(errno)};
    };
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fault("cannot make a pipe");
    Descriptor read_end(ends[0]), write_end(ends[1]);
    Descriptor log_file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log_file) return fault("cannot write a log file");
    ::fcntl(read_end.get(), F_SETFL, O_NONBLOCK);

    std::vector<std::string> texts{"starling"};
    texts.insert(texts.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (auto& text : texts) pointers.push_back(text.data());
    pointers.push_back(nullptr);

    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return fault("cannot start a process");
    if (pid == 0) become(pointers.data(), write_end.get(), log_file.get(), parent);
    return Child(pid, std::move(read_end));
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), out_(std::move(other.out_)), lines_(std::move(other.lines_)) {}

Child& Child::operator=(Child&& other) noexcept {
    if (this != &other) {
        kill();
        pid_ = std::exchange(other.pid_, -1);
        out_ = std::move(other.out_);
        lines_ = std::move(other.lines_);
    }
    return *this;
}

Child::~Child() {
    kill();
}

std::optional<std::string> Child::try_line() {
    std::array<char, 4096> buffer;
    for (;;) {
        if (auto line = lines_.next()) return line;
        ssize_t count = ::read(out_.get(), buffer.data(), buffer.size());
        if (count <= 0 || !lines_.feed({buffer.data(), std::size_t(count)})) return std::nullopt;
    }
}

bool Child::running() {
    if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ > 0;
}

void Child::kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
}

void Child::stop(std::chrono::milliseconds patience) {
    if (!running()) return;
    ::kill(pid_, SIGTERM);
    const auto deadline = Clock::now() + patience;
    while (running() && Clock::now() < deadline) std::this_thread::sleep_for(look_again_ms);
    kill();
}

}  // namespace starling::cli::demo
