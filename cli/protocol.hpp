// The control protocol between the `starling` command and a running node: one JSON object a line, both ways, over the
// socket in the node's directory.
//
//   request   {"v":1,"op":"put","map":"stock","field":"bolts","value":40}
//   answer    {"v":1,"ok":true,…}   or   {"v":1,"ok":false,"error":{"code":"absent","message":"…"}}
//
// Requests of one connection are answered in order. After `watch`, lines {"v":1,"change":{…}} follow until the client
// hangs up. A line that is no request gets an error, never silence and never a crash (docs/cli.md has every operation).
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "crdt/result.hpp"

namespace starling::cli {

using Json = nlohmann::ordered_json;

constexpr int protocol_version = 1;
constexpr std::size_t request_bytes_max = std::size_t{4} << 20;
constexpr std::size_t answer_bytes_max = std::size_t{256} << 20;
constexpr int json_depth_max = 32;
constexpr int answer_depth_max = json_depth_max + 4;  // what was asked for, in what tells of it

/// Why a request failed; the client turns it into an exit code.
namespace error_code {
constexpr const char* absent = "absent";                    ///< exit 1
constexpr const char* usage = "usage";                      ///< exit 2: no such operation, an argument missing
constexpr const char* input = "input";                      ///< exit 4: a value or file is not what it should be
constexpr const char* too_large = "too_large";              ///< exit 4
constexpr const char* refused = "refused";                  ///< exit 4: the rules forbid it
constexpr const char* unavailable = "unavailable";          ///< exit 5
constexpr const char* no_majority = "no_majority";          ///< exit 6: nothing was changed
constexpr const char* outcome_unknown = "outcome_unknown";  ///< exit 6: it may have been, or be yet
}  // namespace error_code

/// The exit code that belongs to an error code; exit_machine for one that this build does not know.
int exit_code_of(std::string_view code);

/// Parses JSON text, at most so deep. Fault: malformed, in words for people.
crdt::Result<Json> parse_json(std::string_view text, int depth_max = json_depth_max);

/// Parses one request line: an object of this version with an "op". Fault: malformed.
crdt::Result<Json> parse_request(std::string_view line);

Json ok_answer();
Json error_answer(std::string_view code, std::string_view message);

/// One line with its newline; bytes that are no UTF-8 are replaced, so that it always is JSON.
std::string to_line(const Json& json);

/// Cuts a stream into lines. Invariant: holds at most `line_bytes_max` bytes of an unfinished line. One thread.
class LineBuffer {
  public:
    explicit LineBuffer(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max) {}
    /// False: a line is longer than allowed, and the stream cannot be followed any more. O(bytes).
    bool feed(std::string_view bytes);
    std::optional<std::string> next();
    /// What came after the last newline.

  private:
    std::size_t line_bytes_max_;
    std::string rest_;
    std::deque<std::string> lines_;
};

}  // namespace starling::cli
