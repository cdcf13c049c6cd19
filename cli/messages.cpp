#include "cli/messages.hpp"

#include <algorithm>
#include <iostream>
#include <string>

#include "cli/exit_codes.hpp"

namespace starling::cli {
namespace {

/// What to do about an error, where its own words do not say it.
std::string_view advice_for(Errc error) {
    switch (error) {
        case Errc::dir_in_use:
            return "a node runs there already: 'starling status' shows it, 'starling stop' ends it";
        case Errc::mesh_exists:
            return "print its join code with 'starling invite' while the node is up, or choose another --dir";
        case Errc::mesh_differs:
            return "choose another --dir for this mesh";
        case Errc::join_code_malformed:
            return "copy the whole code, in one piece";
        case Errc::join_code_expired:
            return "ask an admin for another: 'starling invite'";
        case Errc::key_sealed:
            return "give the right --passphrase-file";
        case Errc::not_admin:
            return "invite on the node that made the mesh, or on one that joined with an admin's code";
        case Errc::key_exposed:
            return "make it readable by its owner alone: chmod 600";
        case Errc::network_unavailable:
            return "choose another --listen";
        case Errc::store_damaged:
            return "restore a backup into another directory, or join anew and catch up from the peers";
        default:
            return {};
    }
}

int exit_for(Errc error) {
    switch (error) {
        case Errc::invalid_argument:
            return exit_usage;
        case Errc::too_large:
        case Errc::reserved_key:
        case Errc::counter_overflow:
        case Errc::join_code_malformed:
        case Errc::join_code_expired:
        case Errc::key_sealed:
        case Errc::not_admin:
        case Errc::role_forbids:
        case Errc::store_damaged:
        case Errc::store_newer:
        case Errc::file_exists:
            return exit_input;
        default:
            return exit_machine;
    }
}

}  // namespace

int complain(int exit, std::string_view what) {
    std::string line(what);
    std::replace_if(line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    std::cerr << "starling: " << line << std::endl;
    return exit;
}

int complain(const Error& error) {
    std::string what = error.what();
    if (auto advice = advice_for(error.errc()); !advice.empty()) what += "; " + std::string(advice);
    return complain(exit_for(error.errc()), what);
}

}  // namespace starling::cli
