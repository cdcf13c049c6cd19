// A progress bar on stderr, where that is a terminal; else nothing at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace starling::cli {

/// One thread.
class ProgressBar {
  public:
    /// `total` 0: how much there is is not known. `unit` names what is counted besides.
    ProgressBar(std::uint64_t total, std::string unit);
    /// Redraws, a few times a second.
    void show(std::uint64_t done, std::uint64_t count);
    /// Removes the bar.
    void clear();

  private:
    std::uint64_t total_;
    std::string unit_;
    bool terminal_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point next_{};
};

}  // namespace starling::cli
