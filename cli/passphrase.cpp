#include "cli/passphrase.hpp"

#include <fstream>
#include <sys/stat.h>

#include <starling/error.hpp>

namespace starling::cli {

namespace {
constexpr std::size_t passphrase_bytes_max = 1024;
}

void add_passphrase_option(CLI::App& verb, std::string& file) {
    verb.add_option("--passphrase-file", file,
                    "Seal the directory's keys with the passphrase in the first line of a file");
}

Unlock unlock_from(const std::string& file) {
    Unlock unlock;
    if (file.empty()) return unlock;
    const auto refuse = [&](const char* why) -> void { throw Error(Errc::invalid_argument, file + " " + why); };
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) refuse("cannot be read");
    // A pipe, or a descriptor of the shell's, has no other readers.
    if (S_ISREG(status.st_mode) && (status.st_mode & 077) != 0) refuse("may be read by others: chmod 600 it");
    std::ifstream in(file);
    for (char c = 0; in.get(c) && c != '\n' && unlock.passphrase.size() <= passphrase_bytes_max;)
        unlock.passphrase += c;
    if (!unlock.passphrase.empty() && unlock.passphrase.back() == '\r') unlock.passphrase.pop_back();
    if (unlock.passphrase.empty()) refuse("has no passphrase in its first line");
    if (unlock.passphrase.size() > passphrase_bytes_max) refuse("has too long a passphrase");
    return unlock;
}

}  // namespace starling::cli
