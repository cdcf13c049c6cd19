// What a majority decides, on real nodes over the loopback: registers, locks, voters.
#include <algorithm>
#include <array>
#include <thread>

#include "agree/wire.hpp"
#include "net/transport.hpp"
#include "node/agreement.hpp"
#include "tests/node/pair.hpp"
#include "tests/temporary_directory.hpp"

using namespace starling;
using namespace starling::test;

namespace {

/// Tries again until it holds, far longer than it takes.
bool comes(const std::function<bool()>& holds) {
    for (const auto end = std::chrono::steady_clock::now() + patience; std::chrono::steady_clock::now() < end;) {
        if (holds()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

/// Nodes with directories, the first of which founded the mesh.
struct Town {
    testing::TemporaryDirectory scratch;
    std::vector<Node> nodes;

    explicit Town(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) open(i);
        REQUIRE(comes([&] { return linked(count); }));
    }
    void open(std::size_t i) {
        auto options = in(scratch.path / std::to_string(i));
        for (std::size_t other = 0; other < nodes.size(); ++other) {
            if (other == i || !nodes[other]) continue;
            if (options.mesh.empty() && other == 0) options.mesh = nodes[0].join_code();
            options.peers.push_back("127.0.0.1:" + std::to_string(nodes[other].status().port));
        }
        if (i == nodes.size()) nodes.emplace_back();
        nodes[i] = Node::open(options);
    }
    bool linked(std::size_t count) const {
        return std::all_of(nodes.begin(), nodes.end(),
                           [&](const Node& node) { return !node || node.peers().size() + 1 >= count; });
    }
    /// The first `count` vote.
    void vote(std::size_t count) {
        std::vector<NodeId> ids;
        for (std::size_t i = 0; i < count; ++i) ids.push_back(nodes[i].id());
        nodes[0].set_voters(ids, patience);
        for (const auto& node : nodes) {
            REQUIRE(comes([&] { return node.voters().epoch == nodes[0].voters().epoch; }));
        }
    }
};

int next_number(std::optional<int> value) {
    return value.value_or(0) + 1;
}

}  // namespace

TEST_CASE("a mesh begins with its founder as the only voter, and any member proposes") {
    Town town(2);
    const auto voters = town.nodes[0].voters();
    REQUIRE(voters.list.size() == 1);
    CHECK(voters.votes);
    CHECK(voters.epoch == 1);
    CHECK(voters.list[0].node == town.nodes[0].id());
    const auto here = town.nodes[0].agreed<int>("n"), there = town.nodes[1].agreed<int>("n");
    CHECK(here.read(patience) == std::nullopt);
    CHECK(there.change(next_number, patience).value == 1);
    CHECK(here.read(patience) == 1);
    CHECK_FALSE(here.compare_and_set(2, 5, patience));
    CHECK(here.compare_and_set(1, 5, patience));
    const auto same = there.change([](std::optional<int> n) { return n; }, patience);
    CHECK(same.value == 5);
    CHECK_FALSE(same.changed);
    CHECK(there.look(patience).revision == 2);
    CHECK(here.compare_and_set(5, std::nullopt, patience));
    CHECK(there.read(patience) == std::nullopt);
    CHECK_FALSE(town.nodes[1].voters().votes);
    CHECK(town.nodes[1].voters().may_vote);
}

TEST_CASE("three voters: no two of many threads on all nodes get the same number") {
    Town town(3);
    town.vote(3);
    constexpr int each = 15;
    std::array<std::vector<int>, 6> got;
    std::atomic<int> unknown{0};  // a number was taken, or may have been, and nobody can say which
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < got.size(); ++t) {
        threads.emplace_back([&, t] {
            const auto tickets = town.nodes[t % 3].agreed<int>("tickets");
            for (int i = 0; i < each; ++i) {
                std::error_code error;
                ChangeId id;
                const auto decided = tickets.change(next_number, patience, id, error);
                const bool known = !error && !decided.earlier;
                if (known) got[t].push_back(*decided.value);
                if (!known) ++unknown;
                if (error && error != Errc::outcome_unknown) unknown += 1000;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    std::vector<int> all;
    for (const auto& numbers : got) {
        CHECK(std::is_sorted(numbers.begin(), numbers.end()));
        all.insert(all.end(), numbers.begin(), numbers.end());
    }
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
    CHECK(all.size() + std::size_t(unknown) == got.size() * each);
    CHECK(all.size() >= std::size_t(each));  // whoever is overtaken is not all
    const auto last = town.nodes[2].agreed<int>("tickets").read(patience);
    CHECK(last >= int(all.size()));
    CHECK(last <= int(all.size()) + unknown);
}

TEST_CASE("a lock excludes threads of all nodes, and each holder's token is higher than all before") {
    Town town(3);
    town.vote(3);
    TokenGate gate;
    std::atomic<int> inside{0}, turns{0}, overlaps{0}, refused{0};
    std::uint64_t last = 0;  // guarded by the lock itself
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 6; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 4; ++i) {
                LockOptions options;
                options.ttl = patience;
                options.fair = t % 2 == 0;
                const auto lock = town.nodes[t % 3].lock("press", options);
                if (++inside > 1) ++overlaps;
                if (!lock.held() || !gate.admit(lock.token()) || lock.token() <= last) ++refused;
                last = lock.token();
                std::this_thread::sleep_for(1ms);
                ++turns;
                --inside;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(turns == 24);
    CHECK(overlaps == 0);
    CHECK(refused == 0);
    CHECK(gate.highest() >= 24);
    CHECK_FALSE(gate.admit(1));
    const auto state = town.nodes[1].lock_state("press", patience);
    CHECK(state.token == gate.highest());
}

TEST_CASE("two of three voters go on, one alone is refused in time, and one that comes back remembers") {
    Town town(3);
    town.vote(3);
    CHECK(town.nodes[1].agreed<int>("n").change(next_number, patience).value == 1);
    const auto third = town.nodes[2].id();
    town.nodes[2].close();
    CHECK(town.nodes[0].agreed<int>("n").change(next_number, patience).value == 2);
    const auto second = town.nodes[1].id();
    town.nodes[0].block_peers({second, third});
    REQUIRE(comes([&] { return town.nodes[0].peers().empty(); }));
    std::error_code error;
    ChangeId id;
    CHECK(code_of([&] { (void)town.nodes[0].agreed<int>("n").read(100ms); }) == Errc::no_majority);
    (void)town.nodes[0].agreed<int>("n").read(50ms, error);
    CHECK(error == Errc::no_majority);
    CHECK(code_of([&] { (void)town.nodes[0].try_lock("l", LockOptions{.wait = 100ms}); }) == Errc::no_majority);
    CHECK(code_of([&] { (void)town.nodes[0].lock("l", LockOptions{.wait = 100ms}); }) == Errc::no_majority);
    CHECK(code_of([&] { town.nodes[0].set_voters({town.nodes[0].id()}, 100ms); }) == Errc::no_majority);
    // It had promised its next change in the last one, so that is sent at once, to itself alone.
    const auto change = [&] { (void)town.nodes[0].agreed<int>("n").change(next_number, 100ms, id); };
    CHECK(code_of(change) == Errc::outcome_unknown);
    CHECK_FALSE(id.empty());
    town.nodes[2] = {};
    town.open(2);
    town.nodes[0].block_peers({});
    REQUIRE(comes([&] { return town.linked(3); }));
    CHECK(town.nodes[2].voters().votes);
    // The same change again: applied once, whether or not the first attempt came through.
    CHECK(town.nodes[0].agreed<int>("n").change(next_number, patience, id).value == 3);
    // Those two are a majority of which one was away: what they know is what was decided.
    town.nodes[0].close();
    CHECK(town.nodes[2].agreed<int>("n").read(patience) == 3);
    CHECK(town.nodes[1].agreed<int>("n").change(next_number, patience).value == 4);
}

TEST_CASE("what was agreed on survives all voters, and the tokens of locks go on") {
    Town town(3);
    town.vote(3);
    const auto before = town.nodes[1].lock("l", patience).token();
    CHECK(before >= 1);
    CHECK(town.nodes[1].agreed<std::string>("name").compare_and_set(std::nullopt, "starling", patience));
    for (auto& node : town.nodes) node = {};
    for (std::size_t i = 0; i < 3; ++i) town.open(i);
    CHECK(town.nodes[2].voters().list.size() == 3);
    CHECK(town.nodes[0].agreed<std::string>("name").read(patience) == "starling");
    CHECK(code_of([&] { (void)town.nodes[0].agreed<int>("name").read(patience); }) == Errc::invalid_argument);
    CHECK(town.nodes[2].lock("l", patience).token() > before);
}

TEST_CASE("a lock that is not renewed is lost, its holder is told, and the next has a higher token") {
    Town town(3);
    town.vote(3);
    Signal lost;
    std::atomic<int> told{0};
    auto lock = town.nodes[0].lock("l", 2s, [&] {
        ++told;
        lost.raise();
    });
    const auto token = lock.token();
    CHECK(lock.held());
    LockOptions brief;
    brief.ttl = 2s;
    brief.wait = 50ms;
    CHECK_FALSE(town.nodes[1].lock("l", brief));  // somebody else's turn
    CHECK_FALSE(town.nodes[1].try_lock("l", 2s));
    CHECK(town.nodes[1].lock_state("l", patience).holder == town.nodes[0].id());
    std::this_thread::sleep_for(2500ms);
    CHECK(lock.held());  // renewed in the background
    town.nodes[0].block_peers({town.nodes[1].id(), town.nodes[2].id()});
    REQUIRE(lost.wait());
    CHECK_FALSE(lock.held());
    CHECK(lock.token() == token);
    auto next = town.nodes[1].lock("l", patience);
    CHECK(next.token() > token);
    CHECK(told == 1);
    std::thread asks([&] {
        while (lock.token() != 0) CHECK_FALSE(lock.held());
        CHECK_FALSE(lock.held());  // also once it is given up
    });
    lock.release();
    asks.join();
    CHECK_FALSE(lock);
    next.release();
    CHECK(town.nodes[2].lock("l", patience).token() > token + 1);
}

TEST_CASE("a lock is given up by its destructor and by the end of the node, and the waiting can be stopped") {
    Town town(2);
    {
        const auto lock = town.nodes[1].lock("l", patience);
    }
    auto held = town.nodes[1].try_lock("l", patience);
    REQUIRE(held);
    std::stop_source stop;
    LockOptions options;
    options.stop = stop.get_token();
    std::thread waits([&] { CHECK_FALSE(town.nodes[0].lock("l", options)); });
    REQUIRE(comes([&] { return town.nodes[1].lock_state("l", patience).waiting == 1; }));
    stop.request_stop();
    waits.join();
    std::thread closed([&] { CHECK(code_of([&] { (void)town.nodes[0].lock("l", patience); }) == Errc{}); });
    REQUIRE(comes([&] { return town.nodes[1].lock_state("l", patience).waiting == 1; }));
    town.nodes[1].close();  // the time to live is longer than anybody waits
    closed.join();
    CHECK_FALSE(held.held());
    held.release();
    const auto other = town.nodes[0].lock("l", patience);
    std::thread waits_for_nothing(
        [&] { CHECK(code_of([&] { (void)town.nodes[0].lock("l", patience); }) == Errc::closed); });
    REQUIRE(comes([&] { return town.nodes[0].lock_state("l", patience).waiting == 1; }));
    town.nodes[0].close();
    waits_for_nothing.join();
    CHECK(code_of([&] { (void)town.nodes[0].agreed<int>("n"); }) == Errc{});
    CHECK(code_of([&] { (void)town.nodes[0].agreed<int>("n").read(); }) == Errc::closed);
}

TEST_CASE("a change under way when its node closes has a name, to be asked for again") {
    Town town(3);
    town.vote(3);
    auto& node = town.nodes[0];
    CHECK(node.agreed<int>("n").change(next_number, patience).value == 1);
    node.block_peers({town.nodes[1].id(), town.nodes[2].id()});
    REQUIRE(comes([&] { return node.peers().empty(); }));
    ChangeId id;
    std::atomic<int> begun{0};
    std::thread asks([&] {
        const auto change = [&](std::optional<int> n) {
            ++begun;
            return next_number(n);
        };
        CHECK(code_of([&] { (void)node.agreed<int>("n").change(change, patience, id); }) == Errc::outcome_unknown);
    });
    REQUIRE(comes([&] { return begun > 0; }));  // it was promised with the last change, so it is sent at once
    node.close();
    asks.join();
    REQUIRE_FALSE(id.empty());
    CHECK(town.nodes[1].agreed<int>("n").change(next_number, patience, id).value == 2);
    CHECK(town.nodes[2].agreed<int>("n").change(next_number, patience, id).earlier);
    CHECK(town.nodes[2].agreed<int>("n").read(patience) == 2);
}

TEST_CASE("waiting for a lock can be stopped where no voters are known, too") {
    const auto alone = lone();  // in memory: it does not vote
    std::stop_source stop;
    LockOptions options;
    options.stop = stop.get_token();
    std::atomic<bool> over{false};
    std::thread waits([&] {
        CHECK_FALSE(alone.lock("l", options));
        over = true;
    });
    std::this_thread::sleep_for(100ms);
    CHECK_FALSE(over);
    stop.request_stop();
    waits.join();
    CHECK_FALSE(alone.lock("l", options));  // stopped before
}

TEST_CASE("voters are named by admins, among linked nodes that keep what they promise") {
    Town town(3);
    auto& founder = town.nodes[0];
    const auto name = [&](std::vector<NodeId> ids) { return code_of([&] { founder.set_voters(ids, patience); }); };
    CHECK(name({}) == Errc::invalid_argument);
    CHECK(name({founder.id(), town.nodes[1].id()}) == Errc::invalid_argument);
    CHECK(name({founder.id(), founder.id(), town.nodes[1].id()}) == Errc::invalid_argument);
    CHECK(name({NodeId{{7}}}) == Errc::invalid_argument);
    CHECK(code_of([&] { town.nodes[1].set_voters({town.nodes[1].id()}); }) == Errc::not_admin);
    auto options = quiet();
    options.mesh = founder.join_code();
    const auto forgetful = Node::open(options);
    options.vote_in_memory = true;
    const auto willing = Node::open(options);
    REQUIRE(comes([&] { return founder.peers().size() == 4; }));
    CHECK_FALSE(forgetful.voters().may_vote);
    CHECK(name({forgetful.id()}) == Errc::invalid_argument);
    CHECK(name({willing.id(), founder.id(), town.nodes[1].id()}) == Errc{});
    CHECK(forgetful.agreed<int>("n").change(next_number, patience).value == 1);
    CHECK(name({town.nodes[1].id(), town.nodes[2].id(), founder.id()}) == Errc{});
    CHECK(founder.voters().epoch == 5);
    CHECK(comes([&] { return town.nodes[2].voters().epoch == 5; }));
    CHECK(town.nodes[2].agreed<int>("n").read(patience) == 1);
}

TEST_CASE("a restored node is no voter until it is named again, and the founder can begin anew where nobody knows") {
    Town town(2);
    CHECK(town.nodes[0].agreed<int>("n").change(next_number, patience).value == 1);
    town.nodes[0].backup(town.scratch / "copy");
    town.nodes[1] = {};
    town.nodes[0] = {};
    std::filesystem::remove_all(town.scratch / "0" / "store.db");
    std::filesystem::remove(town.scratch / "0" / "store.db-wal");
    Node::restore(town.scratch / "copy", town.scratch / "0");
    town.open(0);
    auto& founder = town.nodes[0];
    CHECK_FALSE(founder.voters().votes);
    CHECK(founder.voters().epoch == 0);
    CHECK(code_of([&] { (void)founder.agreed<int>("n").read(50ms); }) == Errc::no_majority);
    town.open(1);
    REQUIRE(comes([&] { return town.linked(2) && founder.voters().epoch == 1; }));  // the other one remembers
    CHECK_FALSE(founder.voters().votes);
    CHECK(code_of([&] { founder.set_voters({founder.id()}, 200ms); }) == Errc::no_majority);
    const auto other = town.nodes[1].id();
    town.nodes[1] = {};
    town.nodes[0] = {};
    // Where all have lost it, the founder says who votes.
    std::filesystem::remove_all(town.scratch / "0" / "store.db");
    std::filesystem::remove(town.scratch / "0" / "store.db-wal");
    Node::restore(town.scratch / "copy", town.scratch / "0");
    town.open(0);
    // Who names others before they are linked makes no first record: they may have one.
    const std::vector<NodeId> three{town.nodes[0].id(), other, NodeId{{7}}};
    CHECK(code_of([&] { town.nodes[0].set_voters(three, patience); }) == Errc::invalid_argument);
    CHECK(code_of([&] { town.nodes[0].set_voters({other}, patience); }) == Errc::invalid_argument);
    CHECK(town.nodes[0].voters().epoch == 0);
    town.nodes[0].set_voters({town.nodes[0].id()}, patience);
    CHECK(town.nodes[0].agreed<int>("n").change(next_number, patience).value == 1);
}

TEST_CASE(
    "a member that says what is no message about registers is kept out, and one that asks a lot is served in bounds") {
    Town town(1);
    const auto& node = town.nodes[0];
    const auto code = net::parse_join_code(node.join_code());
    REQUIRE(code);
    net::TransportOptions options;
    options.listen_address = "127.0.0.1";
    options.discovery = false;
    options.static_peers = {"127.0.0.1:" + std::to_string(node.status().port)};
    const auto identity = net::Identity::generate();
    auto opened = net::Transport::open(options, identity, code->admit(identity.node_key()));
    REQUIRE(opened);
    auto& member = **opened;
    const auto server = node.id().bytes;
    bool up = false;
    std::vector<agree::Message> heard;
    const auto turn = [&] {
        for (auto& event : member.poll(1ms)) {
            if (std::holds_alternative<net::LinkUp>(event)) up = true;
            if (std::holds_alternative<net::LinkDown>(event)) up = false;
            if (const auto* aside = std::get_if<net::Aside>(&event)) {
                auto message = agree::decode(aside->bytes);
                REQUIRE(message);
                heard.push_back(std::move(*message));
            }
        }
        return up;
    };
    REQUIRE(comes(turn));
    // Another version is no harm.
    crdt::Writer later;
    later.array(2).uint(2).uint(0);
    REQUIRE(member.send_aside(server, later.take()));
    REQUIRE(member.send_aside(server, agree::encode(agree::Request{7, 0, 0, 0, agree::Identify{}})));
    const auto identity_of = [&]() -> const agree::Reply* {
        for (const auto& message : heard) {
            const auto* reply = std::get_if<agree::Reply>(&message);
            if (reply != nullptr && reply->id == 7) return reply;
        }
        return nullptr;
    };
    REQUIRE(comes([&] { return turn() && identity_of() != nullptr; }));
    const auto life = identity_of()->voter;
    CHECK(std::get<agree::Identity>(identity_of()->body).record->epoch == 1);
    heard.clear();
    // More than waits for one disk: what is beyond is dropped, the rest is answered, and others are served meanwhile.
    constexpr std::uint64_t flood = 3'000;
    for (std::uint64_t i = 1; i <= flood; ++i) {
        const agree::Prepare prepare{"flood" + std::to_string(i), {1, {identity.node_key(), 1}}};
        REQUIRE(member.send_aside(server, agree::encode(agree::Request{100 + i, life, 1, 0, prepare})));
    }
    std::thread asks([&] { CHECK(node.agreed<int>("n").change(next_number, patience).value == 1); });
    REQUIRE(comes([&] { return turn() && heard.size() >= 200; }));
    asks.join();
    for (int i = 0; i < 200; ++i) turn();
    CHECK(heard.size() <= flood);
    REQUIRE(member.send_aside(server, "\x93\x01"));
    REQUIRE(comes([&] { return !turn(); }));
    CHECK(node.agreed<int>("n").read(patience) == 1);
}

TEST_CASE("an election has one leader, with a note and a term, until it resigns or dies") {
    Town town(3);
    town.vote(3);
    const auto at = [&](std::size_t i) { return town.nodes[i].election("leader", 2s); };
    CHECK_FALSE(at(0).leader(patience).holder);
    auto first = at(0).campaign("zero");
    const auto term = first.token();
    CHECK(at(1).leader(patience).holder == town.nodes[0].id());
    CHECK(at(1).leader(patience).note == "zero");
    CHECK(town.nodes[0].lock("leader", patience));  // locks and roles do not share names
    first.release();
    const auto second = at(2).campaign("two");
    CHECK(second.token() > term);
    CHECK(at(0).leader(patience).note == "two");
    town.nodes[2].block_peers({town.nodes[0].id(), town.nodes[1].id()});  // as good as dead to the others
    const auto third = at(1).campaign();
    CHECK(third.token() > second.token());
    CHECK_FALSE(second.held());
}

TEST_CASE("a node whose voter takes no records any more goes on to propose under new ones") {
    const crdt::NodeKey self{1}, other{2}, third{3};
    const agree::VoterRecord first{1, {{self, 11}, {other, 22}, {third, 33}}, {}};
    const agree::VoterRecord second{2, {{other, 22}}, {}};
    peer::Voter voter(self, 11);
    voter.install(first);
    std::uint64_t drawn = 0;
    detail::Agreement agreement(
        self, std::move(voter),
        {[] {}, [] {}, [](const std::function<void()>&) { return true; }, [&] { return ++drawn; }});
    agreement.linked(other);
    SUBCASE("its disk failed") {
        agreement.disk_failed();
    }
    SUBCASE("it was found to have gone back") {
        const agree::Request seen{7, 11, 1, 1'000, agree::Read{"k"}};
        REQUIRE(agreement.received(other, agree::encode(seen)));
    }
    std::thread asks([&] { CHECK(code_of([&] { (void)agreement.run("k", {}, patience, nullptr); }) == Errc{}); });
    std::uint64_t asked_anew = 0;
    REQUIRE(comes([&] {
        agreement.tick();
        for (const auto& [to, bytes] : agreement.take_sends()) {
            const auto message = agree::decode(bytes);
            const auto* request = message ? std::get_if<agree::Request>(&*message) : nullptr;
            if (request == nullptr || !std::holds_alternative<agree::Read>(request->body)) continue;
            agree::Reply reply{request->id, 22, 5, agree::Held{}};
            if (request->epoch < 2) reply.body = agree::Refused{agree::Refusal::old_epoch, {}, second};
            if (request->epoch == 2) ++asked_anew;
            CHECK(agreement.received(other, agree::encode(reply)));
        }
        return asked_anew > 0;
    }));
    asks.join();
    CHECK(agreement.voters().epoch == 2);
    agreement.check();
}

TEST_CASE("what one node asks for leaves room for the answers to others") {
    const crdt::NodeKey self{1}, greedy{2}, modest{3};
    peer::Voter voter(self, 11);
    voter.install({1, {{self, 11}}, {}});
    const agree::Accept large{"k", {1, {greedy, 1}}, false, std::string(60'000, 'x')};
    REQUIRE(voter.ask(self, {1, 11, 1, 0, large}));
    (void)voter.take_answers();
    std::uint64_t drawn = 0;
    detail::Agreement agreement(
        self, std::move(voter),
        {[] {}, [] {}, [](const std::function<void()>&) { return true; }, [&] { return ++drawn; }});
    agreement.linked(greedy);
    agreement.linked(modest);
    const auto read = [](std::uint64_t id) { return agree::encode(agree::Request{id, 11, 1, 0, agree::Read{"k"}}); };
    for (std::uint64_t id = 1; id <= 300; ++id) REQUIRE(agreement.received(greedy, read(id)));
    REQUIRE(agreement.received(modest, read(7)));
    agreement.check();
    std::size_t to_greedy = 0, answers_to_modest = 0;
    for (const auto& [to, bytes] : agreement.take_sends()) {
        if (to == greedy) to_greedy += bytes.size();
        if (to == modest && bytes.size() > 60'000) ++answers_to_modest;
    }
    CHECK(to_greedy > 60'000);
    CHECK(to_greedy <= detail::unsent_of_one_bytes_max);
    CHECK(answers_to_modest == 1);
}

TEST_CASE("calls in the wrong place, and functions that throw") {
    const testing::TemporaryDirectory scratch;
    auto node = Node::open(in(scratch / "d"));
    const auto n = node.agreed<int>("n");
    CHECK(code_of([&] { node.transact([&](Tx&) { (void)n.read(); }); }) == Errc::would_deadlock);
    CHECK(code_of([&] { (void)n.change([&](std::optional<int>) { return n.read().value_or(1); }); }) ==
          Errc::would_deadlock);
    // The node's data is locked before its agreement, never inside it: not even to look.
    const auto counter = node.counter("c");
    const auto commit = counter.add(1);
    const auto inside = [&](const std::function<void()>& call) {
        return code_of([&] {
            (void)n.change([&](std::optional<int>) {
                call();
                return 1;
            });
        });
    };
    CHECK(inside([&] { (void)counter.value(); }) == Errc::would_deadlock);
    CHECK(inside([&] { (void)counter.add(1); }) == Errc::would_deadlock);
    CHECK(inside([&] { commit.durable(); }) == Errc::would_deadlock);
    CHECK(inside([&] { (void)commit.when_durable(); }) == Errc::would_deadlock);
    CHECK(inside([&] { (void)node.wait_synced(0s); }) == Errc::would_deadlock);
    CHECK(inside([&] { (void)node.status(); }) == Errc::would_deadlock);
    CHECK(inside([&] { node.backup(scratch / "copy"); }) == Errc::would_deadlock);
    CHECK(inside([&] { (void)node.voters(); }) == Errc::would_deadlock);
    CHECK(counter.value() == 1);
    CHECK_THROWS_AS(n.change([](std::optional<int>) -> int { throw std::runtime_error("no"); }), std::runtime_error);
    CHECK(n.look().revision == 0);
    CHECK(code_of([&] { (void)node.agreed<int>("").read(); }) == Errc::invalid_argument);
    for (ChangeId wrong : {ChangeId{1, UINT64_MAX, 0}, ChangeId{1, 1, UINT64_MAX}})
        CHECK(code_of([&] { (void)n.change(next_number, patience, wrong); }) == Errc::invalid_argument);
    CHECK(n.look().revision == 0);  // and it can be read
    CHECK(code_of([&] { (void)node.agreed<int>(std::string(255, 'k')).read(); }) == Errc::invalid_argument);
    const auto large = [&] {
        (void)node.agreed<std::string>("s").change([](const auto&) { return std::string(70'000, 'x'); });
    };
    CHECK(code_of(large) == Errc::too_large);
    CHECK(code_of([&] { (void)node.lock("l", 10ms); }) == Errc::invalid_argument);
    CHECK(code_of([&] { (void)node.lock("", 1s); }) == Errc::invalid_argument);
    CHECK(code_of([&] { (void)node.lock("l", LockOptions{.note = std::string(2'000, 'n')}); }) == Errc::too_large);
    LockOptions noted;
    noted.note = "line 3";
    const auto lock = node.lock("l", noted);
    CHECK(node.lock_state("l").note == "line 3");
    CHECK_FALSE(node.try_lock("l", 1s));  // locks of one node exclude each other
    // In memory mode nobody votes unless told to.
    const auto alone = lone();
    CHECK(code_of([&] { (void)alone.agreed<int>("n").read(20ms); }) == Errc::no_majority);
    auto options = quiet();
    options.vote_in_memory = true;
    const auto willing = Node::open(options);
    CHECK(willing.agreed<int>("n").change(next_number).value == 1);
}
