#include "cli/protocol.hpp"

#include <array>
#include <utility>

#include "cli/exit_codes.hpp"

namespace starling::cli {

using crdt::Fault;
using crdt::FaultCode;

int exit_code_of(std::string_view code) {
    static constexpr std::array<std::pair<std::string_view, int>, 8> codes{
        {{error_code::absent, exit_absent},
         {error_code::usage, exit_usage},
         {error_code::input, exit_input},
         {error_code::too_large, exit_input},
         {error_code::refused, exit_input},
         {error_code::unavailable, exit_machine},
         {error_code::no_majority, exit_no_majority},
         {error_code::outcome_unknown, exit_no_majority}}};
    for (const auto& [name, exit] : codes) {
        if (name == code) return exit;
    }
    return exit_machine;
}

crdt::Result<Json> parse_json(std::string_view text, int depth_max) {
    bool too_deep = false;
    auto guard = [&](int depth, Json::parse_event_t, Json&) {
        too_deep |= depth > depth_max;
        return !too_deep;
    };
    Json json = Json::parse(text, guard, /*allow_exceptions=*/false);
    if (too_deep) return Fault{FaultCode::malformed, "JSON nested deeper than " + std::to_string(depth_max)};
    if (json.is_discarded()) return Fault{FaultCode::malformed, "not valid JSON"};
    return json;
}

crdt::Result<Json> parse_request(std::string_view line) {
    auto json = parse_json(line);
    if (!json) return json;
    if (!json->is_object()) return Fault{FaultCode::malformed, "a request is a JSON object"};
    auto version = json->find("v");
    if (version == json->end() || !version->is_number_integer() || *version != protocol_version) {
        return Fault{FaultCode::malformed, "a request says \"v\":" + std::to_string(protocol_version) +
                                               "; this node speaks no other version of the control protocol"};
    }
    auto op = json->find("op");
    if (op == json->end() || !op->is_string()) return Fault{FaultCode::malformed, "a request names its \"op\""};
    return json;
}

Json ok_answer() {
    return Json{{"v", protocol_version}, {"ok", true}};
}

Json error_answer(std::string_view code, std::string_view message) {
    return Json{{"v", protocol_version}, {"ok", false}, {"error", {{"code", code}, {"message", message}}}};
}

std::string to_line(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool LineBuffer::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        auto end = bytes.find('\n');
        auto part = bytes.substr(0, end);
        if (rest_.size() + part.size() > line_bytes_max_) return false;
        rest_.append(part);
        if (end == std::string_view::npos) return true;
        lines_.push_back(std::exchange(rest_, {}));
        bytes.remove_prefix(end + 1);
    }
    return true;
}

std::optional<std::string> LineBuffer::next() {
    if (lines_.empty()) return std::nullopt;
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    return line;
}

}  // namespace starling::cli
