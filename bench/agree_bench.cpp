// The suite `agree`: locks and registers that three voters decide on, beside three etcd members, on loopback and
// durable on both sides, in turns. Our voters are nodes of one process with a directory each, as are the clients, which
// call in; etcd's clients are threads with a connection each. Without etcd (Debian: etcd-server) ours alone.
#include <algorithm>
#include <chrono>
#include <thread>

#include <starling/starling.hpp>

#include "bench/agree_etcd.hpp"
#include "bench/agree_failover.hpp"
#include "bench/agree_ours.hpp"
#include "bench/figure.hpp"
#include "bench/measure.hpp"

namespace starling::bench {
namespace {

using namespace std::chrono_literals;
using WallClock = std::chrono::steady_clock;
constexpr auto patience = agree_patience;
constexpr int lease_s = 30;

double seconds_since(WallClock::time_point begin) {
    return std::chrono::duration<double>(WallClock::now() - begin).count();
}

struct Times {
    std::vector<double> ms;  ///< of each operation
    double seconds = 0;

    double rate() const { return double(ms.size()) / seconds; }
    double at(std::size_t permille) {
        std::sort(ms.begin(), ms.end());
        return ms[std::min(ms.size() - 1, ms.size() * permille / 1000)];
    }
};

/// `clients` threads for so long; `work(client)` makes what a client does, again and again.
template <class Work>
Times measured(std::size_t clients, std::chrono::milliseconds length, Work work) {
    std::vector<Times> each(clients);
    std::vector<std::thread> threads;
    const auto begin = WallClock::now();
    for (std::size_t client = 0; client < clients; ++client) {
        threads.emplace_back([&, client] {
            auto act = work(client);
            while (WallClock::now() - begin < length) {
                const auto before = WallClock::now();
                act();
                each[client].ms.push_back(1e3 * seconds_since(before));
            }
        });
    }
    for (auto& thread : threads) thread.join();
    Times all;
    all.seconds = seconds_since(begin);
    for (auto& times : each) all.ms.insert(all.ms.end(), times.ms.begin(), times.ms.end());
    return all;
}

/// Both in turns, the medians of their runs.
class Pair {
  public:
    Pair() : ours(scratch_.path / "ours"), etcd(EtcdCluster::start(scratch_.path)) {}

    template <class OursWork, class TheirWork>
    void compare(const Options& options, const std::string& subject, std::size_t clients, OursWork our_work,
                 TheirWork their_work, bool with_target) {
        const auto length = options.quick ? 500ms : 3'000ms;
        std::vector<double> rates[2], p50[2], p99[2];
        for (int turn = 0; turn < (options.quick ? 1 : 5); ++turn) {
            take(measured(clients, length, our_work), rates[0], p50[0], p99[0]);
            if (etcd) take(measured(clients, length, their_work), rates[1], p50[1], p99[1]);
        }
        const auto rate_target = Target{Target::Of::ratio, Target::Is::at_least, 1};
        const auto time_target = Target{Target::Of::ratio, Target::Is::at_most, 1};
        say(subject, clients, "rate", "a second", rates, with_target ? std::optional(rate_target) : std::nullopt);
        say(subject, clients, "p50", "ms", p50, with_target ? std::optional(time_target) : std::nullopt);
        say(subject, clients, "p99", "ms", p99, with_target ? std::optional(time_target) : std::nullopt);
    }

  private:
    static void take(Times times, std::vector<double>& rates, std::vector<double>& p50, std::vector<double>& p99) {
        rates.push_back(times.rate());
        p50.push_back(times.at(500));
        p99.push_back(times.at(990));
    }
    static double median(std::vector<double> values) {
        std::sort(values.begin(), values.end());
        return values[values.size() / 2];
    }
    void say(const std::string& subject, std::size_t clients, const std::string& metric, const std::string& unit,
             const std::vector<double> (&values)[2], std::optional<Target> target) const {
        Figure figure{"agree", subject, metric, median(values[0]), unit, {}, {}, {}};
        if (etcd) {
            figure.baseline = Baseline{"etcd", median(values[1])};
            figure.target = target;
        }
        figure.params["clients"] = clients;
        figure.params["runs"] = values[0].size();
        bench::print(figure);
    }

    Directory scratch_;

  public:
    Ours ours;
    std::unique_ptr<EtcdCluster> etcd;
};

/// A lock that nobody else wants, taken and given up. The next taking waits until a majority knows of the giving up.
void locks(const Options& options) {
    Pair pair;
    const auto our_work = [&](std::size_t client) {
        return [node = &pair.ours.node(client), name = "lock-" + std::to_string(client)] {
            auto lock = node->lock(name, 10s);
            STARLING_ASSERT(lock, "a lock that nobody wants can be had");
            lock.release();
        };
    };
    const auto their_work = [&](std::size_t client) {
        auto connection = std::make_shared<EtcdClient>(pair.etcd->port(client));
        return [connection, lease = connection->grant(lease_s), name = "lock-" + std::to_string(client)] {
            connection->unlock(connection->lock(name, lease));
        };
    };
    pair.compare(options, "lock and unlock", 1, our_work, their_work, true);
    pair.compare(options, "lock and unlock, each its own", 16, our_work, their_work, false);
}

/// Each client has a register of its own.
void registers(const Options& options) {
    Pair pair;
    for (const std::size_t clients : {std::size_t{1}, std::size_t{16}, std::size_t{64}}) {
        pair.compare(
            options, "change a register", clients,
            [&](std::size_t client) {
                return [mine = pair.ours.node(client).agreed<int>("r" + std::to_string(client))] {
                    mine.change([](std::optional<int> n) { return n.value_or(0) + 1; }, patience);
                };
            },
            [&](std::size_t client) {
                auto connection = std::make_shared<EtcdClient>(pair.etcd->port(client));
                return [connection, key = "r" + std::to_string(client), n = 0]() mutable {
                    connection->put(key, std::to_string(++n));
                };
            },
            false);
        pair.compare(
            options, "read a register", clients,
            [&](std::size_t client) {
                return
                    [mine = pair.ours.node(client).agreed<int>("r" + std::to_string(client))] { mine.read(patience); };
            },
            [&](std::size_t client) {
                auto connection = std::make_shared<EtcdClient>(pair.etcd->port(client));
                return [connection, key = "r" + std::to_string(client)] { connection->get(key); };
            },
            false);
    }
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(argc, argv, {{"locks", locks}, {"registers", registers}, {"failover", failover}});
}
