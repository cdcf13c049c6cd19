#include "cli/import.hpp"

#include <sstream>

#include <doctest/doctest.h>

using namespace starling::cli;

TEST_CASE("a line is a pair, or an object with a key") {
    auto pair = put_of_line(R"(["bolts", 40])", "stock", "");
    REQUIRE(pair);
    CHECK(pair->dump() == R"({"op":"put","map":"stock","field":"bolts","value":40})");
    auto object = put_of_line(R"({"sku": 7, "name": "bolt"})", "stock", "sku");
    REQUIRE(object);
    CHECK((*object)["field"] == 7);
    CHECK((*object)["value"]["name"] == "bolt");
}

TEST_CASE("what is wrong with a line is said") {
    CHECK(put_of_line("{", "m", "").fault().what.find("JSON") != std::string::npos);
    CHECK(put_of_line("7", "m", "").fault().what.find("[field, value]") != std::string::npos);
    CHECK(put_of_line(R"({"a":1})", "m", "").fault().what.find("--key") != std::string::npos);
    CHECK(put_of_line(R"(["a",1,2])", "m", "").fault().what.find("[field, value]") != std::string::npos);
    CHECK(put_of_line(R"(["a",1])", "m", "sku").fault().what.find("'sku'") != std::string::npos);
    CHECK(put_of_line(R"({"a":1})", "m", "sku").fault().what.find("'sku'") != std::string::npos);
    CHECK(put_of_line(R"({"sku":[1]})", "m", "sku").fault().what.find("field must be") != std::string::npos);
}

TEST_CASE("batches hold the lines in order, and end where the input ends") {
    std::istringstream in("[1,1]\n\n[2,2]\r\n   \n[3,3]");
    ImportReader reader(in, "m", "");
    const auto batch = reader.next();
    CHECK(batch.puts == 3);
    CHECK(batch.first_line == 1);
    CHECK(batch.last_line == 5);
    CHECK(batch.request["op"] == "transact");
    CHECK(batch.request["writes"][2]["value"] == 3);
    CHECK(reader.next().puts == 0);
    CHECK_FALSE(reader.fault());
    CHECK(reader.bytes_read() == 23);
}

TEST_CASE("a wrong line ends the reading, and what came before it is still a batch") {
    std::istringstream in("[1,1]\n[2,2]\nnot JSON\n[4,4]\n");
    ImportReader reader(in, "m", "");
    CHECK(reader.next().puts == 2);
    CHECK(reader.next().puts == 0);
    REQUIRE(reader.fault());
    CHECK(reader.line() == 3);
}

TEST_CASE("batches are bounded by bytes and by puts") {
    std::string many;
    for (int line = 0; line < 2500; ++line) many += "[" + std::to_string(line) + ",0]\n";
    std::istringstream small(many);
    ImportReader puts(small, "m", "");
    CHECK(puts.next().puts == import_batch_puts);
    CHECK(puts.next().first_line == import_batch_puts + 1);
    CHECK(puts.next().puts == 500);

    const std::string half = R"(["x",")" + std::string(import_batch_bytes / 2, 'x') + "\"]\n";
    const std::string huge = R"(["y",")" + std::string(2 * import_batch_bytes, 'y') + "\"]\n";
    std::istringstream large(half + half + huge + half);
    ImportReader bytes(large, "m", "");
    CHECK(bytes.next().last_line == 1);
    CHECK(bytes.next().last_line == 2);
    const auto alone = bytes.next();
    CHECK(alone.puts == 1);
    CHECK(alone.first_line == 3);
    CHECK(bytes.next().first_line == 4);
    CHECK(bytes.next().puts == 0);
}

TEST_CASE("a line without an end does not fill the memory") {
    std::istringstream in("[1,1]\n" + std::string(import_line_bytes_max + 10, ' '));
    ImportReader reader(in, "m", "");
    CHECK(reader.next().puts == 1);
    CHECK(reader.next().puts == 0);
    REQUIRE(reader.fault());
    CHECK(reader.line() == 2);
}
