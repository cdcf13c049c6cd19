// Durations on the command line: 500ms, 10s, 5m, 1h.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <CLI/CLI.hpp>

namespace starling::cli {

/// Reads an option as milliseconds; the unit must be there.
inline CLI::AsNumberWithUnit as_milliseconds() {
    static const std::map<std::string, std::uint64_t> units{{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}};
    return CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::UNIT_REQUIRED);
}

}  // namespace starling::cli
