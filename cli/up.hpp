// `starling up`: a node in the foreground, driven through the control socket in its directory until a signal or
// `starling stop` ends it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace starling::cli {

struct UpOptions {
    std::filesystem::path directory;
    std::string listen;                   ///< "address", "address:port", "[v6]:port" or ":port"; empty: everywhere
    std::vector<std::string> peers;       ///< "host:port"
    std::vector<std::string> interfaces;  ///< cards for beacons; empty: all
    bool discovery = true;
    std::uint16_t discovery_port = 0;  ///< 0: the default
    std::string passphrase_file;       ///< of what seals the keys; empty: nothing does
    bool verbose = false;              ///< the node's log on stderr
    bool json = false;
};

/// Returns when the node has stopped. Prints one line on stdout once the node is ready. The result is an exit code.
int run_up(const UpOptions& options);

/// Where to listen, out of what a person typed. False: it is none of the forms above.
bool parse_listen(const std::string& text, std::string& address, std::uint16_t& port);

}  // namespace starling::cli
