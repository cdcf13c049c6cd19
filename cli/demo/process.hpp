// A child process of the demo: this very program again, started as a node. However the demo ends, its children end.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <sys/types.h>
#include <vector>

#include "cli/descriptor.hpp"
#include "cli/protocol.hpp"

namespace starling::cli::demo {

/// Owns one child. The destructor kills it; if this process is killed first, the kernel kills the child. One thread,
/// and that one must outlive the child.
class Child {
  public:
    /// Runs this program with `arguments`; its stderr goes to `log`. Fault: not_available.
    static crdt::Result<Child> start(const std::vector<std::string>& arguments, const std::filesystem::path& log);

    Child(Child&& other) noexcept;
    Child& operator=(Child&& other) noexcept;
    ~Child();

    pid_t pid() const { return pid_; }
    /// The next line on its stdout, if it is there already. Never waits.
    std::optional<std::string> try_line();
    /// False once it ended.
    bool running();
    /// SIGKILL, and waits for the end.
    void kill();
    /// SIGTERM; SIGKILL where that takes longer than `patience`.
    void stop(std::chrono::milliseconds patience);

  private:
    Child(pid_t pid, Descriptor out) : pid_(pid), out_(std::move(out)), lines_(line_bytes_max) {}
    static constexpr std::size_t line_bytes_max = 64 * 1024;

    pid_t pid_ = -1;  // -1: ended and waited for
    Descriptor out_;
    LineBuffer lines_;
};

}  // namespace starling::cli::demo
