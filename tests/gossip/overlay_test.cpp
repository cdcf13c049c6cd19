#include "gossip/overlay.hpp"

#include <algorithm>

#include <doctest/doctest.h>

using namespace starling::crdt;
using namespace starling::gossip;

namespace {

using Kind = OverlayAction::Kind;
constexpr std::uint64_t overlay_second_us = 1'000'000;

NodeKey node(int i) {
    return {std::uint8_t(i / 256 + 1), std::uint8_t(i)};
}
Bytes address(int i) {
    return "10.0.0." + std::to_string(i);
}

/// One overlay, and a test that plays everybody else.
class Table {
  public:
    explicit Table(const OverlayLimits& limits = {})
        : limits(limits), overlay({0}, limits, [this] { return random_ = random_ * 6364136223846793005 + 1; }, now()) {}

    Now now() const { return {now_us_, 1'700'000'000 * overlay_second_us + now_us_}; }
    void wait(std::uint64_t us) {
        for (const auto end_us = now_us_ + us; now_us_ < end_us;) {
            now_us_ = std::clamp(overlay.due_us(), now_us_ + 1, end_us);
            overlay.tick(now());
            collect();
        }
    }
    void hear(int i) { overlay.candidate({node(i), address(i)}, now()), collect(); }
    void up(int i) { overlay.link_up(node(i), address(i), now()), collect(); }
    void down(int i) { overlay.link_down(node(i), now()), collect(); }
    void fail(int i) { overlay.connect_failed(node(i), now()), collect(); }
    void say(int i, const OverlayMessage& message) { overlay.received(node(i), message, now()), collect(); }
    /// The peer dialled and asks.
    std::optional<AskVerdict> ask(int i, AskPurpose purpose, ComponentLabel component = {}) {
        up(i);
        done.clear();
        say(i, Ask{purpose, component});
        for (const auto& action : done) {
            if (action.kind != Kind::say || action.peer != node(i)) continue;
            if (const auto* answer = std::get_if<Answer>(&*action.message)) return answer->verdict;
        }
        return std::nullopt;
    }
    /// Partial views, with so many active links.
    void crowd(int links) {
        for (int i = 1; i <= links; ++i) ask(i, AskPurpose::spare);
        hear(200);
        up(200);
        say(200, Answer{AskVerdict::refused, true, {}});
        wait(1);
        done.clear();
    }

    std::size_t count(Kind kind) const {
        return std::size_t(std::count_if(done.begin(), done.end(), [&](const auto& a) { return a.kind == kind; }));
    }
    bool has(Kind kind, int i) const {
        return std::any_of(done.begin(), done.end(),
                           [&](const auto& a) { return a.kind == kind && a.peer == node(i); });
    }
    template <class Message>
    std::vector<std::pair<NodeKey, Message>> said() const {
        std::vector<std::pair<NodeKey, Message>> all;
        for (const auto& action : done) {
            if (action.kind != Kind::say) continue;
            if (const auto* message = std::get_if<Message>(&*action.message)) all.emplace_back(action.peer, *message);
        }
        return all;
    }

    OverlayLimits limits;
    std::vector<OverlayAction> done;

  private:
    void collect() {
        overlay.check();
        for (auto& action : overlay.take_actions()) done.push_back(std::move(action));
    }
    std::uint64_t now_us_ = 1000 * overlay_second_us;
    std::uint64_t random_ = 1;

  public:
    Overlay overlay;
};

}  // namespace

TEST_CASE("who is heard of is dialled, asked, and active once it accepts") {
    Table table;
    table.hear(1);
    REQUIRE(table.has(Kind::connect, 1));
    CHECK(table.done.back().address == address(1));
    table.up(1);
    CHECK(table.said<Ask>().size() == 1);
    CHECK(table.said<Ask>()[0].second.purpose == AskPurpose::join);
    CHECK_FALSE(table.overlay.active(node(1)));
    table.say(1, Answer{});
    CHECK(table.overlay.active(node(1)));
    CHECK(table.has(Kind::activate, 1));
    table.down(1);
    CHECK(table.has(Kind::deactivate, 1));
    CHECK_FALSE(table.overlay.active(node(1)));
    CHECK(table.overlay.book().find(node(1)) != nullptr);
}

TEST_CASE("who asks is told before the link carries data") {
    Table table;
    CHECK(table.ask(1, AskPurpose::join) == AskVerdict::accepted);
    const auto answer =
        std::find_if(table.done.begin(), table.done.end(), [](const auto& a) { return a.kind == Kind::say; });
    const auto active =
        std::find_if(table.done.begin(), table.done.end(), [](const auto& a) { return a.kind == Kind::activate; });
    CHECK(answer < active);
    // The answer was lost, and the peer asks again.
    table.done.clear();
    table.say(1, Ask{});
    CHECK(table.said<Answer>().size() == 1);
    CHECK(table.count(Kind::activate) == 0);
}

TEST_CASE("a question without an answer is repeated once, then the link is closed") {
    Table table;
    table.hear(1);
    table.up(1);
    table.wait(table.limits.answer_us_max);
    CHECK(table.said<Ask>().size() == 2);
    table.wait(table.limits.answer_us_max);
    CHECK(table.has(Kind::disconnect, 1));
    CHECK(table.overlay.book().find(node(1))->failures == 1);
}

TEST_CASE("a link that nobody asks for is closed, and so many are too many") {
    Table table;
    for (int i = 1; i <= int(table.limits.idle_links_max) + 1; ++i) table.up(i);
    CHECK(table.count(Kind::disconnect) == 1);
    table.wait(table.limits.ask_wait_us_max);
    CHECK(table.count(Kind::disconnect) == table.limits.idle_links_max + 1);
}

TEST_CASE("a full view takes nobody who has enough, and gives a younger link for one who has not") {
    Table table;
    table.crowd(8);
    REQUIRE(table.overlay.partial());
    REQUIRE(table.overlay.active_view().size() == table.limits.active_max);
    CHECK(table.ask(100, AskPurpose::spare) == AskVerdict::refused);
    CHECK(table.ask(101, AskPurpose::needed) == AskVerdict::accepted);
    CHECK(table.overlay.active_view().size() == table.limits.active_max);
    const auto farewells = table.said<Farewell>();
    REQUIRE(farewells.size() == 1);
    REQUIRE(farewells[0].second.instead.size() == 1);
    CHECK(farewells[0].second.instead[0].node == node(101));
    // It is for the other end to close the link; where it does not, this node does.
    CHECK(table.count(Kind::disconnect) == 0);
    table.wait(table.limits.ask_wait_us_max);
    CHECK(std::any_of(table.done.begin(), table.done.end(),
                      [&](const auto& a) { return a.kind == Kind::disconnect && a.peer == farewells[0].first; }));
}

TEST_CASE("a flood of asks displaces few, and never the oldest links") {
    Table table;
    table.crowd(8);
    std::size_t accepted = 0;
    for (int i = 1000; i < 1200; ++i) accepted += table.ask(i, AskPurpose::needed) == AskVerdict::accepted ? 1 : 0;
    CHECK(accepted <= table.limits.evictions_at_once_max);
    for (int i = 1200; i < 1400; ++i) {
        table.wait(table.limits.eviction_us);
        table.ask(i, AskPurpose::needed);
    }
    for (int i = 1; i <= int(table.limits.stable_links); ++i) CHECK(table.overlay.active(node(i)));
}

TEST_CASE("whoever is shown the door turns to whom it is sent to") {
    Table table;
    table.crowd(6);
    table.say(1, Farewell{{{node(50), address(50), 0}}});
    CHECK_FALSE(table.overlay.active(node(1)));
    CHECK(table.has(Kind::deactivate, 1));
    CHECK(table.has(Kind::disconnect, 1));
    CHECK(table.has(Kind::connect, 50));
}

TEST_CASE("a probe leads to a link only between different components") {
    Table table;
    table.crowd(8);
    table.wait(table.limits.declare_us_max);
    const auto mine = table.overlay.component();
    REQUIRE(mine.known());
    CHECK(table.ask(100, AskPurpose::probe, mine) == AskVerdict::same_component);
    CHECK(table.ask(101, AskPurpose::probe, {}) == AskVerdict::same_component);  // it cannot tell yet
    CHECK(table.ask(102, AskPurpose::probe, {mine.root + 1, 5}) == AskVerdict::accepted);
    CHECK(table.overlay.active(node(102)));
}

TEST_CASE("the book is probed, those who fail as well, for as long as it takes") {
    OverlayLimits limits;
    limits.full_mesh_max = 1;
    Table table(limits);
    for (int i = 1; i <= 6; ++i) table.ask(i, AskPurpose::needed);
    table.hear(50);
    table.wait(10 * limits.probe_us_max);
    for (int hour = 0; hour < 3; ++hour) {
        table.done.clear();
        table.wait(limits.probe_us_max);
        CHECK(table.has(Kind::connect, 50));
        table.fail(50);
        table.wait(3600 * overlay_second_us);
    }
}

TEST_CASE("a full mesh up to its size, partial views beyond, and a full mesh again when clearly fewer are left") {
    OverlayLimits limits;
    Table table(limits);
    const int most = int(limits.full_mesh_max) - 1;
    for (int i = 1; i <= most; ++i) CHECK(table.ask(i, AskPurpose::needed) == AskVerdict::accepted);
    CHECK_FALSE(table.overlay.partial());
    table.ask(most + 1, AskPurpose::needed);
    CHECK(table.overlay.partial());
    // One after another goes.
    table.done.clear();
    table.wait(2 * limits.prune_us);
    CHECK(table.said<Farewell>().size() <= 3);
    table.wait(20 * limits.prune_us);
    CHECK(table.overlay.active_view().size() == limits.active_max);
    // Probes find out, one after another, that those who went do not answer any more.
    table.wait(20 * overlay_second_us);
    CHECK(table.overlay.partial());  // fewer than a full mesh holds, but not clearly fewer
    table.wait(limits.member_fresh_us);
    CHECK_FALSE(table.overlay.partial());
}

TEST_CASE("a peer that knows of more makes a newcomer keep partial views too") {
    Table table;
    table.hear(1);
    table.up(1);
    table.say(1, Answer{AskVerdict::accepted, true, {}});
    CHECK(table.overlay.partial());
    table.wait(table.limits.crowded_us + table.limits.mode_us);
    CHECK_FALSE(table.overlay.partial());  // nothing else speaks for it
}

TEST_CASE("word of who joined goes on to all links, and not without end") {
    Table table;
    table.crowd(4);
    CHECK(table.ask(50, AskPurpose::join) == AskVerdict::accepted);
    CHECK(table.said<ForwardJoin>().size() == 4);
    std::size_t forwarded = 0;
    for (int i = 0; i < 100; ++i) {
        table.down(50);
        table.ask(50, AskPurpose::join);
        forwarded += table.said<ForwardJoin>().size();
    }
    CHECK(forwarded <= 4 * table.limits.joins_at_once_max);
}

TEST_CASE("a walk's path is what it passed: nobody speaks for another") {
    Table table;
    table.crowd(4);
    table.say(1, Shuffle{{node(70), node(2)}, address(70), 0, {}});
    CHECK(table.said<ShuffleReply>().empty());
    table.say(1, Shuffle{{node(70), node(1)}, address(70), 0, {{node(71), address(71), 1}}});
    const auto replies = table.said<ShuffleReply>();
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].first == node(1));
    CHECK(replies[0].second.path == std::vector<NodeKey>{node(70)});
    CHECK(table.overlay.book().find(node(70)) != nullptr);
    CHECK(table.overlay.book().find(node(71)) != nullptr);
}

TEST_CASE("a walk goes on to somebody new, with this node on its path") {
    Table table;
    table.crowd(3);
    table.say(1, Shuffle{{node(2), node(1)}, address(2), 3, {}});
    const auto walks = table.said<Shuffle>();
    REQUIRE(walks.size() == 1);
    CHECK(walks[0].first == node(3));
    CHECK(walks[0].second.path == std::vector<NodeKey>{node(2), node(1), {0}});
    CHECK(walks[0].second.hops_left == 2);
}

TEST_CASE("samples that nobody asked for, and news of the long dead, change nothing") {
    Table table;
    table.crowd(4);
    table.say(1, ShuffleReply{{}, {{node(90), address(90), 0}}});
    CHECK(table.overlay.book().find(node(90)) == nullptr);
    table.say(1, ForwardJoin{{node(91), address(91), 3600}, 0});
    CHECK(table.overlay.book().find(node(91)) == nullptr);
    table.say(100, Pulse{{0, 1}});  // no link at all
    CHECK_FALSE(table.overlay.component().known());
}

TEST_CASE("views do not grow, whatever is said") {
    Table table;
    table.crowd(8);
    for (int i = 0; i < 5000; ++i) {
        table.say(1 + i % 8, ForwardJoin{{node(1000 + i), address(i), 0}, 0});
        table.say(1 + i % 8, Shuffle{{node(1 + i % 8)}, {}, 0, {{node(7000 + i), address(i), 0}}});
        if (i % 10 == 0) table.wait(table.limits.hearsay_us);
    }
    CHECK(table.overlay.status().passive <= table.limits.passive_max);
    CHECK(table.overlay.status().book <= table.limits.book_entries_max);
    CHECK(table.overlay.status().active <= table.limits.active_max);
}
