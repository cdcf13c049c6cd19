#include "cli/demo/inventory.hpp"

#include <charconv>
#include <fstream>
#include <sstream>

namespace starling::cli::demo {
namespace {

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

void take_line(Package& package, std::string_view line) {
    const auto colon = line.find(':');
    if (line.starts_with(' ') || line.starts_with('\t') || colon == std::string_view::npos) return;
    const auto name = line.substr(0, colon);
    const auto value = trim(line.substr(colon + 1));
    if (name == "Package") package.name = value;
    if (name == "Architecture") package.architecture = value;
    if (name == "Version") package.version = value;
    if (name == "Section") package.section = value;
    if (name == "Maintainer") package.maintainer = value;
    if (name == "Installed-Size") std::from_chars(value.data(), value.data() + value.size(), package.installed_kib);
}

}  // namespace

std::vector<Package> parse_status_file(std::string_view text) {
    std::vector<Package> packages;
    Package package;
    const auto finish = [&] {
        if (!package.name.empty() && !package.version.empty()) {
            if (package.section.empty()) package.section = "none";
            packages.push_back(package);
        }
        package = {};
    };
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (trim(line).empty()) {
            finish();
        } else {
            take_line(package, line);
        }
    }
    finish();
    return packages;
}

crdt::Result<std::vector<Package>> read_inventory(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) {
        return crdt::Fault{crdt::FaultCode::not_available,
                           "cannot read " + file + ": name a status file of dpkg with --inventory"};
    }
    std::ostringstream text;
    text << in.rdbuf();
    auto packages = parse_status_file(text.view());
    if (packages.empty()) {
        return crdt::Fault{crdt::FaultCode::malformed,
                           file + " holds no package: name a status file of dpkg with --inventory"};
    }
    return packages;
}

}  // namespace starling::cli::demo
