// `starling import`: JSON Lines into a map, or the writes that `starling export` printed; many a transaction, several
// transactions under way at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>

#include "cli/protocol.hpp"

namespace starling::cli {

constexpr std::size_t import_line_bytes_max = 1 << 20;
constexpr std::size_t import_batch_bytes = 96 * 1024;  ///< of JSON text; well within one transaction
constexpr std::size_t import_batch_puts = 1'000;
constexpr std::size_t import_batches_under_way = 4;

struct ImportOptions {
    std::filesystem::path directory;
    std::string map;   ///< empty: each line is a write
    std::string file;  ///< "-" is standard input
    std::string key;   ///< the member that names the map's field; empty: each line is [field, value]
    bool json = false;
};

/// The write that a line stands for: of a map, or any where `map` is empty. Fault: malformed, without the line's
/// number.
crdt::Result<Json> put_of_line(std::string_view line, const std::string& map, const std::string& key);

/// A batch of puts and the lines that they came from.
struct ImportBatch {
    Json request;
    std::size_t puts = 0;
    std::uint64_t first_line = 0, last_line = 0;
};

/// Cuts a stream of JSON Lines into batches of at most import_batch_bytes; a line larger than that is one by itself.
/// Empty lines are skipped. One thread.
class ImportReader {
  public:
    ImportReader(std::istream& in, std::string map, std::string key);
    /// The next batch; one without puts at the end, or at a line that is wrong (see fault()).
    ImportBatch next();
    /// What is wrong with line `line()`, once next() came to it.
    const std::optional<std::string>& fault() const { return fault_; }
    std::uint64_t line() const { return line_; }
    std::uint64_t bytes_read() const { return bytes_read_; }

  private:
    /// False at the end and at a line that is too long.
    bool read_line(std::string& line);
    /// The next put, its line number in line(); nothing at the end and at a line that is wrong.
    std::optional<Json> read_put();

    std::istream& in_;
    std::string map_, key_;
    std::optional<std::string> fault_;
    std::optional<Json> held_;  // read, but too large for the batch before it
    std::uint64_t line_ = 0;
    std::size_t line_bytes_ = 0;
    std::uint64_t bytes_read_ = 0;
};

/// Returns an exit code. A line that is wrong, or that the node refuses, ends the import with its number; the message
/// says what was imported.
int run_import(const ImportOptions& options);

}  // namespace starling::cli
