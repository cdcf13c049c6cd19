#include <limits>

#include <doctest/doctest.h>

#include <starling/codec.hpp>
#include <starling/types.hpp>

using namespace starling;

namespace {

template <class T>
void same(const T& value) {
    const auto bytes = encode(value);
    const auto back = decode<T>(bytes);
    REQUIRE(back.has_value());
    CHECK(*back == value);
    for (std::size_t size = 0; size < bytes.size(); ++size) CHECK_FALSE(decode<T>(bytes.substr(0, size)).has_value());
    CHECK_FALSE(decode<T>(bytes + '\xc0').has_value());
    CHECK(Value::decode(bytes).has_value());
    CHECK(Value::decode(bytes)->encode() == bytes);
}

enum class Colour : unsigned char { red = 1, blue = 200 };

struct Part {
    std::string name;
    int count = 0;
    bool operator==(const Part&) const = default;
};

Bytes bytes_of(std::string_view text) {
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return {data, data + text.size()};
}

}  // namespace

template <>
struct starling::Codec<Part> {
    static constexpr bool scalar = false;
    static void encode(Encoder& out, const Part& part) {
        out.array(2);
        out.write(part.name);
        out.write(part.count);
    }
    static Part decode(Decoder& in) {
        in.array(2);
        return {in.read<std::string>(), in.read<int>()};
    }
};

static_assert(Field<std::string> && Field<int> && Field<Value> && Field<std::optional<bool>> && Field<Colour>);
static_assert(Storable<std::vector<int>> && !Field<std::vector<int>>);
static_assert(Storable<Part> && !Field<Part>);

TEST_CASE("what is encoded is decoded, and nothing shorter or longer") {
    for (const bool value : {false, true}) same(value);
    for (const auto value : {0LL, 1LL, -1LL, 127LL, 128LL, 255LL, 256LL, -32LL, -33LL, -128LL, -129LL, 65535LL, 65536LL,
                             -32768LL, -32769LL, 4294967295LL, 4294967296LL, std::numeric_limits<long long>::max(),
                             std::numeric_limits<long long>::min()})
        same(std::int64_t(value));
    same(std::numeric_limits<std::uint64_t>::max());
    same(std::int8_t(-128));
    same(std::uint16_t(65535));
    for (const double value : {0.0, -1.5, 1e300, std::numeric_limits<double>::infinity()}) same(value);
    for (const std::size_t size : {0, 1, 31, 32, 255, 256, 65535, 65536}) {
        const auto text = std::string(size, 'x');
        CHECK(decode<std::string>(encode(text)) == text);
        CHECK(decode<Bytes>(encode(bytes_of(text))) == bytes_of(text));
        const auto list = std::vector<bool>(size, true);
        CHECK(decode<std::vector<bool>>(encode(list)) == list);
    }
    same(std::string("text"));
    same(bytes_of("bytes"));
    same(std::vector<std::string>{"a", "", "c"});
    same(std::optional<int>());
    same(std::optional<int>(3));
    same(Colour::blue);
    same(Part{"bolt", -3});
    same(std::vector<Part>{{"bolt", 1}, {"nut", 2}});
}

TEST_CASE("a value out of range, or of another kind, does not decode") {
    CHECK_FALSE(decode<std::int8_t>(encode(128)).has_value());
    CHECK_FALSE(decode<unsigned>(encode(-1)).has_value());
    CHECK_FALSE(decode<std::int64_t>(encode(std::numeric_limits<std::uint64_t>::max())).has_value());
    CHECK_FALSE(decode<std::string>(encode(1)).has_value());
    CHECK_FALSE(decode<int>(encode(std::string("1"))).has_value());
    CHECK_FALSE(decode<std::string>(encode(bytes_of("x"))).has_value());
    CHECK_FALSE(decode<bool>(encode(1)).has_value());
    CHECK_FALSE(decode<Part>(encode(std::vector<int>{1, 2})).has_value());
    CHECK_FALSE(decode<Part>(encode(std::vector<std::string>{"one"})).has_value());
    CHECK(decode<double>(encode(2)) == 2.0);
}

TEST_CASE("longer forms and 32-bit floats of other writers are understood") {
    CHECK(decode<int>(std::string("\xcf\0\0\0\0\0\0\0\x07", 9)) == 7);
    CHECK(decode<int>(std::string("\xd3\xff\xff\xff\xff\xff\xff\xff\xff", 9)) == -1);
    CHECK(decode<std::string>(std::string("\xdb\0\0\0\x02hi", 7)) == "hi");
    CHECK(decode<double>(std::string("\xca\x3f\x80\0\0", 5)) == 1.0);
    CHECK(Value::decode(std::string("\xd9\x02hi", 4)) == Value("hi"));
}

TEST_CASE("hostile bytes are refused without work") {
    CHECK_FALSE(Value::decode("").has_value());
    CHECK_FALSE(Value::decode("\xc1").has_value());
    CHECK_FALSE(Value::decode(std::string("\xdd\xff\xff\xff\xff", 5)).has_value());  // an array of 4 G items
    CHECK_FALSE(Value::decode(std::string("\xdf\xff\xff\xff\xff\0\0", 7)).has_value());
    CHECK_FALSE(Value::decode(std::string("\xdb\xff\xff\xff\xff", 5)).has_value());
    CHECK_FALSE(Value::decode(std::string("\xd4\0\0", 3)).has_value());  // an extension type
    CHECK(Value::decode(std::string(Value::nesting_max, '\x91') + '\xc0').has_value());
    CHECK_FALSE(Value::decode(std::string(Value::nesting_max + 1, '\x91') + '\xc0').has_value());
    CHECK_FALSE(Value::decode(std::string(100'000, '\x91')).has_value());
}

TEST_CASE("values compare by what they hold and show as JSON") {
    CHECK(Value(7) == Value(7U));
    CHECK(Value(7).as<std::int64_t>() != nullptr);
    CHECK(Value(std::numeric_limits<std::uint64_t>::max()).as<std::uint64_t>() != nullptr);
    CHECK(Value("a") == Value(std::string("a")));
    CHECK_FALSE(Value("a") == Value(bytes_of("a")));
    CHECK(Value().is_nil());
    const Value nested(Value::Map{{"list", Value::Array{1, -2.5, true, nullptr}}, {3, bytes_of("\x01\xff")}});
    CHECK(nested.to_string() == R"({"list": [1, -2.5, true, null], "3": "01ff"})");
    CHECK(Value("a\"\\\n\x01").to_string() == R"("a\"\\\n\u0001")");
    CHECK(Value::decode(nested.encode()) == nested);
}

TEST_CASE("names and versions read back from their text") {
    NodeId node;
    for (std::size_t at = 0; at < node.bytes.size(); ++at) node.bytes[at] = std::uint8_t(at * 7 + 160);
    CHECK(NodeId::parse(node.to_string()) == node);
    CHECK(node.short_name() == node.to_string().substr(0, 8));
    const ReplicaId replica{node, 0x0123456789abcdefULL};
    CHECK(replica.to_string().ends_with(".0123456789abcdef"));
    CHECK(ReplicaId::parse(replica.to_string()) == replica);

    Version version({{replica, 3}, {{node, 9}, 1}, {{NodeId{}, 1}, 0}});
    CHECK(version.lines().size() == 2);
    CHECK(Version::parse(version.to_string()) == version);
    CHECK(Version().to_string() == "0");
    CHECK(Version::parse("0") == Version());
    CHECK(version.covers(Dot{replica, 3}));
    CHECK_FALSE(version.covers(Dot{replica, 4}));
    CHECK(version.covers(Version()));
    CHECK_FALSE(Version().covers(version));
    Version other({{replica, 5}});
    other.merge(version);
    CHECK(other.covers(version));
    CHECK_FALSE(version.covers(other));

    const auto line = Dot{replica, 3}.to_string();
    auto twice = line;
    twice.append(",").append(line);
    const auto name = replica.to_string();
    for (const std::string& text : {std::string(), std::string("1"), line + ",", "," + line, twice, name + ":0",
                                    name + ":-1", name + ":", "0," + line, name + ":99999999999999999999", " " + line})
        CHECK_FALSE(Version::parse(text).has_value());
    CHECK_FALSE(NodeId::parse(std::string(64, 'G')).has_value());
    for (auto type = int(Type::counter); type <= int(Type::journal); ++type)
        CHECK(type_named(name_of(Type(type))) == Type(type));
    CHECK(name_of(Type(99)) == "unknown");
    CHECK_FALSE(type_named("unknown").has_value());
}
