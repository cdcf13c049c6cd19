// What old lives take on links: the bytes until two nodes know in what they differ and until they are level, where
// neither remembers the other, and what an engine keeps of them.
#include <deque>
#include <memory>

#include "bench/figure.hpp"
#include "bench/lives.hpp"
#include "bench/measure.hpp"
#include "crdt/state_builder.hpp"
#include "gossip/engine.hpp"
#include "gossip/wire.hpp"

namespace starling::bench {
namespace {

using namespace crdt;
using namespace gossip;

constexpr std::size_t links_many = 8;
constexpr double life_bytes_most = 24, hash_bytes_most = 32;
constexpr std::uint64_t hop_us = 100, meeting_us_max = 60'000'000;

std::size_t nodes_of(const Options& options) {
    return options.quick ? 50 : 1'000;
}
std::size_t lives_of(const Options& options) {
    return nodes_of(options) * lives_of_each;
}

/// `lacks(number)` says which lives are not there.
template <class Lacks>
void live(Replica& replica, std::size_t nodes, Lacks lacks) {
    StateBuilder builder(replica);
    for (std::size_t number = 0; number < nodes * lives_of_each; ++number) {
        if (lacks(number)) continue;
        const auto lived = life_of(number / lives_of_each, number % lives_of_each, lives_of_each);
        STARLING_ASSERT(bool(builder.line(lived.id, lived.seen, lived.last_stamp, 0)), "a life is lived once");
    }
}

class End {
  public:
    explicit End(std::uint8_t name) : key_{name}, random_(name) {}
    Replica replica{0};
    std::unique_ptr<Engine> engine;
    void start() {
        engine =
            std::make_unique<Engine>(replica, clock_, EngineOptions{key_, {}, {}, [this] { return mixed(++random_); }});
    }
    const NodeKey& key() const { return key_; }

  private:
    NodeKey key_;
    Clock clock_;
    std::uint64_t random_;
};

/// Two nodes on a link whose frames take `hop_us`.
class Meeting {
  public:
    Meeting() { ends.at(0) = std::make_unique<End>(1), ends.at(1) = std::make_unique<End>(2); }
    std::array<std::unique_ptr<End>, 2> ends;
    std::size_t bytes = 0, frames = 0, largest = 0;

    /// Until both say that they are in step.
    void run() {
        for (std::size_t end = 0; end < ends.size(); ++end) ends.at(end)->start();
        for (std::size_t end = 0; end < ends.size(); ++end) handle(end, LinkUp{ends.at(1 - end)->key()});
        while (!frames_.empty() || !in_step()) {
            STARLING_ASSERT(now_us_ < meeting_us_max, "nodes that meet come to be in step");
            if (frames_.empty()) {
                now_us_ = std::max(now_us_ + 1, std::min(wake_us_[0], wake_us_[1]));
            } else {
                auto [to, frame] = std::move(frames_.front());
                frames_.pop_front();
                now_us_ += hop_us;
                handle(to, Received{ends.at(1 - to)->key(), std::move(frame)});
            }
            for (std::size_t end = 0; end < ends.size(); ++end) {
                if (wake_us_.at(end) <= now_us_) handle(end, Tick{});
            }
        }
    }

  private:
    bool in_step() const { return ends[0]->engine->synced() && ends[1]->engine->synced(); }
    void handle(std::size_t end, const Input& input) {
        auto effects = ends.at(end)->engine->handle(input, {now_us_, now_us_});
        wake_us_.at(end) = effects.wake_us.value_or(UINT64_MAX);
        for (auto& send : effects.sends) {
            bytes += send.bytes.size();
            largest = std::max(largest, send.bytes.size());
            ++frames;
            frames_.emplace_back(1 - end, std::move(send.bytes));
        }
    }

    std::deque<std::pair<std::size_t, Bytes>> frames_;
    std::array<std::uint64_t, 2> wake_us_{};
    std::uint64_t now_us_ = 1'000'000;
};

void kept(const Options& options) {
    const auto lives = lives_of(options);
    const auto [state, engine, links] = in_fresh_process<3>([&] {
        End end(1);
        const auto empty = allocated_bytes();
        live(end.replica, nodes_of(options), [](auto) { return false; });
        const auto filled = allocated_bytes();
        end.start();
        const auto started = allocated_bytes();
        const auto& state = end.replica.state();
        for (std::size_t link = 0; link < links_many; ++link) {
            const NodeKey peer{std::uint8_t(link + 2)};
            RefSender refs;
            const Digest same{1, {}, {}, Summary{state.version_hash(), state.fingerprint(), 0, {7, 8}}};
            end.engine->handle(LinkUp{peer}, {1, 1});
            end.engine->handle(Received{peer, encode(0, same, refs)}, {1, 1});
        }
        STARLING_ASSERT(end.engine->synced(), "all links hold the same");
        return std::array{double(filled - empty), double(started - filled), double(allocated_bytes() - started)};
    });
    Figure figure{"lives", std::to_string(lives) + " lives in memory, with eight links",
                  "size",  (state + engine + links) / double(lives),
                  "B",     {},
                  {},      {}};
    figure.target = Target{Target::Of::value, Target::Is::at_most, life_bytes_most};
    figure.params = {{"state_bytes_a_life", state / double(lives)},
                     {"engine_bytes_a_life", engine / double(lives)},
                     {"links_bytes_a_life", links / double(lives)}};
    print(figure);
}

/// Every life is known to one of them at least; `differ` of them, spread evenly, to one only.
void meet(const Options& options, std::size_t differ) {
    const auto lives = lives_of(options), each = lives / std::max<std::size_t>(1, differ);
    Meeting meeting;
    for (std::size_t end = 0; end < 2; ++end) {
        live(meeting.ends.at(end)->replica, nodes_of(options), [&](std::size_t number) {
            return number % each == each / 2 && number / each < differ && (number / each + end) % 2 == 0;
        });
    }
    const auto seconds = seconds_of([&] { meeting.run(); });
    Figure figure{"lives", std::to_string(differ) + " of " + std::to_string(lives) + " lives differ, until level",
                  "size",  double(meeting.bytes),
                  "B",     {},
                  {},      {}};
    figure.params = {{"frames", meeting.frames}, {"largest_frame_bytes", meeting.largest}, {"cpu_s", seconds}};
    if (differ == 0) {
        figure.value = double(meeting.bytes) / 2;
        figure.subject = std::to_string(lives) + " equal lives, each way";
        figure.target = Target{Target::Of::value, Target::Is::at_most, hash_bytes_most};
    }
    print(figure);
}
template <std::size_t differ>
void meet_differing(const Options& options) {
    meet(options, differ);
}

void meet_empty(const Options& options) {
    Meeting meeting;
    live(meeting.ends[0]->replica, nodes_of(options), [](auto) { return false; });
    const auto seconds = seconds_of([&] { meeting.run(); });
    Figure figure{"lives", std::to_string(lives_of(options)) + " lives for an empty node",
                  "size",  double(meeting.bytes),
                  "B",     {},
                  {},      {}};
    figure.params = {{"bytes_a_life", double(meeting.bytes) / double(lives_of(options))},
                     {"frames", meeting.frames},
                     {"largest_frame_bytes", meeting.largest},
                     {"cpu_s", seconds}};
    print(figure);
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(argc, argv,
                     {{"kept", kept},
                      {"equal", meet_differing<0>},
                      {"differ-1", meet_differing<1>},
                      {"differ-10", meet_differing<10>},
                      {"differ-1000", meet_differing<1'000>},
                      {"empty", meet_empty}});
}
