#include "cli/demo/inventory.hpp"

#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <doctest/doctest.h>

using namespace starling::cli::demo;

namespace {

constexpr const char* status_text =
    "Package: bash\n"
    "Status: install ok installed\n"
    "Installed-Size: 7164\n"
    "Maintainer: Matthias Klose <doko@debian.org>\n"
    "Architecture: amd64\n"
    "Version: 5.2.15-2+b7\n"
    "Section: shells\n"
    "Conffiles:\n"
    " /etc/skel/.bashrc 1f98b8f3f3c8f8927eca945d59dcc1c6\n"
    "Description: GNU Bourne Again SHell\n"
    " Version: 9 of a story, on a line that goes on\n"
    "\n"
    "Package: never-installed\n"
    "Status: unknown ok not-installed\n"
    "\n"
    "\n"
    "Package: libc6\n"
    "Architecture: i386\n"
    "Version: 2.36\n"
    "\n"
    "Package: libc6\n"
    "Architecture: amd64\n"
    "Version: 2.36\n"
    "Section: libs\n"
    "Maintainer: GNU Libc Maintainers";

}  // namespace

TEST_CASE("the status file of dpkg is read, stanza by stanza") {
    const auto packages = parse_status_file(status_text);
    REQUIRE(packages.size() == 3);
    CHECK(packages[0].field() == "bash:amd64");
    CHECK(packages[0].version == "5.2.15-2+b7");
    CHECK(packages[0].section == "shells");
    CHECK(packages[0].maintainer == "Matthias Klose <doko@debian.org>");
    CHECK(packages[0].installed_kib == 7164);
    CHECK(packages[1].field() == "libc6:i386");
    CHECK(packages[1].section == "none");
    CHECK(packages[2].maintainer == "GNU Libc Maintainers");
}

TEST_CASE("text that is no status file holds no package") {
    CHECK(parse_status_file("").empty());
    CHECK(parse_status_file("\n\n\n").empty());
    CHECK(parse_status_file(":::\n \n\xff\xfe\x00x").empty());
    CHECK(parse_status_file("Package:\nVersion: 1\n").empty());
    CHECK(parse_status_file("Package: a\nVersion: 1\nInstalled-Size: many\r\n")[0].installed_kib == 0);
}

TEST_CASE("loader and checker, which share no code, agree") {
    const auto file = std::filesystem::temp_directory_path() / ("starling-status-" + std::to_string(::getpid()));
    std::ofstream(file) << status_text;
    const auto packages = read_inventory(file.string());
    const auto expected = expect_from(file.string());
    std::filesystem::remove(file);
    REQUIRE(packages);
    CHECK(expected.packages.size() == packages->size());
    for (const auto& package : *packages) {
        const auto& entry = expected.packages.at(package.field());
        CHECK(entry.version == package.version);
        CHECK(entry.section == package.section);
        CHECK(entry.installed_kib == package.installed_kib);
    }
    CHECK(expected.sections == std::map<std::string, std::int64_t>{{"libs", 1}, {"none", 1}, {"shells", 1}});
    CHECK(expected.maintainers.size() == 2);
    CHECK_FALSE(read_inventory("/nowhere/status"));
    CHECK_FALSE(read_inventory("/dev/null"));
}
