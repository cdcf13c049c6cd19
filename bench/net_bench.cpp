// The suite `net`: nodes over loopback beside raw CURVE sockets in the same run (net_raw.hpp), in turns. Wall time,
// since several threads work at once; both sides of each pair share the machine's cores alike. Data is in memory.
#include <algorithm>
#include <atomic>

#include <starling/starling.hpp>

#include "bench/directory.hpp"
#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "bench/net_raw.hpp"
#include "net/identity.hpp"
#include "net/signing.hpp"

namespace starling::bench {
namespace {

using namespace std::chrono_literals;
constexpr auto patience = 120s;
constexpr std::size_t fields = 5'000;  // of a map, written in turn

starling::Options quiet(std::chrono::microseconds flush_window = 2'000us) {
    starling::Options options;
    options.listen_address = "127.0.0.1";
    options.discovery = false;
    options.flush_window = flush_window;
    return options;
}

Node joined_to(const Node& other, std::chrono::microseconds flush_window = 2'000us) {
    auto options = quiet(flush_window);
    options.mesh = other.join_code();
    return Node::open(options);
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void print_paired(const std::string& subject, const std::string& metric, double value, const std::string& unit,
                  const Baseline& baseline, std::optional<Target> target, nlohmann::json params = {}) {
    print(Figure{"net", subject, metric, value, unit, baseline, target, std::move(params)});
}

/// Writes `count` transactions of `puts` values, and waits for the other node, never more than `ahead` in front of it.
double seconds_to_carry(const Node& from, const Node& to, std::size_t count, std::size_t puts,
                        std::size_t value_bytes) {
    const auto map = from.map<std::string, std::string>("m");
    const std::size_t ahead = std::max<std::size_t>(1, (1 << 20) / (puts * value_bytes));
    std::string value(value_bytes, 'v');
    static std::size_t field = 0;
    Version behind, latest;
    const auto begin = WallClock::now();
    for (std::size_t i = 0; i < count; ++i) {
        latest = from.transact([&](Tx& tx) {
                         for (std::size_t p = 0; p < puts; ++p) {
                             value[p % value_bytes] = char('a' + i % 26);
                             tx.put(map, std::to_string(field++ % fields), value);
                         }
                     })
                     .version();
        if (i % ahead == ahead - 1)
            STARLING_ASSERT(to.wait_until(std::exchange(behind, latest), patience), "it arrives");
    }
    STARLING_ASSERT(to.wait_until(latest, patience), "it arrives");
    return seconds_since(begin);
}

/// Changesets of one size, a transaction each, beside raw messages of that size.
void carry(const Options& options, std::size_t frame_bytes, double at_least) {
    const std::size_t total = (options.quick ? 16U : 64U) << 20;
    const std::size_t count = total / frame_bytes, puts = frame_bytes > 4096 ? 64 : 1;
    std::vector<double> ours, raw;
    double ours_cpu = 0, raw_cpu = 0;  // nanoseconds a byte, of all threads, in the last turn
    const Node a = Node::open(quiet(0us));
    const Node b = joined_to(a, 0us);
    STARLING_ASSERT(a.wait_synced(patience), "two nodes link");
    RawPair pair;
    const auto value_bytes = frame_bytes / puts - 16;
    (void)seconds_to_carry(a, b, (128 << 20) / frame_bytes, puts,
                           value_bytes);  // the logs are full: memory is used again
    for (int i = 0; i < (options.quick ? 2 : 5); ++i) {
        const auto ours_bytes = double(count * puts * value_bytes), raw_bytes = double(count * frame_bytes);
        const auto before = process_cpu_seconds();
        ours.push_back(ours_bytes / seconds_to_carry(a, b, count, puts, value_bytes) / 1e6);
        const auto between = process_cpu_seconds();
        raw.push_back(raw_bytes / pair.transfer(count, frame_bytes) / 1e6);
        ours_cpu = (between - before) / ours_bytes * 1e9;
        raw_cpu = (process_cpu_seconds() - between) / raw_bytes * 1e9;
    }
    const auto counters = a.status().counters;
    print_paired("changesets of " + std::to_string(frame_bytes / 1024) + " KiB, one node to another", "values carried",
                 median(ours), "MB/s", {"raw CURVE", median(raw)},
                 Target{Target::Of::ratio, Target::Is::at_least, at_least},
                 {{"changesets_sent", counters.changesets_sent},
                  {"control_bytes", counters.control_bytes_sent},
                  {"cpu_ns_a_byte", ours_cpu},
                  {"raw_cpu_ns_a_byte", raw_cpu}});
}
void carry_64k(const Options& options) {
    carry(options, 64 * 1024, 0.8);
}
void carry_1k(const Options& options) {
    carry(options, 1024, 0.6);
}

/// A write until the other node's watcher is called.
std::vector<double> seconds_to_visible(const Node& from, const Node& to, std::size_t count) {
    std::atomic<std::size_t> seen = 0;
    const auto watching = to.watch("m", [&](const Changes&) {
        ++seen;
        seen.notify_all();
    });
    const auto map = from.map<std::string, std::string>("m");
    std::vector<double> seconds;
    for (std::size_t i = 0; i < count; ++i) {
        const auto begin = WallClock::now();
        map.put("field", std::string(1000, char('a' + i % 26)));
        for (auto now = seen.load(); now <= i; now = seen.load()) seen.wait(now);
        seconds.push_back(seconds_since(begin));
    }
    return seconds;
}

/// What a seal costs between a write and its sight: a signature and its verification.
double seconds_to_sign_and_verify(std::size_t count) {
    const auto identity = net::Identity::generate();
    const std::string text(200, 't');  // about as long as what a seal signs
    return seconds_of([&] {
               for (std::size_t i = 0; i < count; ++i) {
                   const auto signature = identity.sign(text);
                   STARLING_ASSERT(net::verify(identity.node_key(), text, signature), "it is signed");
               }
           }) /
           double(count);
}

void visible(const Options& options, const std::string& how, starling::Options of_a, starling::Options of_b,
             std::optional<Target> target) {
    const std::size_t count = options.quick ? 300 : 2'000;
    const Node a = Node::open(of_a);
    of_b.mesh = a.join_code();
    const Node b = Node::open(of_b);
    STARLING_ASSERT(a.wait_synced(patience), "two nodes link");
    RawPair pair;
    std::vector<double> ours;
    double trips = 0;
    for (int i = 0; i < 5; ++i) {
        for (const auto seconds : seconds_to_visible(a, b, count / 5)) ours.push_back(seconds);
        trips += pair.echo(count / 5, 1024);
    }
    const Baseline trip{"round trip of raw CURVE", trips / double(count) * 1e6};
    const auto sealing = seconds_to_sign_and_verify(count / 5) * 1e6;
    std::sort(ours.begin(), ours.end());
    const auto p50 = ours[ours.size() / 2] * 1e6;
    const auto subject = "a write of 1 KiB until it is visible, " + how;
    print_paired(subject, "p50", p50, "us", trip, {},
                 {{"p99_us", ours[ours.size() * 99 / 100] * 1e6}, {"sign_and_verify_us", sealing}});
    if (target) print_paired(subject, "p50 less a signature and its verification", p50 - sealing, "us", trip, target);
}
void visible_in_memory(const Options& options) {
    visible(options, "in memory", quiet(0us), quiet(0us), Target{Target::Of::ratio, Target::Is::at_most, 1.5});
    visible(options, "in memory, flush window 2000 us", quiet(), quiet(), {});
}
void visible_durable(const Options& options) {
    const Directory directory;
    auto of_a = quiet(0us), of_b = quiet(0us);
    of_a.dir = directory.path / "a";
    of_b.dir = directory.path / "b";
    visible(options, "durable before it leaves", of_a, of_b, {});
}

/// 100,000 writes that the other node has never seen, once the two link.
void offline(const Options& options) {
    const std::size_t writes = options.quick ? 20'000 : 100'000;
    std::vector<double> ours, raw;
    std::uint64_t bytes = 0;
    for (int run = 0; run < (options.quick ? 1 : 3); ++run) {
        const Node a = Node::open(quiet());
        const auto map = a.map<std::string, std::int64_t>("m");
        for (std::size_t i = 0; i < writes; ++i) map.put("field " + std::to_string(i), std::int64_t(i));
        a.flush();
        const auto begin = WallClock::now();
        const Node b = joined_to(a);
        STARLING_ASSERT(b.wait_until(a.version(), patience), "it catches up");
        ours.push_back(seconds_since(begin));
        bytes = a.status().counters.bytes_sent;
        RawPair pair;
        raw.push_back(pair.transfer(bytes / (64 * 1024) + 1, 64 * 1024));
    }
    print_paired(std::to_string(writes / 1000) + "k writes made offline", "in step after", median(ours) * 1e3, "ms",
                 {"raw CURVE, the same bytes", median(raw) * 1e3}, {}, {{"bytes", bytes}});
}

void rest(const Options& options) {
    const auto seconds = options.quick ? 6s : 20s;
    for (const std::size_t many : {2U, 5U}) {
        std::vector<Node> nodes;
        nodes.push_back(Node::open(quiet()));
        while (nodes.size() < many) nodes.push_back(joined_to(nodes[0]));
        for (const auto& node : nodes) STARLING_ASSERT(node.wait_synced(patience), "the nodes link");
        std::this_thread::sleep_for(3s);
        const auto sum = [&] {
            std::uint64_t bytes = 0;
            for (const auto& node : nodes) {
                for (const auto& peer : node.peers()) bytes += peer.bytes_out;
            }
            return bytes;
        };
        const auto before = sum();
        std::this_thread::sleep_for(seconds);
        const auto each = double(sum() - before) / double(many) / double(seconds.count());
        print(Figure{"net", std::to_string(many) + " nodes at rest", "sent", each, "B/s/node", {}, {}, {}});
    }
}

/// What a node holds for each link: the other ends are processes of their own.
void memory(const Options& options) {
    const std::size_t links = options.quick ? 8 : 14;  // beyond 20 nodes not all are linked with the hub
    const Node hub = Node::open(quiet());
    hub.counter("c").add(1);
    std::vector<pid_t> children;
    std::array<std::size_t, 2> resident{};
    const auto code = hub.join_code();
    std::array<int, 2> ends{};
    STARLING_ASSERT(pipe(ends.data()) == 0, "there are descriptors left");
    // The first few links make what all share.
    for (std::size_t i = 0; i < links + 4; ++i) {
        if (i == 4) resident[0] = resident_bytes();
        const auto child = fork();
        STARLING_ASSERT(child >= 0, "a process can be made");
        if (child == 0) {
            close(ends[1]);
            execl("/proc/self/exe", "net-bench", "--leaf", code.c_str(), std::to_string(ends[0]).c_str(), nullptr);
            _exit(1);
        }
        children.push_back(child);
        const auto until = WallClock::now() + patience;
        while (hub.peers().size() < i + 1 && WallClock::now() < until) std::this_thread::sleep_for(10ms);
        STARLING_ASSERT(hub.peers().size() >= i + 1, "a leaf links");
        std::this_thread::sleep_for(200ms);
    }
    resident[1] = resident_bytes();
    close(ends[1]);
    for (const auto child : children) waitpid(child, nullptr, 0);
    print(Figure{"net",
                 "memory of a link",
                 "resident",
                 double(resident[1] - resident[0]) / double(links) / 1024,
                 "KiB",
                 {},
                 {},
                 {{"links", links}}});
}

/// A node that only links, until its end of the pipe is closed.
int leaf(const char* code, const char* end) {
    auto options = quiet();
    options.mesh = code;
    const Node node = Node::open(options);
    char nothing = 0;
    return read(std::stoi(end), &nothing, 1) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    if (argc == 4 && std::string_view(argv[1]) == "--leaf") return leaf(argv[2], argv[3]);
    return run_parts(argc, argv,
                     {{"carry-64k", carry_64k},
                      {"carry-1k", carry_1k},
                      {"visible", visible_in_memory},
                      {"visible-durable", visible_durable},
                      {"offline", offline},
                      {"rest", rest},
                      {"memory", memory}});
}
