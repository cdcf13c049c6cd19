// Why do two nodes not meet? What the network has seen, put in words, with what to do about it.
#pragma once

#include <cstdint>
#include <vector>

#include <starling/status.hpp>

#include "net/diagnosis.hpp"

namespace starling::detail {

/// A pure function; the gravest come first. `now_s` is wall-clock time since 1970.
std::vector<Finding> findings_of(const Status& status, const net::Diagnosis& diagnosis, std::int64_t now_s);

}  // namespace starling::detail
