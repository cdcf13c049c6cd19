// What the audience sees: on a terminal a table that lives at the bottom, with the story above it; elsewhere plain
// lines; with --json only the scenes, as objects.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cli/protocol.hpp"

namespace starling::cli::demo {

enum class Mode { terminal, plain, json };

/// One node, as the table shows it.
struct Row {
    std::string name, node;
    std::string pid, links, entries, clicks, events, fingerprint, sent, state;
};

enum class Tone { plain, good, bad, faint, strong };

/// One thread. The destructor leaves the last table on the terminal.
class Screen {
  public:
    explicit Screen(Mode mode);
    ~Screen();
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    Mode mode() const { return mode_; }
    /// A line that stays.
    void say(const std::string& line, Tone tone = Tone::plain);
    /// One object, with --json only.
    void object(const Json& json);
    /// What is going on, in the last line of the table.
    void doing(std::string what) { doing_ = std::move(what); }
    /// Draws the table anew, on a terminal.
    void table(const std::vector<Row>& rows, double seconds);
    /// Takes the table away, so that what follows stands alone.
    void clear();

  private:
    std::string painted(const std::string& text, Tone tone) const;
    std::string line_of(const Row& row, const std::string& common) const;
    void write(const std::string& text) const;

    Mode mode_;
    bool colours_;
    std::size_t drawn_lines_ = 0;
    std::string doing_;
};

/// "1.2 MB", "640 B".
std::string bytes_for_people(std::uint64_t bytes);

}  // namespace starling::cli::demo
