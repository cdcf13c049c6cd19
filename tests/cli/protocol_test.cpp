#include "cli/protocol.hpp"

#include <doctest/doctest.h>

#include "cli/exit_codes.hpp"
#include "cli/request.hpp"
#include "cli/up.hpp"

using namespace starling;
using namespace starling::cli;

TEST_CASE("a request is an object of this version that names its operation") {
    auto request = parse_request(R"({"v":1,"op":"get","map":"m"})");
    REQUIRE(request);
    CHECK((*request)["op"] == "get");
    for (const char* wrong :
         {"", "null", "[]", "{", "{}", R"({"v":1})", R"({"v":2,"op":"get"})", R"({"v":"1","op":"get"})",
          R"({"v":1,"op":7})", R"({"v":1.0,"op":"get"})", "{\"v\":1,\"op\":\"\xff\"}", R"({"v":1,"op":"get"} x)"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_request(wrong));
    }
}

TEST_CASE("nesting is bounded before anything recurses into it") {
    const std::string deep(200'000, '[');
    CHECK_FALSE(parse_json(deep));
    CHECK_FALSE(parse_json(deep + std::string(200'000, ']')));
    CHECK(parse_json(std::string(json_depth_max, '[') + std::string(json_depth_max, ']')));
    CHECK_FALSE(parse_json(std::string(json_depth_max + 1, '[') + "1" + std::string(json_depth_max + 1, ']')));
}

TEST_CASE("a stream is cut into lines, wherever it was torn") {
    LineBuffer lines(8);
    CHECK(lines.feed("on"));
    CHECK_FALSE(lines.next());
    CHECK(lines.feed("e\ntwo\n\nth"));
    CHECK(lines.next() == "one");
    CHECK(lines.next() == "two");
    CHECK(lines.next() == "");
    CHECK_FALSE(lines.next());
    CHECK(lines.feed("ree\n"));
    CHECK(lines.next() == "three");
    CHECK(lines.feed("12345678\n"));
    CHECK_FALSE(lines.feed("123456789"));
}

TEST_CASE("every line that leaves is one line of JSON, whatever bytes it holds") {
    const std::string line = to_line({{"text", "a\nb\xff"}});
    CHECK(line.find('\n') == line.size() - 1);
    CHECK(parse_json(line.substr(0, line.size() - 1)));
}

TEST_CASE("error codes have exit codes, and unknown ones too") {
    CHECK(exit_code_of(error_code::absent) == exit_absent);
    CHECK(exit_code_of(error_code::usage) == exit_usage);
    CHECK(exit_code_of(error_code::input) == exit_input);
    CHECK(exit_code_of(error_code::too_large) == exit_input);
    CHECK(exit_code_of(error_code::refused) == exit_input);
    CHECK(exit_code_of(error_code::unavailable) == exit_machine);
    CHECK(exit_code_of("of a later version") == exit_machine);
}

TEST_CASE("arguments of a request are checked one by one") {
    const Json request{{"text", "t"},   {"number", 7},    {"big", 18446744073709551615ULL},
                       {"half", 0.5},   {"list", {1, 2}}, {"type", "map"},
                       {"version", "0"}};
    CHECK(*text_in(request, "text") == "t");
    CHECK_FALSE(text_in(request, "number"));
    CHECK_FALSE(text_in(request, "absent"));
    CHECK(*integer_in(request, "number") == 7);
    CHECK_FALSE(integer_in(request, "big"));
    CHECK_FALSE(integer_in(request, "half"));
    CHECK_FALSE(scalar_in(request, "list"));
    CHECK(value_in(request, "list"));
    CHECK(*type_in(request, "type") == Type::map);
    CHECK_FALSE(type_in(request, "text"));
    CHECK(version_in(request, "version")->empty());
    CHECK(version_in(request, "absent")->empty());
    CHECK_FALSE(version_in(request, "text"));
}

TEST_CASE("where to listen, in the forms that people type") {
    struct {
        const char* text;
        const char* address;
        int port;
    } const forms[] = {
        {"", "", 0},       {"127.0.0.1", "127.0.0.1", 0}, {"127.0.0.1:80", "127.0.0.1", 80}, {":4000", "", 4000},
        {"::1", "::1", 0}, {"[::1]", "::1", 0},           {"[::1]:65535", "::1", 65535}};
    std::string address;
    std::uint16_t port = 0;
    for (const auto& form : forms) {
        CAPTURE(form.text);
        CHECK(parse_listen(form.text, address, port));
        CHECK(address == form.address);
        CHECK(port == form.port);
    }
    for (const char* wrong :
         {"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8x", "[::1", "[::1]80", "[::1]:"}) {
        CAPTURE(wrong);
        CHECK_FALSE(parse_listen(wrong, address, port));
    }
}
