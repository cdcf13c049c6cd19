// Reads the status file a second time, on purpose without the parser of the loader: line by line, and every line that
// matters is told by its beginning.
#include <cstdlib>
#include <fstream>

#include "cli/demo/inventory.hpp"

namespace starling::cli::demo {
namespace {

struct Stanza {
    std::string package, arch, version, section = "none", maintainer, size;
};

bool take(const std::string& line, const char* beginning, std::string& into) {
    if (!line.starts_with(beginning)) return false;
    into = line.substr(std::string(beginning).size());
    while (!into.empty() && into.back() == ' ') into.pop_back();
    return true;
}

void count(const Stanza& stanza, Expected& expected) {
    if (stanza.package.empty() || stanza.version.empty()) return;
    auto& entry = expected.packages[stanza.package + ":" + stanza.arch];
    entry.version = stanza.version;
    entry.section = stanza.section;
    entry.installed_kib = std::strtoull(stanza.size.c_str(), nullptr, 10);
    ++expected.sections[stanza.section];
    if (!stanza.maintainer.empty()) expected.maintainers.insert(stanza.maintainer);
}

}  // namespace

Expected expect_from(const std::string& file) {
    Expected expected;
    std::ifstream in(file);
    Stanza stanza;
    for (std::string line; std::getline(in, line);) {
        if (line.empty()) {
            count(stanza, expected);
            stanza = Stanza{};
            continue;
        }
        take(line, "Package: ", stanza.package) || take(line, "Architecture: ", stanza.arch) ||
            take(line, "Version: ", stanza.version) || take(line, "Section: ", stanza.section) ||
            take(line, "Maintainer: ", stanza.maintainer) || take(line, "Installed-Size: ", stanza.size);
    }
    count(stanza, expected);
    return expected;
}

}  // namespace starling::cli::demo
