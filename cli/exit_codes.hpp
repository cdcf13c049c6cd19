// What the `starling` command tells a script by its exit code. The numbers are part of the interface: they are never
// reused for something else (docs/cli.md).
#pragma once

namespace starling::cli {

enum ExitCode : int {
    exit_ok = 0,
    exit_absent = 1,       ///< what was asked for is not there, or a check does not hold (a scene of the demo, a seed)
    exit_usage = 2,        ///< the command line is wrong
    exit_no_node = 3,      ///< no running node answers in the directory
    exit_input = 4,        ///< a value, file or join code is not what it should be
    exit_machine = 5,      ///< the machine refuses: directory in use, port taken, cannot write
    exit_no_majority = 6,  ///< no majority of the voters answered in time, or said what became of it
    exit_lost = 7,         ///< a lock was lost while its command ran
};

}  // namespace starling::cli
