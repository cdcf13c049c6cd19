// What a node tells about itself, as JSON.
#pragma once

#include <optional>
#include <string_view>

#include <starling/starling.hpp>

#include "cli/protocol.hpp"

namespace starling::cli {

const char* role_name(Role role);
/// For people: "writer, for another 3600 s".
std::string in_words(const Standing& standing);
std::optional<Role> role_named(std::string_view name);

Json report(const Status& status);
Json report(const PeerStatus& peer);
Json report(const Finding& finding);
Json report(const Member& member);
Json report(const std::vector<Reason>& reasons);
/// One transaction for a watcher; `at_us` is the machine's monotonic clock when the watcher was called.
Json report(const Changes& changes, std::int64_t at_us);
Json report(const JournalEntry& entry);

/// How many events a version covers.
std::uint64_t events_in(const Version& version);
/// The machine's monotonic clock, the same for all processes.
std::int64_t monotonic_us();

}  // namespace starling::cli
