#include "cli/progress_bar.hpp"

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace starling::cli {
namespace {

constexpr std::chrono::milliseconds redraw_ms{100};
constexpr int bar_cells = 32;

}  // namespace

ProgressBar::ProgressBar(std::uint64_t total, std::string unit)
    : total_(total), unit_(std::move(unit)), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressBar::show(std::uint64_t done, std::uint64_t count) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || now < next_) return;
    next_ = now + redraw_ms;
    drawn_ = true;
    std::string bar;
    if (total_ > 0) {
        const auto part = std::min(1.0, double(done) / double(total_));
        const int full = int(part * bar_cells);
        for (int cell = 0; cell < bar_cells; ++cell) bar += cell < full ? "█" : "░";
        bar += " " + std::to_string(int(part * 100)) + " %  ";
    }
    std::fprintf(stderr, "\r\033[K  %s%llu %s", bar.c_str(), static_cast<unsigned long long>(count), unit_.c_str());
    std::fflush(stderr);
}

void ProgressBar::clear() {
    if (!drawn_) return;
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
}

}  // namespace starling::cli
