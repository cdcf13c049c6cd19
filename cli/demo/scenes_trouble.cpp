// Scenes 6 and 8: one node is killed and comes back from its disk, as a new life; a stranger stands at the door.
#include <fstream>
#include <set>

#include <starling/starling.hpp>

#include "cli/demo/intruders.hpp"
#include "cli/demo/scenes.hpp"

namespace starling::cli::demo {
namespace {

constexpr std::size_t victim = 4;
const std::vector<std::size_t> survivors{0, 1, 2, 3};
constexpr std::chrono::seconds patience{30};
constexpr int writes_meanwhile = 50;
constexpr std::chrono::milliseconds stranger_ms{3'000};
constexpr std::chrono::milliseconds stranger_quick_ms{1'500};

/// The lives of a node that a version knows.
std::set<std::string> lives_of(const Json& status, const std::string& id) {
    std::set<std::string> lives;
    const auto version = Version::parse(status.value("version", ""));
    if (!version) return lives;
    for (const auto& [replica, seq] : version->lines()) {
        if (replica.node.to_string() == id) lives.insert(replica.to_string());
    }
    return lives;
}

std::string write_meanwhile(Stage& stage) {
    for (int round = 0; round < writes_meanwhile; ++round) {
        const auto click = [](std::size_t) { return Json{{"op", "incr"}, {"counter", "demo/clicks"}, {"amount", 1}}; };
        for (const Json& answer : stage.fleet.call_all(survivors, click)) {
            if (!answer.value("ok", false)) return answer["error"].value("message", "refused");
            ++stage.clicks;
        }
    }
    return {};
}

std::uint64_t refused_at_doors(Fleet& fleet) {
    std::uint64_t refused = 0;
    for (std::size_t node : all_nodes()) {
        const Json status = fleet.status(node);
        if (status.value("ok", false)) refused += status["counters"].value("door_refused", std::uint64_t{0});
    }
    return refused;
}

/// What shows that the stranger got in, else empty.
std::string trace_of(Fleet& fleet, Member& stranger) {
    const Json mine = fleet.call(stranger, {{"op", "status"}});
    if (!mine.value("ok", false)) return "the stranger's own node does not answer";
    if (!mine["peers"].empty()) return "the stranger has a peer";
    if (fleet.call(stranger, {{"op", "keys"}, {"prefix", ""}})["keys"].size() != 1)
        return "the stranger holds our data";
    for (std::size_t node : all_nodes()) {
        const Json keys = fleet.call(node, {{"op", "keys"}, {"prefix", "stranger/"}});
        if (!keys.value("ok", false) || !keys["keys"].empty()) return "the stranger's data is on " + fleet[node].name;
        const Json peers = fleet.call(node, {{"op", "peers"}});
        if (!peers.value("ok", false) || peers["peers"].size() != fleet_nodes - 1)
            return fleet[node].name + " lost or won a peer";
        for (const Json& peer : peers["peers"]) {
            if (peer["id"] == mine["node"]) return "the stranger is linked to " + fleet[node].name;
        }
    }
    return {};
}

/// A node of a mesh of its own, on the same network, that knows where all five listen.
std::string start_stranger(Fleet& fleet, Member& stranger) {
    stranger.name = "stranger";
    stranger.directory = fleet.base() / stranger.name;
    try {
        Node::create_mesh(stranger.directory);
    } catch (const Error& error) {
        return error.what();
    }
    std::vector<std::string> peers;
    for (auto& member : fleet.members()) {
        peers.emplace_back("--peer");
        peers.push_back("127.0.0.1:" + std::to_string(member.port));
    }
    if (auto wrong = fleet.start(stranger, peers); !wrong.empty()) return wrong;
    if (!fleet.connect(stranger, patience)) return "the stranger's node did not get ready";
    const Json put{{"op", "put"}, {"map", "stranger/data"}, {"field", "secret"}, {"value", "let me in"}};
    return fleet.call(stranger, put).value("ok", false) ? "" : "the stranger could not write to its own node";
}

}  // namespace

Outcome kill_and_return(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    Member& member = fleet[victim];
    fleet.screen().doing("scene 6: kill -9 " + member.name + ", and start it again");
    const auto lives_before = lives_of(fleet.status(0), member.id);
    const std::string id_before = member.id;
    member.client.reset();
    member.process->kill();
    member.note = "killed";
    if (auto wrong = write_meanwhile(stage); !wrong.empty()) return failed(outcome, wrong);
    const bool noticed = fleet.wait_for(patience, [&] {
        for (std::size_t node : survivors) {
            if (fleet.call(node, {{"op", "peers"}})["peers"].size() != survivors.size() - 1) return false;
        }
        return true;
    });
    if (!noticed) return failed(outcome, "the others did not notice");
    fleet.pause(std::chrono::milliseconds(1'500));

    const auto began = Clock::now();
    if (auto wrong = fleet.start(member); !wrong.empty()) return failed(outcome, wrong);
    if (!fleet.connect(member, patience)) return failed(outcome, member.name + " did not come back");
    if (!fleet.wait_for(patience, [&] { return fleet.converged(all_nodes()); }))
        return failed(outcome, "it did not catch up");
    const auto caught_up_ms = ms_since(began);
    const Json caught_up = fleet.status(victim);

    const Json click{{"op", "incr"}, {"counter", "demo/clicks"}, {"amount", 1}};
    if (!fleet.call(victim, click).value("ok", false)) return failed(outcome, "it cannot write");
    ++stage.clicks;
    if (!fleet.wait_for(patience, [&] { return fleet.converged(all_nodes()); }))
        return failed(outcome, "its write did not spread");
    const auto lives = lives_of(fleet.status(0), member.id);
    const bool new_life = lives.size() == lives_before.size() + 1;
    bool counts = true;
    for (std::size_t node : all_nodes()) {
        counts &= fleet.call(node, {{"op", "count"}, {"counter", "demo/clicks"}}).value("value", std::int64_t{-1}) ==
                  stage.clicks;
    }
    outcome.figures = {{"caught_up_ms", caught_up_ms},
                       {"events", fleet.status(victim).value("events", 0)},
                       {"bytes_in", caught_up.value("bytes_in", std::uint64_t{0})},
                       {"lives", lives.size()},
                       {"same_identity", member.id == id_before}};
    outcome.words = member.name + " killed and started again: same identity, new life, " +
                    std::to_string(caught_up.value("live_entries", 0)) + " entries after " +
                    std::to_string(caught_up_ms) + " ms, from its disk but for what it had missed: " +
                    bytes_for_people(caught_up.value("bytes_in", std::uint64_t{0})) + " came from the others";
    if (member.id != id_before) return failed(outcome, "it came back with another identity");
    if (!new_life) return failed(outcome, "it did not begin a new life");
    if (!counts) return failed(outcome, "the counter lost something");
    outcome.pass = true;
    return outcome;
}

Outcome refuse_a_stranger(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    fleet.screen().doing("scene 8: a stranger without the secret tries to join");
    const auto refused_before = refused_at_doors(fleet);
    const std::string fingerprint = fleet.status(0).value("fingerprint", "");
    Member stranger;
    if (auto wrong = start_stranger(fleet, stranger); !wrong.empty()) return failed(outcome, wrong);
    const std::string mesh = fleet.status(0).value("mesh", "");
    std::size_t frames = 0;
    for (auto& member : fleet.members()) frames += knock(member.port, member.id, mesh);
    std::string trace;
    fleet.wait_for(stage.quick ? stranger_quick_ms : stranger_ms, [&] {
        trace = trace_of(fleet, stranger);
        return !trace.empty();
    });
    const auto refused = refused_at_doors(fleet) - refused_before;
    stranger.process->stop(std::chrono::seconds(1));

    outcome.figures = {{"doors", fleet_nodes}, {"refused", refused}, {"frames_answered", frames}};
    outcome.words = "refused " + std::to_string(refused) +
                    " times at 5 doors, although it knows addresses, names and public keys; " +
                    "its data is nowhere, ours is not with it";
    if (!trace.empty()) return failed(outcome, trace);
    if (frames != 0) return failed(outcome, "a node answered the stranger's HELLO");
    if (refused < fleet_nodes) return failed(outcome, "not every door counted a refusal");
    if (fleet.status(0).value("fingerprint", "") != fingerprint) return failed(outcome, "the data changed");
    outcome.pass = true;
    return outcome;
}

}  // namespace starling::cli::demo
