// Sizes of a test that the environment may set.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace starling::testing {

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const auto* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace starling::testing
