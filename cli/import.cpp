#include "cli/import.hpp"

#include <chrono>
#include <cstdio>
#include <deque>
#include <fstream>
#include <iostream>
#include <unistd.h>
#include <utility>

#include "cli/control_client.hpp"
#include "cli/exit_codes.hpp"
#include "cli/messages.hpp"
#include "cli/progress_bar.hpp"

namespace starling::cli {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;
using Clock = std::chrono::steady_clock;

Result<Json> put_of_line(std::string_view line, const std::string& map, const std::string& key) {
    auto json = parse_json(line);
    if (!json) return json;
    if (map.empty()) {
        if (!json->is_object() || !json->contains("op"))
            return Fault{FaultCode::malformed, "expected a write as 'starling export' prints it; for a map name it"};
        return json;
    }
    Json put{{"op", "put"}, {"map", map}};
    if (key.empty()) {
        if (!json->is_array() || json->size() != 2) {
            return Fault{FaultCode::malformed,
                         "expected [field, value]; for objects say with --key which member names the field"};
        }
        put["field"] = std::move((*json)[0]);
        put["value"] = std::move((*json)[1]);
    } else {
        if (!json->is_object()) return Fault{FaultCode::malformed, "expected an object with a member '" + key + "'"};
        auto field = json->find(key);
        if (field == json->end()) return Fault{FaultCode::malformed, "the object has no member '" + key + "'"};
        put["field"] = *field;
        put["value"] = std::move(*json);
    }
    if (put["field"].is_structured()) {
        return Fault{FaultCode::malformed, "the field must be text, a number, true, false or null, no list or object"};
    }
    return put;
}

ImportReader::ImportReader(std::istream& in, std::string map, std::string key)
    : in_(in), map_(std::move(map)), key_(std::move(key)) {}

bool ImportReader::read_line(std::string& line) {
    line.clear();
    auto& buffer = *in_.rdbuf();
    for (int c = buffer.sbumpc();; c = buffer.sbumpc()) {
        if (c == std::char_traits<char>::eof()) break;
        ++bytes_read_;
        if (c == '\n') {
            ++line_;
            return true;
        }
        line += char(c);
        if (line.size() > import_line_bytes_max) {
            ++line_;
            fault_ = "the line is longer than " + std::to_string(import_line_bytes_max) + " bytes";
            return false;
        }
    }
    if (line.empty()) return false;
    ++line_;
    return true;
}

std::optional<Json> ImportReader::read_put() {
    std::string line;
    while (!fault_ && read_line(line)) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        auto put = put_of_line(line, map_, key_);
        if (put) {
            line_bytes_ = line.size();
            return std::move(*put);
        }
        fault_ = put.fault().what;
    }
    return std::nullopt;
}

ImportBatch ImportReader::next() {
    ImportBatch batch{{{"op", "transact"}, {"writes", Json::array()}}};
    std::size_t bytes = 0;
    while (batch.puts < import_batch_puts) {
        auto put = held_ ? std::exchange(held_, std::nullopt) : read_put();
        if (!put) break;
        bytes += line_bytes_;
        if (batch.puts > 0 && bytes > import_batch_bytes) {
            held_ = std::move(put);
            break;
        }
        batch.request["writes"].push_back(std::move(*put));
        if (++batch.puts == 1) batch.first_line = line_;
        batch.last_line = line_;
    }
    return batch;
}

namespace {

/// The lines of a batch.
struct Lines {
    std::size_t puts = 0;
    std::uint64_t first = 0, last = 0;
};

/// Sends batches, a few ahead of their answers.
class Importer {
  public:
    Importer(ControlClient client, ImportReader& reader, ProgressBar& bar)
        : client_(std::move(client)), reader_(reader), bar_(bar) {}

    /// Ends at the end of the input, at a wrong line, at a refusal, or when the node is gone.
    void run() {
        while (exit_ == exit_ok) {
            ImportBatch batch = reader_.next();
            if (batch.puts == 0) break;
            auto sent = client_.send(std::move(batch.request));
            if (!sent) return stop(exit_no_node, sent.fault().what);
            under_way_.push_back({batch.puts, batch.first_line, batch.last_line});
            if (under_way_.size() >= import_batches_under_way) take_answer();
            bar_.show(reader_.bytes_read(), puts_);
        }
        while (!under_way_.empty() && exit_ != exit_no_node) take_answer();
    }

    std::uint64_t puts() const { return puts_; }
    std::uint64_t last_line() const { return last_line_; }
    int exit() const { return exit_; }
    const std::string& error() const { return error_; }
    /// The lines of the first batch that was refused.
    const Lines& refused() const { return refused_; }

  private:
    void stop(int exit, std::string error) {
        exit_ = exit;
        error_ = std::move(error);
    }

    void take_answer() {
        auto answer = client_.receive();
        if (!answer) return stop(exit_no_node, answer.fault().what);
        const Lines lines = under_way_.front();
        under_way_.pop_front();
        if (answer->value("ok", false)) {
            puts_ += lines.puts;
            last_line_ = lines.last;
        } else if (exit_ == exit_ok) {
            const Json error = answer->value("error", Json::object());
            refused_ = lines;
            stop(exit_code_of(error.value("code", "")), error.value("message", "the node refused"));
        }
    }

    ControlClient client_;
    ImportReader& reader_;
    ProgressBar& bar_;
    std::deque<Lines> under_way_;
    Lines refused_;
    std::uint64_t puts_ = 0, last_line_ = 0;
    int exit_ = exit_ok;
    std::string error_;
};

/// What is in the map now, as the end of a sentence.
std::string so_far(const Importer& importer) {
    const auto last = importer.last_line();
    if (last == 0) return "nothing was imported";
    std::string puts = " (" + std::to_string(importer.puts()) + " writes)";
    if (importer.refused().puts > 0 && last > importer.refused().last) {
        return "the other lines up to " + std::to_string(last) + " were imported" + puts;
    }
    return "lines 1 to " + std::to_string(last) + " were imported" + puts + ", nothing after them";
}

std::string place_of(const Lines& lines) {
    return std::to_string(lines.first) + (lines.last > lines.first ? "-" + std::to_string(lines.last) : "");
}

int report_end(const Importer& importer, const ImportReader& reader, const ImportOptions& options, double seconds) {
    const std::string file = options.file == "-" ? "standard input" : options.file;
    if (importer.refused().puts > 0) {
        return complain(importer.exit(),
                        file + ":" + place_of(importer.refused()) + ": " + importer.error() + "; " + so_far(importer));
    }
    if (importer.exit() != exit_ok) {
        return complain(importer.exit(),
                        file + ": " + importer.error() + "; at least " + std::to_string(importer.puts()) +
                            " writes were imported" +
                            (options.map.empty() ? "" : ": import the file again, that changes nothing twice"));
    }
    if (reader.fault()) {
        return complain(exit_input,
                        file + ":" + std::to_string(reader.line()) + ": " + *reader.fault() + "; " + so_far(importer));
    }
    const auto rate = std::uint64_t(double(importer.puts()) / std::max(seconds, 1e-6));
    if (options.json) {
        std::cout << to_line(
            {{"imported", importer.puts()}, {"lines", reader.line()}, {"seconds", seconds}, {"per_second", rate}});
    } else {
        const std::string where = options.map.empty() ? "" : " into '" + options.map + "'";
        std::printf("%llu %s imported%s in %.2f s, %llu a second\n", static_cast<unsigned long long>(importer.puts()),
                    options.map.empty() ? "writes" : "fields", where.c_str(), seconds,
                    static_cast<unsigned long long>(rate));
    }
    return exit_ok;
}

}  // namespace

int run_import(const ImportOptions& options) {
    std::ifstream file;
    const bool standard_input = options.file == "-";
    std::error_code no_size;
    std::uint64_t size = 0;
    if (!standard_input) {
        if (std::filesystem::is_directory(options.file, no_size)) {
            return complain(exit_input, options.file + " is a directory: name a file of JSON Lines");
        }
        file.open(options.file, std::ios::binary);
        if (!file) return complain(exit_input, "cannot read " + options.file + ": see that it exists and is readable");
        size = std::filesystem::file_size(options.file, no_size);
        if (no_size) size = 0;
    }
    auto client = ControlClient::connect(options.directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    ImportReader reader(standard_input ? std::cin : file, options.map, options.key);
    ProgressBar bar(size, options.map.empty() ? "writes" : "fields");
    Importer importer(std::move(*client), reader, bar);
    const auto began = Clock::now();
    importer.run();
    bar.clear();
    return report_end(importer, reader, options, std::chrono::duration<double>(Clock::now() - began).count());
}

}  // namespace starling::cli
