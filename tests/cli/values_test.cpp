#include <doctest/doctest.h>

#include "cli/json_value.hpp"

using namespace starling;
using namespace starling::cli;

TEST_CASE("what a person types is JSON where it parses as JSON, else text") {
    CHECK(json_of_argument("40") == Json(40));
    CHECK(json_of_argument("-3") == Json(-3));
    CHECK(json_of_argument("0.5") == Json(0.5));
    CHECK(json_of_argument("true") == Json(true));
    CHECK(json_of_argument("null") == Json());
    CHECK(json_of_argument("bolts") == Json("bolts"));
    CHECK(json_of_argument("\"40\"") == Json("40"));
    CHECK(json_of_argument("") == Json(""));
    CHECK(json_of_argument("[1,") == Json("[1,"));
    CHECK(json_of_argument("{\"a\":[1,2]}")["a"][1] == 2);
    CHECK(json_of_argument("3 bolts") == Json("3 bolts"));
    CHECK(json_of_argument("0123") == Json("0123"));
}

TEST_CASE("values go to JSON and back") {
    for (const char* text :
         {"null", "true", "-5", "9223372036854775807", "18446744073709551615", "0.25", R"("")", R"("é\n")", "[]",
          R"([1,["x",null],{"a":{}}])", R"({"b":1,"a":2})", R"({"$hex":"00ff10"})"}) {
        CAPTURE(text);
        auto value = to_value(*parse_json(text));
        REQUIRE(value);
        CHECK(to_json(*value).dump() == parse_json(text)->dump());
    }
}

TEST_CASE("bytes are written in hexadecimal, and only so") {
    auto bytes = to_value(*parse_json(R"({"$hex":"0aFf"})"));
    REQUIRE(bytes);
    REQUIRE(bytes->as<Bytes>());
    CHECK(*bytes->as<Bytes>() == Bytes{std::byte{0x0a}, std::byte{0xff}});
    for (const char* wrong : {R"({"$hex":"0"})", R"({"$hex":"0g"})", R"({"$hex":7})", R"([{"$hex":"é"}])"}) {
        CAPTURE(wrong);
        CHECK_FALSE(to_value(*parse_json(wrong)));
    }
    CHECK(to_value(*parse_json(R"({"$hex":"00","more":1})"))->as<Value::Map>());
}

TEST_CASE("what JSON cannot say still shows") {
    CHECK(to_json(Value(Value::Map{{Value(7), Value("seven")}})).dump() == R"({"7":"seven"})");
    CHECK_NOTHROW(to_line({{"value", to_json(Value("\xff\xfe"))}}));
}

TEST_CASE("fields and elements are scalars") {
    CHECK(is_scalar(Value()));
    CHECK(is_scalar(Value(7)));
    CHECK(is_scalar(Value(Bytes{})));
    CHECK_FALSE(is_scalar(Value(Value::Array{})));
    CHECK_FALSE(is_scalar(Value(Value::Map{})));
}

TEST_CASE("people read text without quotes") {
    CHECK(for_people(Json("bolts")) == "bolts");
    CHECK(for_people(Json{{"a", 1}}) == R"({"a":1})");
}
