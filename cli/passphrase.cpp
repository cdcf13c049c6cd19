#include "cli/passphrase.hpp"

#include <fstream>

#include <starling/error.hpp>

namespace starling::cli {

void add_passphrase_option(CLI::App& verb, std::string& file) {
    verb.add_option("--passphrase-file", file,
                    "Seal the directory's keys with the passphrase in the first line of a file");
}

Unlock unlock_from(const std::string& file) {
    Unlock unlock;
    if (file.empty()) return unlock;
    std::ifstream in(file);
    std::getline(in, unlock.passphrase);
    if (!unlock.passphrase.empty() && unlock.passphrase.back() == '\r') unlock.passphrase.pop_back();
    if (unlock.passphrase.empty()) throw Error(Errc::invalid_argument, file + " has no passphrase in its first line");
    return unlock;
}

}  // namespace starling::cli
