// Lines for people, through the callback of the application.
#pragma once

#include <functional>
#include <string_view>

#include <starling/options.hpp>

namespace starling::detail {

/// Thread-safe if the callback is. Never throws.
class Log {
  public:
    explicit Log(std::function<void(LogLevel, std::string_view)> write) : write_(std::move(write)) {}

    void operator()(LogLevel level, std::string_view line) const noexcept {
        if (!write_) return;
        try {
            write_(level, line);
        } catch (...) {  // NOLINT(bugprone-empty-catch): there is nobody left to tell
        }
    }

  private:
    std::function<void(LogLevel, std::string_view)> write_;
};

}  // namespace starling::detail
