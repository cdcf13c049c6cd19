// spread-bench [--quick] [PART…]: what it costs to bring the writes of many nodes to all nodes, beside the fastest way
// there is. Each part is a mesh; its cases are the ways in which a new origin's tree may begin.
//
//   rmr      copies that a node received beyond the one it needs, a changeset
//   last     time until the last node has a changeset, as a ratio to the fastest way over the same links
//   p99      the same for 99 of 100 nodes
//   ldh      links crossed on the way to the last node
//   control  bytes of all frames that bring no changesets, a changeset and node
#include <map>

#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "bench/spread_net.hpp"

namespace starling::bench {
namespace {

struct Mesh {
    std::string name;
    std::size_t nodes, writers;
    std::uint64_t writes_each;
    std::uint64_t pause_us;  ///< between two writes of one node, on average
    std::uint64_t loss_permille = 0;
    std::uint64_t flaps_per_minute = 0;  ///< of a hundred links, so many are lost and come again
};

struct Scheme {
    std::string name;
    gossip::Inheritance inheritance;
};
const Scheme schemes[] = {
    {"first floods", {UINT32_MAX, 5}},          // a new tree goes out everywhere
    {"first is announced", {0, 101}},           // a new tree goes out nowhere: digest, then pull
    {"first inherits", gossip::Inheritance{}},  // ours
};

constexpr std::uint64_t links_up_us = 2'000'000;
constexpr std::uint64_t settle_us = 10'000'000;

/// Where one changeset is by now.
struct Journey {
    Place origin = 0;
    bool first = false;  ///< of its origin
    std::uint64_t began_us = 0;
    std::vector<std::uint64_t> us;    ///< when each node applied it, since it began
    std::vector<std::uint16_t> hops;  ///< and how many links it crossed
    std::size_t reached = 0;
};

class Run {
  public:
    Run(const Mesh& mesh, const Scheme& scheme) : mesh_(mesh), scheme_(scheme), net_(options_of(mesh, scheme)) {}

    void measure() {
        net_.applied = [this](Place at, const gossip::Effects& effects, std::optional<Place> from) {
            for (const auto& changeset : effects.persist) applied(at, *changeset, from);
        };
        net_.start();
        net_.run_until(net_.now_us() + links_up_us);
        const auto before = total();
        net_.sent = [this](crdt::BytesView frame) {
            if (frame[3] == 3) frame_bytes_.push_back(frame.size());
        };
        const auto heap_before = resident_bytes();
        schedule();
        net_.run_until(net_.now_us() + mesh_.writes_each * mesh_.pause_us + settle_us);
        report(before, total(), double(resident_bytes()) - double(heap_before));
    }

  private:
    static SpreadNetOptions options_of(const Mesh& mesh, const Scheme& scheme) {
        SpreadNetOptions options;
        options.nodes = mesh.nodes;
        options.loss_permille = mesh.loss_permille;
        options.limits.inheritance = scheme.inheritance;
        options.limits.log_bytes_max = 256 * 1024;
        return options;
    }

    void schedule() {
        std::vector<Place> places(net_.size());
        for (Place place = 0; place < places.size(); ++place) places[place] = place;
        net_.random().shuffle(places);
        const auto length_us = mesh_.writes_each * mesh_.pause_us;
        for (std::size_t i = 0; i < mesh_.writers; ++i) {
            for (std::uint64_t n = 0; n < mesh_.writes_each; ++n)
                net_.at(net_.now_us() + net_.random().below(length_us),
                        [this, place = places[i], n] { net_.write(place, std::int64_t(n)); });
        }
        const auto links = net_.size() * 3;
        const auto flaps = links * mesh_.flaps_per_minute * (length_us / 1000) / 100 / 60'000;
        for (std::uint64_t n = 0; n < flaps; ++n) {
            net_.at(net_.now_us() + net_.random().below(length_us), [this] {
                const auto a = Place(net_.random().below(net_.size()));
                const auto neighbours = net_.neighbours(a);
                net_.flap(a, neighbours[net_.random().below(neighbours.size())]);
            });
        }
    }

    void applied(Place at, const crdt::Changeset& changeset, std::optional<Place> from) {
        auto& journey = journeys_[{changeset.origin, changeset.first}];
        if (journey.us.empty()) {
            journey.origin = at;
            journey.first = changeset.first == 1;
            journey.began_us = net_.now_us();
            journey.us.resize(net_.size());
            journey.hops.resize(net_.size());
            deps_.push_back(changeset.deps.size());
        } else {
            std::uint16_t hops = from ? journey.hops[*from] : 0;
            if (from && hops == 0 && *from != journey.origin) hops = UINT16_MAX - 1;  // what it waited for came last
            for (const auto peer : net_.neighbours(at)) {
                const bool has = peer == journey.origin || journey.hops[peer] > 0;
                if (hops == UINT16_MAX - 1 && has) hops = journey.hops[peer];
            }
            journey.hops[at] = std::uint16_t(hops + 1);
        }
        journey.us[at] = net_.now_us() - journey.began_us;
        ++journey.reached;
    }

    gossip::Counters total() const {
        gossip::Counters sum;
        for (Place place = 0; place < net_.size(); ++place) {
            const auto counters = net_.peer(place).status().counters;
            sum.changesets_received += counters.changesets_received;
            sum.changesets_redundant += counters.changesets_redundant;
            sum.control_bytes_sent += counters.control_bytes_sent;
            sum.bytes_sent += counters.bytes_sent;
            sum.pulls += counters.pulls;
        }
        return sum;
    }

    static std::uint64_t nearly_all(std::vector<std::uint64_t> us) {
        const auto at = us.begin() + std::ptrdiff_t(us.size() * 99 / 100);
        std::nth_element(us.begin(), at, us.end());
        return *at;
    }
    template <class T>
    static double median(std::vector<T> values) {
        if (values.empty()) return 0;
        std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
        return double(values[values.size() / 2]);
    }

    void report(const gossip::Counters& before, const gossip::Counters& after, double heap) {
        double last = 0, p99 = 0, ldh = 0, last_first = 0;
        std::size_t firsts = 0, lacking = 0;
        std::map<Place, std::vector<std::uint64_t>> fastest;
        for (const auto& [name, journey] : journeys_) {
            if (journey.reached < net_.size()) ++lacking;
            auto& best = fastest[journey.origin];
            if (best.empty()) best = net_.fastest_us(journey.origin);
            const auto ratio = double(*std::max_element(journey.us.begin(), journey.us.end())) /
                               double(*std::max_element(best.begin(), best.end()));
            last += ratio;
            if (journey.first) last_first += ratio, ++firsts;
            p99 += double(nearly_all(journey.us)) / double(nearly_all(best));
            ldh += *std::max_element(journey.hops.begin(), journey.hops.end());
        }
        const auto many = double(journeys_.size());
        const auto deliveries = many * double(net_.size() - 1);
        params_ = {{"nodes", mesh_.nodes},
                   {"writers", mesh_.writers},
                   {"changesets", journeys_.size()},
                   {"links_each", 6},
                   {"delay_ms", "10-100"},
                   {"pause_ms", mesh_.pause_us / 1000},
                   {"not_reached", lacking},
                   {"loss_permille", mesh_.loss_permille},
                   {"flaps_percent_a_minute", mesh_.flaps_per_minute}};
        const bool held = scheme_.name == "first inherits";
        const auto at_most = [&](double limit) {
            return held ? std::optional(Target{Target::Of::value, Target::Is::at_most, limit}) : std::nullopt;
        };
        const auto received = double(after.changesets_received - before.changesets_received);
        line("rmr", received / deliveries - 1, "copies", at_most(0.1));
        line("last", last / many, "ratio", at_most(1.3));
        line("last, firsts", last_first / double(std::max<std::size_t>(firsts, 1)), "ratio", {});
        line("p99", p99 / many, "ratio", at_most(1.3));
        line("ldh", ldh / many, "links", at_most(15));
        line("control", double(after.control_bytes_sent - before.control_bytes_sent) / many / double(net_.size()), "B",
             at_most(16));
        line("pulls", double(after.pulls - before.pulls) / many / double(net_.size()), "a changeset and node", {});
        line("dependencies", median(deps_), "median", {});
        line("frame of changesets", median(frame_bytes_), "B, median", at_most(200));
        line("heap, grown", heap / double(net_.size()), "B a node", {});
    }
    void line(const std::string& metric, double value, const std::string& unit, std::optional<Target> target) {
        print({"spread", mesh_.name + ", " + scheme_.name, metric, value, unit, {}, target, params_});
    }

    Mesh mesh_;
    Scheme scheme_;
    SpreadNet net_;
    std::map<std::pair<crdt::ReplicaId, crdt::Seq>, Journey> journeys_;
    std::vector<std::size_t> deps_, frame_bytes_;
    nlohmann::json params_;
};

void all_schemes(const Mesh& mesh) {
    for (const auto& scheme : schemes) Run(mesh, scheme).measure();
}
void ours(const Mesh& mesh) {
    Run(mesh, schemes[2]).measure();
}

void hundred(const Options& options) {
    all_schemes({"100 nodes, all write", 100, 100, options.quick ? 10U : 30U, 4'000'000});
}
void three_hundred(const Options&) {
    all_schemes({"300 nodes, 100 write", 300, 100, 30, 4'000'000});
}
void thousand(const Options&) {
    ours({"1,000 nodes, 100 write", 1'000, 100, 30, 4'000'000});
}
void flapping(const Options& options) {
    ours({"100 nodes, 1 % of links flap a minute", 100, 100, options.quick ? 10U : 30U, 4'000'000, 0, 1});
}
void lossy(const Options& options) {
    ours({"100 nodes, 1 % of frames late", 100, 100, options.quick ? 10U : 30U, 4'000'000, 10});
}
void crowd(const Options& options) {
    ours({"1,000 writers of 1,000 nodes", 1'000, 1'000, options.quick ? 3U : 5U, 5'000'000});
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(argc, argv,
                     {{"hundred", hundred},
                      {"flapping", flapping},
                      {"lossy", lossy},
                      {"three-hundred", three_hundred, true},
                      {"thousand", thousand, true},
                      {"crowd", crowd, true}});
}
