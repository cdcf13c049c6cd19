// The demo's real data: the packages of this Debian machine, as its package manager's status file has them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "crdt/result.hpp"

namespace starling::cli::demo {

constexpr const char* inventory_file_default = "/var/lib/dpkg/status";

/// One stanza of the status file. Invariant: name and version are not empty.
struct Package {
    std::string name, architecture, version, section, maintainer;
    std::uint64_t installed_kib = 0;

    /// "bash:amd64": a package may be there for several architectures.
    std::string field() const { return name + ":" + architecture; }
};

/// Reads the text of a status file: stanzas apart by empty lines, "Name: value", continuation lines begin with a blank.
/// What has no name or version (a package that was never installed) is left out. O(bytes).
std::vector<Package> parse_status_file(std::string_view text);

/// Faults: not_available (no such file), malformed (no package in it).
crdt::Result<std::vector<Package>> read_inventory(const std::string& file);

/// What the fleet map, the section counters and the set of maintainers must hold in the end. Taken from the file by
/// code of its own, so that a mistake of the loader shows.
struct Expected {
    struct Entry {
        std::string version, section;
        std::uint64_t installed_kib = 0;
    };
    std::map<std::string, Entry> packages;
    std::map<std::string, std::int64_t> sections;
    std::set<std::string> maintainers;
};
Expected expect_from(const std::string& file);

}  // namespace starling::cli::demo
