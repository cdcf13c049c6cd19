#include <malloc.h>

#include <starling/starling.hpp>

#include "bench/store_bench.hpp"

namespace starling::bench {
namespace {

constexpr std::size_t batch_events = 64;

starling::Options alone(const fs::path& path) {
    return {.dir = path, .listen_address = "127.0.0.1", .discovery = false};
}

Figure events_figure(const std::string& what, double rate) {
    return {"store", "events: " + what, "rate", rate, "1/s", {}, {}, {}};
}

}  // namespace

/// Events in batches, each of them durable before the next; then all of them from the beginning.
void events_1m(const bench::Options& options) {
    const std::size_t events = options.quick ? 100'000 : 1'000'000;
    const Directory directory;
    const auto rss_before = resident_bytes();
    const std::string text(value_bytes - 3, 'e');
    const std::vector<std::string> batch(batch_events, text);
    {
        const auto node = Node::open(alone(directory.path / "node"));
        const auto journal = node.journal<std::string>("log");
        auto began = wall_seconds();
        Commit last;
        for (std::size_t i = 0; i < events; i += batch_events) last = journal.append_all(batch);
        last.durable();
        auto append =
            events_figure("append, batches of 64, durable at the end", double(events) / (wall_seconds() - began));
        ::malloc_trim(0);
        append.params = {{"events", events},
                         {"rss_bytes_per_event", double(resident_bytes() - rss_before) / double(events)},
                         {"file_bytes_per_event", double(node.status().store->file_bytes) / double(events)}};
        print(append);

        began = wall_seconds();
        std::size_t replayed = 0, bytes = 0;
        node.events<std::string>("log").replay([&](const auto& event) {
            ++replayed;
            bytes += event.value.size();
        });
        STARLING_ASSERT(replayed >= events && bytes == replayed * text.size(), "all events come");
        auto replay = events_figure("replay from memory", double(replayed) / (wall_seconds() - began));
        replay.target = Target{Target::Of::value, Target::Is::at_least, 1e6};
        replay.params = {{"events", replayed}};
        print(replay);
    }
    const auto began = wall_seconds();
    const auto node = Node::open(alone(directory.path / "node"));
    auto open = events_figure("read back when a node opens", double(events) / (wall_seconds() - began));
    open.params = {{"seconds", wall_seconds() - began}};
    print(open);
}

/// One event at a time, each durable before the next: what a command handler does.
void events_each(const bench::Options& options) {
    const Directory directory;
    const auto node = Node::open(alone(directory.path / "node"));
    const auto journal = node.journal<std::string>("log");
    const std::string text(value_bytes - 3, 'e');
    const double seconds = options.quick ? 0.5 : 3;
    const auto began = wall_seconds();
    std::size_t events = 0;
    for (; wall_seconds() < began + seconds; ++events) journal.append(text).durable();
    print(events_figure("append, each durable", double(events) / (wall_seconds() - began)));
}

}  // namespace starling::bench
