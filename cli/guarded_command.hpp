// A command that runs while something holds, and is ended when it does not any more.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace starling::cli {

/// From SIGTERM to SIGKILL.
constexpr std::chrono::milliseconds end_ms_max{5'000};

struct CommandEnd {
    int exit = 0;       ///< its own, or 128 and the signal that ended it; 126 or 127 where it could not be run
    bool lost = false;  ///< it was told to end, since what it runs under was over
};

/// Runs a command with standard input and output and one more variable. `watch_fd` becomes readable when something is
/// to be looked at; `over` looks, and says whether the command is to end: SIGTERM, and SIGKILL after end_ms_max.
/// SIGTERM, SIGHUP and SIGINT of this process go on to it. With a terminal it shares the process group, else it has one
/// of its own, all of which is ended. Dies with this process. One thread.
CommandEnd run_guarded(const std::vector<std::string>& command, const std::string& variable, const std::string& value,
                       int watch_fd, const std::function<bool()>& over);

}  // namespace starling::cli
