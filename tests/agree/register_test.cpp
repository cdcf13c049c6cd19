#include "agree/register.hpp"

#include <doctest/doctest.h>

using namespace starling::agree;

TEST_CASE("a register that nobody wrote is empty") {
    CHECK(*decode_register(encode(Register{})) == Register{});
}
