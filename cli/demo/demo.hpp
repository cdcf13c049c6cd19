// `starling demo`: five real nodes on this machine, ten scenes, about 45 seconds.
#pragma once

#include <string>

namespace starling::cli::demo {

struct DemoOptions {
    bool json = false;
    bool quick = false;
    bool keep = false;      ///< leaves the temporary directories
    std::string inventory;  ///< a status file of dpkg; empty: this machine's
    std::string program;    ///< what the audience types for `starling`
};

/// Returns an exit code: 0 when every scene passed.
int run_demo(const DemoOptions& options);

}  // namespace starling::cli::demo
