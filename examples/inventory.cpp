// A fleet takes stock of its software: each of a few nodes loads its share of a package database (the status file of
// dpkg, which every Debian machine has), and soon every node knows the whole.
//
//     inventory [FILE]        FILE: /var/lib/dpkg/status unless named
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <starling/starling.hpp>

namespace {

using namespace std::chrono_literals;

constexpr std::size_t nodes = 3;
constexpr std::size_t packages_per_transaction = 200;  // a transaction holds 256 KiB
constexpr auto patience = 60s;

}  // namespace

struct Package {
    std::string name, version, section, maintainer;
    std::int64_t installed_kib = 0;
};

// How a Package is stored, besides its name, which is the field of the map.
template <>
struct starling::Codec<Package> {
    static constexpr bool scalar = false;
    static void encode(Encoder& out, const Package& package) {
        out.array(4);
        out.write(package.version);
        out.write(package.section);
        out.write(package.maintainer);
        out.write(package.installed_kib);
    }
    static Package decode(Decoder& in) {
        in.array(4);
        return {"", in.read<std::string>(), in.read<std::string>(), in.read<std::string>(), in.read<std::int64_t>()};
    }
};

namespace {

/// "Key: value" lines, one paragraph a package. Continuation lines begin with a space.
std::vector<Package> read_packages(std::istream& file) {
    std::vector<Package> packages;
    Package package;
    const auto finish = [&] {
        if (!package.name.empty()) packages.push_back(std::move(package));
        package = {};
    };
    for (std::string line; std::getline(file, line);) {
        if (line.empty()) finish();
        const auto colon = line.find(": ");
        if (colon == std::string::npos || line[0] == ' ') continue;
        const auto key = line.substr(0, colon);
        const auto value = line.substr(colon + 2);
        if (key == "Package") package.name = value;
        if (key == "Architecture") package.name += ':' + value;  // one name may be there for several
        if (key == "Version") package.version = value;
        if (key == "Section") package.section = value;
        if (key == "Maintainer") package.maintainer = value;
        if (key == "Installed-Size") package.installed_kib = std::strtoll(value.c_str(), nullptr, 10);
    }
    finish();
    return packages;
}

/// Writes the packages in transactions: a package is never there without having been counted in its section.
void load(const starling::Node& node, const std::vector<Package>& share) {
    const auto fleet = node.map<std::string, Package>("fleet/packages");
    const auto maintainers = node.set<std::string>("fleet/maintainers");
    for (std::size_t from = 0; from < share.size(); from += packages_per_transaction) {
        const auto until = std::min(share.size(), from + packages_per_transaction);
        node.transact([&](auto& tx) {
            for (std::size_t at = from; at < until; ++at) {
                const auto& package = share[at];
                tx.put(fleet, package.name, package);
                tx.insert(maintainers, package.maintainer);
                tx.add(node.counter("fleet/sections/" + package.section), 1);
            }
        });
    }
}

struct Figures {
    std::size_t packages = 0, sections = 0, maintainers = 0;
    std::int64_t counted = 0, installed_kib = 0;
    bool operator==(const Figures&) const = default;
};

Figures figures_of(const starling::Node& node) {
    Figures figures;
    for (const auto& [name, package] : node.map<std::string, Package>("fleet/packages").items()) {
        ++figures.packages;
        figures.installed_kib += package.installed_kib;
    }
    figures.maintainers = node.set<std::string>("fleet/maintainers").size();
    for (const auto& [type, key] : node.keys("fleet/sections/")) {
        ++figures.sections;
        figures.counted += node.counter(key).value();
    }
    return figures;
}

/// The same, straight from the file.
Figures figures_of(const std::vector<Package>& packages) {
    std::map<std::string, std::int64_t> kib;
    std::set<std::string> sections, maintainers;
    Figures figures;
    for (const auto& package : packages) {
        kib[package.name] = package.installed_kib;
        sections.insert(package.section);
        maintainers.insert(package.maintainer);
    }
    for (const auto& [name, size] : kib) figures.installed_kib += size;
    figures.packages = kib.size();
    figures.sections = sections.size();
    figures.maintainers = maintainers.size();
    figures.counted = std::int64_t(packages.size());
    return figures;
}

void print(const starling::Node& node, const Figures& figures) {
    const auto status = node.status();
    std::uint64_t in = 0, out = 0;
    for (const auto& peer : status.peers) {
        in += peer.bytes_in;
        out += peer.bytes_out;
    }
    std::cout << std::left << std::setw(10) << node.id().short_name() << std::right << std::setw(9) << figures.packages
              << std::setw(10) << figures.sections << std::setw(13) << figures.maintainers << std::setw(11)
              << figures.installed_kib / 1024 << std::setw(9) << in / 1024 << std::setw(10) << out / 1024 << "  "
              << status.fingerprint << '\n';
}

void print_largest_sections(const starling::Node& node) {
    std::vector<std::pair<std::int64_t, std::string>> sections;
    for (const auto& [type, key] : node.keys("fleet/sections/"))
        sections.emplace_back(node.counter(key).value(), key.substr(key.rfind('/') + 1));
    std::sort(sections.rbegin(), sections.rend());
    sections.resize(std::min<std::size_t>(sections.size(), 5));
    std::cout << "largest sections:";
    for (const auto& [count, name] : sections) std::cout << "  " << name << ' ' << count;
    std::cout << '\n';
}

}  // namespace

int main(int count, char** arguments) try {
    const std::string path = count > 1 ? arguments[1] : "/var/lib/dpkg/status";
    std::ifstream file(path);
    if (!file) {
        std::cerr << "inventory: cannot read " << path << "; name a file in the form of dpkg's status file\n";
        return 1;
    }
    const auto packages = read_packages(file);
    if (packages.empty()) {
        std::cerr << "inventory: no packages in " << path << '\n';
        return 1;
    }

    std::vector<starling::Node> fleet;
    for (std::size_t at = 0; at < nodes; ++at) {
        starling::Options options{.listen_address = "127.0.0.1", .discovery = false};
        if (at > 0) options.mesh = fleet[0].join_code();  // which tells where node 0 is,
        for (const auto& node : fleet)                    // and a full mesh needs the others too
            options.peers.push_back("127.0.0.1:" + std::to_string(node.status().port));
        fleet.push_back(starling::Node::open(options));
    }

    for (std::size_t at = 0; at < nodes; ++at) {
        std::vector<Package> share;
        for (std::size_t index = at; index < packages.size(); index += nodes) share.push_back(packages[index]);
        load(fleet[at], share);
    }
    starling::Version all;
    for (const auto& node : fleet) all.merge(node.version());

    std::cout << packages.size() << " packages from " << path << ", a share for each of " << nodes << " nodes\n\n"
              << "node       packages  sections  maintainers  installed   KiB in   KiB out  data\n";
    const auto expected = figures_of(packages);
    for (const auto& node : fleet) {
        if (!node.wait_until(all, patience)) {
            std::cerr << "inventory: the nodes do not get in step\n";
            return 1;
        }
        const auto figures = figures_of(node);
        print(node, figures);
        if (figures != expected || node.status().fingerprint != fleet[0].status().fingerprint) {
            std::cerr << "inventory: this node differs from the file\n";
            return 1;
        }
    }
    std::cout << '\n';
    print_largest_sections(fleet.back());
    return 0;
} catch (const starling::Error& error) {
    std::cerr << "inventory: " << error.what() << '\n';
    return 1;
}
