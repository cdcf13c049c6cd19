// What a death costs. A holder is killed right after it took the lock, and another waits for it: how long since the
// last renewal, in times to live. A voter is killed while one client changes a register without a pause: the longest
// time between two changes. Of etcd the member that leads is killed, since another is missed by nobody; its holder's
// lease is not kept alive any more. Each death needs voters of its own.
#include "bench/agree_failover.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "bench/agree_etcd.hpp"
#include "bench/agree_ours.hpp"
#include "bench/figure.hpp"

namespace starling::bench {
namespace {

using namespace std::chrono_literals;
using WallClock = std::chrono::steady_clock;

constexpr int ttl_s = 2;  // the least that etcd takes
constexpr auto before_death = 500ms;
constexpr auto after_death = 4s;
constexpr auto answer_within = 1s;  // of a change; then it is asked for again
constexpr std::size_t deaths = 5;

double ms_since(WallClock::time_point begin) {
    return std::chrono::duration<double, std::milli>(WallClock::now() - begin).count();
}

/// Since the holder had the lock, until another has.
double ours_takes_over(const Ours& ours, Away& holder) {
    holder.lock("press", std::chrono::seconds(ttl_s));
    const auto begin = WallClock::now();
    holder.kill();
    const auto lock = ours.node(0).lock("press", std::chrono::seconds(ttl_s));
    return ms_since(begin);
}

double etcd_takes_over(const EtcdCluster& etcd) {
    EtcdClient holder(etcd.port(0)), next(etcd.port(1));
    const auto lease = next.grant(10 * ttl_s);
    const auto begin = WallClock::now();
    holder.lock("press", holder.grant(ttl_s));
    next.lock("press", lease);
    return ms_since(begin);
}

/// The longest time between two changes, with a death in between.
template <class Change, class Death>
double longest_stall(Change change, Death death) {
    const auto begin = WallClock::now();
    auto last = begin;
    double longest = 0;
    std::jthread killer([&] {
        std::this_thread::sleep_for(before_death);
        death();
    });
    while (WallClock::now() - begin < before_death + after_death) {
        if (!change()) continue;
        longest = std::max(longest, ms_since(last));
        last = WallClock::now();
    }
    return std::max(longest, ms_since(last));
}

double ours_stalls(const Ours& ours, Away& voter) {
    const auto mine = ours.node(0).agreed<int>("r");
    ChangeId id;
    const auto change = [&] {
        std::error_code error;
        mine.change([](std::optional<int> n) { return n.value_or(0) + 1; }, answer_within, id, error);
        if (!error) id = {};  // the next is another change
        return !error;
    };
    return longest_stall(change, [&] { voter.kill(); });
}

double etcd_stalls(EtcdCluster& etcd) {
    std::size_t leader = 0;
    while (!EtcdClient(etcd.port(leader)).leads()) leader = (leader + 1) % agree_voters;
    const auto port = etcd.port((leader + 1) % agree_voters);
    auto client = std::make_unique<EtcdClient>(port, answer_within);
    int n = 0;
    const auto change = [&] {
        if (client->try_put("r", std::to_string(++n))) return true;
        client = std::make_unique<EtcdClient>(port, answer_within);
        return false;
    };
    return longest_stall(change, [&] { etcd.kill(leader); });
}

void say(const std::string& subject, const std::string& metric, const std::string& unit, double divided,
         std::vector<double> ours, std::vector<double> etcd) {
    const auto middle = [&](std::vector<double>& values) {
        std::sort(values.begin(), values.end());
        return values[values.size() / 2] / divided;
    };
    Figure figure{"agree", subject, metric, middle(ours), unit, {}, {}, {}};
    if (!etcd.empty()) figure.baseline = Baseline{"etcd", middle(etcd)};
    figure.params = {{"runs", ours.size()}, {"least", ours.front() / divided}, {"most", ours.back() / divided}};
    figure.params["ttl_s"] = ttl_s;
    if (!etcd.empty()) figure.params["etcd_most"] = etcd.back() / divided;
    print(figure);
}

}  // namespace

void failover(const Options& options) {
    const std::size_t runs = options.quick ? 1 : deaths;
    const Directory scratch;
    std::vector<std::unique_ptr<Away>> holders, voters;
    for (std::size_t run = 0; run < runs; ++run) {
        const auto directory = scratch.path / std::to_string(run);
        std::filesystem::create_directory(directory);
        holders.push_back(std::make_unique<Away>(directory / "holder"));
        voters.push_back(std::make_unique<Away>(directory / "voter"));
    }
    std::vector<double> taken[2], stalled[2];
    for (std::size_t run = 0; run < runs; ++run) {
        const auto directory = scratch.path / std::to_string(run);
        {
            const Ours ours(directory, voters[run].get(), holders[run].get());
            taken[0].push_back(ours_takes_over(ours, *holders[run]));
            stalled[0].push_back(ours_stalls(ours, *voters[run]));
        }
        if (const auto etcd = EtcdCluster::start(directory)) {
            taken[1].push_back(etcd_takes_over(*etcd));
            stalled[1].push_back(etcd_stalls(*etcd));
        }
    }
    say("lock of a dead holder, taken over", "since its last renewal", "times to live", 1e3 * ttl_s, taken[0],
        taken[1]);
    say("changes when a voter dies (etcd: its leader)", "longest stall", "ms", 1, stalled[0], stalled[1]);
}

}  // namespace starling::bench
