// Members that lie about long versions: what they say costs a node neither its life nor much of its time and memory.
#include <doctest/doctest.h>

#include "gossip/version_ranges.hpp"
#include "gossip/wire.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::gossip;
using namespace starling::testing;

namespace {

/// A node, and members of the mesh that say to it whatever a test wants.
class Victim {
  public:
    explicit Victim(Limits limits = {}, NodeKey key = {5}) : peer_({0, key, limits, {}, [this] { return ++draw_; }}) {}

    void link(const NodeKey& liar) {
        links_[liar] = {};
        handle(LinkUp{liar});
    }
    void say(const NodeKey& liar, const Message& message) {
        handle(Received{liar, encode(0, message, links_[liar].out)});
    }
    void pass(std::uint64_t us) {
        now_us_ += us;
        handle(Tick{});
    }
    void handle(const Input& input) {
        now_us_ += 1'000;
        heard.clear();
        const auto effects = peer_.handle(input, {now_us_, now_us_});
        for (const auto& send : effects.sends) {
            auto message = decode(0, send.bytes, links_[send.peer].in);
            REQUIRE(message);
            heard.push_back(std::move(*message));
        }
        for (const auto& disconnect : effects.disconnect) disconnected.push_back(disconnect);
        peer_.check();
    }
    /// Of what was said in answer to the last input.
    template <class Kind>
    std::size_t count() const {
        return std::size_t(std::count_if(heard.begin(), heard.end(),
                                         [](const auto& message) { return std::holds_alternative<Kind>(message); }));
    }
    template <class Kind>
    Kind one() const {
        REQUIRE(count<Kind>() == 1);
        for (const auto& message : heard) {
            if (const auto* it = std::get_if<Kind>(&message)) return *it;
        }
        return {};
    }
    peer::Peer& operator*() { return peer_; }
    peer::Peer* operator->() { return &peer_; }

    std::vector<Message> heard;  ///< to all
    std::vector<Disconnect> disconnected;

  private:
    struct Wire {
        RefSender out;
        RefReceiver in;
    };
    std::map<NodeKey, Wire> links_;
    std::uint64_t draw_ = 0, now_us_ = 1'000'000;
    peer::Peer peer_;
};

/// Changesets of so many lives, one each, in a chain.
Changesets of_lives(const NodeKey& node, std::uint64_t many) {
    Changesets message;
    std::optional<Dot> before;
    for (Life life = 1; life <= many; ++life) {
        Changeset changeset;
        changeset.origin = {node, life};
        changeset.first = changeset.count = changeset.depth = 1;
        if (before) changeset.deps = {*before};
        changeset.body = encode_body(changeset, Body{});
        before = Dot{changeset.origin, 1};
        message.changesets.push_back(std::move(changeset));
    }
    return message;
}

Version lines_of(const NodeKey& node, std::uint64_t many) {
    Version lines;
    for (Life life = 1; life <= many; ++life) lines[{node, life}] = 1;
    return lines;
}

/// Bases of more than four lines go in parts of two.
Limits short_bases() {
    Limits limits;
    limits.diff_open_lines_max = 4;
    limits.diff_base_part_lines = 2;
    return limits;
}

DiffBase part_of_base(const NodeKey& node, std::uint64_t number, std::uint64_t many = 4) {
    return {2, number, lines_of({node[0], std::uint8_t(1 + number)}, many)};
}

/// A matching that is given up: the victim is to ask for a state diff.
const Ranges far_ahead{1, 0, GaveUp::no, {}, {}, RangesHead{1, {3, 4}, {}, 0, {5, 6}, 1'000'000}};

}  // namespace

TEST_CASE("a base of an asker that would not be served is refused with its first part") {
    Victim victim(short_bases());
    const NodeKey askers[] = {{7}, {8}, {9}};
    for (const auto& asker : askers) victim.link(asker);
    for (const auto& asker : {askers[0], askers[1]}) {
        victim.say(asker, part_of_base(asker, 0));
        CHECK(victim.count<DiffAck>() == 1);
    }
    victim.say(askers[2], part_of_base(askers[2], 0));
    CHECK(victim.one<DiffEnd>().reason == DiffEndReason::busy);
    victim.say(askers[2], DiffOpen{4, 1, {}, {}});
    CHECK(victim.one<DiffEnd>().reason == DiffEndReason::busy);
    victim.say(askers[0], part_of_base(askers[0], 1));
    CHECK(victim.count<DiffAck>() == 1);
    victim.say(askers[0], DiffEnd{2, DiffEndReason::failed});  // it gave up
    victim.say(askers[2], part_of_base(askers[2], 0));
    CHECK(victim.count<DiffAck>() == 1);
    // Of two that ask each other, the smaller key's session stands.
    Victim asking(short_bases());
    asking.link(askers[0]);
    asking.say(askers[0], far_ahead);
    CHECK(asking.count<DiffOpen>() == 1);
    asking.say(askers[0], part_of_base(askers[0], 0));
    CHECK(asking.one<DiffEnd>().reason == DiffEndReason::busy);
}

TEST_CASE("bases are bounded each for itself, in lines and in time") {
    auto limits = short_bases();
    limits.diff_base_lines_max = 6;
    limits.diff_session_us_max = 20'000'000;
    Victim victim(limits);
    const NodeKey a{7}, b{8};
    victim.link(a);
    victim.link(b);
    victim.say(a, part_of_base(a, 0));
    CHECK(victim.count<DiffAck>() == 1);
    victim.say(b, part_of_base(b, 0));
    CHECK(victim.count<DiffAck>() == 1);
    victim.say(b, part_of_base(b, 1));
    CHECK(victim.one<DiffEnd>().reason == DiffEndReason::failed);
    for (std::uint64_t number = 0; number < 3; ++number) {
        victim.say(b, part_of_base(b, number, 1));
        CHECK(victim.count<DiffAck>() == 1);
        victim.pass(8'000'000);
    }
    victim.say(b, part_of_base(b, 3, 1));  // each part was in time, but not all of them
    CHECK(victim.one<DiffEnd>().reason == DiffEndReason::failed);
    // Who has too long a base itself does not send it in vain.
    victim.link(a);
    victim.say(a, of_lives({7}, 8));
    victim.say(a, far_ahead);
    victim.say(a, DiffEnd{victim.one<DiffOpen>().session, DiffEndReason::unknown_base});
    CHECK(victim.count<DiffBase>() == 0);
    CHECK(victim->counters().diffs_failed == 1);
}

TEST_CASE("a link whose numbers are used up is let go before its peer takes that for a breach") {
    Limits limits;
    limits.link_numbers_max = 10;
    Victim victim(limits);
    const NodeKey a{7}, b{8};
    victim.link(a);
    victim.say(a, of_lives({7}, 20));
    victim.handle(LinkDown{a});
    REQUIRE(victim.disconnected.empty());
    victim.link(b);
    CHECK(victim.one<Hello>().version.size() == 20);
    REQUIRE(victim.disconnected.size() == 1);
    CHECK(victim.disconnected[0].peer == b);
    CHECK_FALSE(victim.disconnected[0].broke_protocol);
    for (int i = 0; i < 3; ++i) {
        victim.pass(limits.digest_idle_us);
        CHECK(victim.heard.empty());  // no further number
    }
    CHECK(victim.disconnected.size() == 1);
}

TEST_CASE("long versions are waited for longer, and a peer's next open too") {
    auto limits = short_bases();
    limits.diff_base_lines_max = 8;
    limits.diff_line_us = 1'000'000;
    Victim victim(limits);
    const NodeKey liar{9};
    victim.link(liar);
    victim.say(liar, of_lives({7}, 3));
    victim.say(liar, far_ahead);
    CHECK(victim.count<DiffOpen>() == 1);
    victim.pass(limits.diff_timeout_us + 7'000'000);
    CHECK(victim.count<DiffEnd>() == 0);
    victim.pass(1'000'000);
    CHECK(victim.one<DiffEnd>().reason == DiffEndReason::failed);

    victim.say(liar, DiffOpen{4, 1, {}, {}});
    CHECK(victim.count<DiffPart>() == 1);
    victim.say(liar, DiffOpen{6, 1, {}, {}});
    CHECK(victim.one<DiffEnd>().reason == DiffEndReason::busy);
    victim.say(liar, part_of_base(liar, 0));
    CHECK(victim.one<DiffEnd>().reason == DiffEndReason::busy);
    victim.handle(LinkDown{liar});
    victim.link(liar);  // that changes nothing
    victim.say(liar, DiffOpen{8, 1, {}, {}});
    CHECK(victim.one<DiffEnd>().reason == DiffEndReason::busy);
    victim.pass(3'000'000);
    victim.say(liar, DiffOpen{10, 1, {}, {}});
    CHECK(victim.count<DiffPart>() == 1);
}

TEST_CASE("nodes that are only named take no place among the trees") {
    Origins origins;
    for (Life life = 1; life <= 100; ++life) {
        origins.intern({{std::uint8_t(life)}, life}, 0);
        origins.intern({{std::uint8_t(life), 1}, life}, 0);
    }
    CHECK(origins.trees() == 0);
    origins.give_back([](const ReplicaId& id) { return Seq(id.life == 7 && id.node[1] == 1 ? 5 : 0); });
    CHECK(origins.trees() == 1);  // what rose
    CHECK(origins.tree_of({7, 1}).has_value());
}

TEST_CASE("lives that were only claimed keep no numbers once these are given back") {
    const NodeKey liar{9};
    Limits limits;
    limits.numbered_lives_max = 100;
    Victim victim(limits);
    victim.link(liar);
    victim.say(liar, of_lives({7}, 1));
    Hello hello{1, lines_of({8}, 300), {}, 0, {7, 1}};
    victim.say(liar, hello);
    CHECK(victim.count<Pull>() == 1);  // which is never answered
    for (int i = 0; i < 20; ++i) {
        victim.pass(limits.pull_timeout_us / 4);
        CHECK(victim->status().numbered_lives <= 2);
    }
}

TEST_CASE("a range that asks is answered as far as the message has room, whatever came with it") {
    constexpr std::uint64_t many = 30'000;
    State state;
    for (std::uint64_t number = 0; number < many; ++number)
        state.raise(ReplicaId{{std::uint8_t(number % 7)}, number}, 1 + number % 5, 1);
    const Origins none;
    const Seqs now(true);
    const PinnedVersion pinned(state, none, now);
    CHECK(pinned.lines_in({}, 10).size() == 10);
    CHECK(pinned.lines_in({{{6}, many - 20}, {}}, many).size() == 3);
    Origins numbered;
    numbered.intern({{200}, 1}, 0);
    state.touch({{200}, 1});  // has written nothing
    CHECK(PinnedVersion(state, numbered, now).lines() == many);
    for (const std::uint64_t each : {0, 1, 2, 3, 40}) {  // which of them the other has
        CAPTURE(each);
        Version theirs, missing;
        std::uint64_t number = 0;
        for (const auto& [id, seq] : state.version()) {
            const bool has = each != 0 && number++ % each == 0;
            (has ? theirs : missing)[id] = seq;
        }
        const auto answer = answer_ranges(pinned, {{{}, true, 0}}, theirs);
        REQUIRE(answer.ranges.size() == (each == 1 ? 0 : 1));
        if (each != 1) missing.erase(missing.lower_bound(answer.ranges[0].ids.from), missing.end());
        CHECK(answer.lines == missing);
        CHECK(missing.size() * 12 >= (each == 1 ? 0 : ranges_bytes - 500));
    }
}

TEST_CASE("parts of the answer in the middle of the base, and then its acknowledgement") {
    const NodeKey liar{9};
    Victim victim(short_bases());
    victim.link(liar);
    victim.say(liar, of_lives({7}, 8));
    victim.say(liar, far_ahead);
    const auto session = victim.one<DiffOpen>().session;
    victim.say(liar, DiffEnd{session, DiffEndReason::unknown_base});
    CHECK(victim.one<DiffBase>().lines.size() == 2);
    DiffPart part;
    part.session = session;
    part.last = true;
    victim.say(liar, part);
    CHECK(victim.count<DiffPart>() == 1);  // applied, and answered
    victim.say(liar, DiffAck{session, false, 0});
    CHECK(victim.heard.empty());
    victim.say(liar, DiffEnd{session, DiffEndReason::unknown_base});
    CHECK(victim.count<DiffBase>() == 0);
    CHECK(victim.disconnected.empty());
}
