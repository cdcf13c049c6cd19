#include "cli/export.hpp"

#include <iostream>

#include "cli/control_client.hpp"
#include "cli/exit_codes.hpp"
#include "cli/messages.hpp"
#include "cli/verbs.hpp"

namespace starling::cli {

namespace {

constexpr std::size_t keys_at_once = 256;  // of one request

}  // namespace

int run_export(const std::filesystem::path& directory, const std::string& prefix) {
    auto client = ControlClient::connect(directory);
    if (!client) return complain(exit_no_node, client.fault().what);
    auto found = client->call({{"op", "keys"}, {"prefix", prefix}});
    if (!found) return complain(exit_no_node, found.fault().what);
    if (!found->value("ok", false)) return complain_of(*found);
    const Json& keys = (*found)["keys"];
    for (std::size_t at = 0; at < keys.size();) {
        Json request{{"op", "export"}, {"keys", Json::array()}};
        for (; at < keys.size() && request["keys"].size() < keys_at_once; ++at) request["keys"].push_back(keys[at]);
        auto page = client->call(std::move(request));
        if (!page) return complain(exit_no_node, page.fault().what);
        if (!page->value("ok", false)) return complain_of(*page);
        for (const Json& write : (*page)["writes"]) std::cout << to_line(write);
        if (!std::cout) return complain(exit_machine, "cannot write to standard output");
    }
    if (!std::cout.flush()) return complain(exit_machine, "cannot write to standard output");
    return exit_ok;
}

}  // namespace starling::cli
