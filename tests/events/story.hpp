// Three peers that append to a few journals, are parted and meet again; and the feed as somebody would write it who has
// all the time in the world.
#pragma once

#include <algorithm>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include <doctest/doctest.h>

#include "crdt/feed.hpp"
#include "tests/gossip/fixture.hpp"

namespace starling::testing {

/// An entry as the twin knows it.
struct Told {
    Depth depth = 0;
    Dot dot;
    Slot slot;
    Bytes value;
    auto place() const { return std::tie(depth, dot.replica, dot.seq); }
    bool operator==(const Told&) const = default;
};

inline Told told(const Entry& entry) {
    return {entry.depth, entry.dot(), Slot(entry.slot()), Bytes(entry.value())};
}
inline std::vector<Told> told(const std::vector<const Entry*>& entries) {
    std::vector<Told> list;
    for (const auto* entry : entries) list.push_back(told(*entry));
    return list;
}

inline bool in_feed(const FeedQuery& query, const Slot& slot) {
    return slot.type == Type::journal && (query.prefix ? slot.key.starts_with(query.key) : slot.key == query.key);
}

/// All that a feed may show, in order. The window must be closed. O(n²).
inline std::vector<Told> naive_feed(const State& state, const FeedQuery& query) {
    std::vector<Told> all;
    state.each_live([&](const Dot& dot, const LooseEntry& entry) {
        if (in_feed(query, entry.slot)) all.push_back({entry.depth, dot, entry.slot, entry.value});
    });
    std::ranges::sort(all, [](const Told& a, const Told& b) { return a.place() < b.place(); });
    std::vector<Told> shown;
    for (const auto& one : all) {
        if (covers(query.from, one.dot)) continue;
        const auto copy = [&](const Told& other) {
            return one.slot.field != packed_nil() && other.slot == one.slot && other.dot.replica != one.dot.replica;
        };
        const bool later_copy =
            std::ranges::any_of(all, [&](const Told& other) { return copy(other) && other.place() < one.place(); });
        const bool read_copy = query.unseen_copies && std::ranges::any_of(all, [&](const Told& other) {
                                   return copy(other) && covers(query.from, other.dot);
                               });
        if (!later_copy && !read_copy) shown.push_back(one);
    }
    return shown;
}

class Story {
  public:
    static constexpr std::size_t peers = 3;

    /// Every other story has logs so short that peers compare their states.
    explicit Story(std::uint64_t seed) : mesh(peers, limits(seed)), random(seed) { mesh.link_all(); }

    std::size_t pick(std::size_t count) { return std::size_t(random() % count); }

    /// Something happens: an append, another write, a cut or a link, or time goes by.
    void go_on() {
        const auto i = pick(peers);
        switch (pick(10)) {
            case 0:  // alone for a while
                mesh.unlink(i, (i + 1) % peers);
                mesh.unlink(i, (i + 2) % peers);
                break;
            case 1:
                mesh.unlink(i, (i + 1) % peers);  // no link comes up twice
                mesh.link(i, (i + 1) % peers);
                break;
            case 2:
            case 3:
                mesh.run(1'000 * (1 + pick(20)));
                break;
            case 4:
                REQUIRE(bool(mesh.write(i, put("elsewhere", std::int64_t(pick(100))))));
                break;
            default:
                append(i);
        }
    }
    /// What a node does before it reads.
    void settle(std::size_t i) {
        mesh[i].settle(mesh.now());
        mesh.handle(i, gossip::Written{});
    }
    void meet() {
        for (std::size_t i = 0; i < peers; ++i) mesh.unlink(i, (i + 1) % peers);
        mesh.link_all();
        mesh.run(20'000'000);
        REQUIRE(mesh.equal());
    }
    Bytes journal() { return "orders/" + std::to_string(pick(3)); }

    Mesh mesh;
    std::mt19937_64 random;
    std::size_t refused = 0;  ///< appends whose key was known

  private:
    static gossip::Limits limits(std::uint64_t seed) {
        gossip::Limits limits;
        if (seed % 2 == 0) limits.log_bytes_max = 300;
        return limits;
    }
    void append(std::size_t i) {
        const auto key = pick(8) == 0 ? Bytes("other") : journal();
        std::vector<Bytes> values;
        for (auto left = 1 + pick(4); left > 0; --left) values.push_back(pack_int(std::int64_t(++written_)));
        bool appended = true;
        REQUIRE(bool(mesh.write(i, [&](Transaction& tx) {
            if (pick(2) == 0) {
                appended = Journal::append_once(tx, key, pack_str("command-" + std::to_string(pick(12))), values);
            } else {
                for (const auto& value : values) Journal::append(tx, key, value);
            }
        })));
        if (!appended) ++refused;
    }

    std::size_t written_ = 0;
};

}  // namespace starling::testing
