// How the command speaks when something is wrong: one line on stderr that says what to do, and an exit code.
#pragma once

#include <string_view>

#include <starling/error.hpp>

namespace starling::cli {

/// Prints "starling: <what>" as one line and returns `exit`.
int complain(int exit, std::string_view what);
/// The same for an error of the library; chooses the exit code.
int complain(const Error& error);

}  // namespace starling::cli
