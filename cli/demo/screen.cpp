#include "cli/demo/screen.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sys/ioctl.h>
#include <unistd.h>

namespace starling::cli::demo {
namespace {

constexpr const char* clear_line = "\033[2K";
constexpr std::size_t columns_default = 100;

/// Text cut or filled up to a width; ASCII only.
std::string cell(std::string text, std::size_t width, bool right = false) {
    if (text.size() > width) text.resize(width);
    const std::string blank(width - text.size(), ' ');
    return right ? blank + text : text + blank;
}

std::size_t terminal_columns() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return columns_default;
}

/// Broken between words, each line with the indentation of the first.
std::vector<std::string> wrapped(std::string text, std::size_t width) {
    std::vector<std::string> lines;
    const std::string indent(std::min(text.find_first_not_of(' '), text.size()), ' ');
    while (text.size() > width) {
        const auto at = text.rfind(' ', width);
        if (at == std::string::npos || at <= indent.size()) break;
        lines.push_back(text.substr(0, at));
        text.replace(0, at + 1, indent);
    }
    lines.push_back(std::move(text));
    return lines;
}

}  // namespace

Screen::Screen(Mode mode) : mode_(mode), colours_(mode == Mode::terminal && std::getenv("NO_COLOR") == nullptr) {
    if (mode_ == Mode::terminal) write("\033[?25l");  // no cursor while the table moves
}

Screen::~Screen() {
    if (mode_ == Mode::terminal) write("\033[?25h");
}

void Screen::write(const std::string& text) const {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

std::string Screen::painted(const std::string& text, Tone tone) const {
    if (!colours_ || tone == Tone::plain) return text;
    static const std::map<Tone, const char*> codes{
        {Tone::good, "32"}, {Tone::bad, "1;31"}, {Tone::faint, "2"}, {Tone::strong, "1"}};
    return std::string("\033[") + codes.at(tone) + "m" + text + "\033[0m";
}

void Screen::clear() {
    if (drawn_lines_ == 0) return;
    std::string up = "\r";
    for (std::size_t line = 0; line < drawn_lines_; ++line) up += std::string("\033[1A") + clear_line;
    drawn_lines_ = 0;
    write(up);
}

void Screen::say(const std::string& line, Tone tone) {
    if (mode_ == Mode::json) return;
    clear();
    const std::size_t width = mode_ == Mode::terminal ? terminal_columns() : std::string::npos;
    for (const auto& part : wrapped(line, width)) write(painted(part, tone) + "\n");
}

void Screen::object(const Json& json) {
    if (mode_ == Mode::json) write(to_line(json));
}

std::string Screen::line_of(const Row& row, const std::string& common) const {
    const bool gone = row.fingerprint.empty();
    std::string line = "  " + painted(cell(row.name, 4), Tone::strong) + cell(row.node, 10) + cell(row.pid, 8, true) +
                       cell(row.links, 7, true) + cell(row.entries, 9, true) + cell(row.clicks, 9, true) +
                       cell(row.events, 9, true) + "  ";
    line += painted(cell(row.fingerprint, 10), gone ? Tone::plain : row.fingerprint == common ? Tone::good : Tone::bad);
    line += cell(row.sent, 10, true) + "  ";
    return line + painted(row.state, gone ? Tone::bad : Tone::plain);
}

void Screen::table(const std::vector<Row>& rows, double seconds) {
    if (mode_ != Mode::terminal) return;
    std::map<std::string, std::size_t> nodes_with;
    for (const Row& row : rows) {
        if (!row.fingerprint.empty()) ++nodes_with[row.fingerprint];
    }
    std::string common;
    for (const auto& [fingerprint, nodes] : nodes_with) {
        if (common.empty() || nodes > nodes_with[common]) common = fingerprint;
    }
    std::vector<std::string> lines{""};
    lines.push_back(
        painted("  node          process  links  entries   clicks   events  fingerprint     sent  state", Tone::faint));
    for (const Row& row : rows) lines.push_back(line_of(row, common));
    char clock[32];
    std::snprintf(clock, sizeof(clock), "  %5.1f s  ", seconds);
    lines.push_back(painted(clock + doing_.substr(0, terminal_columns() - 12), Tone::faint));

    std::string out = "\r";
    for (std::size_t line = 0; line < drawn_lines_; ++line) out += "\033[1A";
    for (const auto& line : lines) out += clear_line + line + "\n";
    drawn_lines_ = lines.size();
    write(out);
}

std::string bytes_for_people(std::uint64_t bytes) {
    char text[32];
    if (bytes < 10'000) {
        std::snprintf(text, sizeof(text), "%u B", unsigned(bytes));
    } else if (bytes < 10'000'000) {
        std::snprintf(text, sizeof(text), "%.1f kB", double(bytes) / 1e3);
    } else {
        std::snprintf(text, sizeof(text), "%.1f MB", double(bytes) / 1e6);
    }
    return text;
}

}  // namespace starling::cli::demo
