// Scene 7: all nodes are killed in the middle of transactions, so that nobody can give back what a disk does not have.
#include <algorithm>
#include <array>
#include <csignal>
#include <random>
#include <thread>

#include "cli/demo/scenes.hpp"

namespace starling::cli::demo {
namespace {

constexpr int crashes = 4;
constexpr int crashes_quick = 2;
constexpr int parts = 100;                   // fields that one transaction writes
constexpr std::int64_t under_way_max = 8;    // transactions of a node without an answer yet
constexpr std::int64_t kill_us_max = 3'000;  // after the last ones were sent
constexpr std::chrono::milliseconds writing_ms{1'000};
constexpr std::chrono::milliseconds writing_quick_ms{300};
constexpr std::chrono::milliseconds drain_ms_max{200};
constexpr std::chrono::seconds back_patience{30};

/// The transactions of one node, by number: each writes its number into every part of the node's own map.
struct Numbers {
    std::int64_t held = 0;          ///< what the map shows since the crash before
    std::int64_t base = 0;          ///< where those after that crash begin
    std::int64_t sent = 0;          ///< the newest
    std::int64_t acknowledged = 0;  ///< the newest that was; `base` where none was

    std::int64_t least() const { return acknowledged > base ? acknowledged : held; }
};
using Ledger = std::array<Numbers, fleet_nodes>;

std::string whole_map_of(const Member& member) {
    return "demo/whole/" + member.name;
}

Json transaction(const Member& member, std::int64_t number) {
    Json writes = Json::array();
    for (int part = 0; part < parts; ++part) {
        writes.push_back({{"op", "put"}, {"map", whole_map_of(member)}, {"field", part}, {"value", number}});
    }
    writes.push_back({{"op", "incr"}, {"counter", "demo/clicks"}, {"amount", 1}});
    return {{"op", "transact"}, {"writes", std::move(writes)}};
}

/// Sends until so many are under way. What went wrong, else empty.
std::string send_more(Member& member, Numbers& numbers) {
    while (numbers.sent - numbers.acknowledged < under_way_max) {
        if (!member.client || !member.client->send(transaction(member, numbers.sent + 1)))
            return member.name + " hung up";
        ++numbers.sent;
    }
    return {};
}

/// Takes the answer to the oldest that is under way. What went wrong, else empty.
std::string take_oldest_answer(Member& member, Numbers& numbers) {
    auto answer = member.client->receive(reply_ms_max);
    if (!answer) return answer.fault().what;
    if (!answer->value("ok", false)) return (*answer)["error"].value("message", "refused");
    ++numbers.acknowledged;
    return {};
}

/// All nodes write as fast as they answer, and are left with transactions under way. The table rests meanwhile: its own
/// requests would come between.
std::string write_for(Fleet& fleet, Ledger& ledger, std::chrono::milliseconds time) {
    const auto end = Clock::now() + time;
    do {
        for (std::size_t node : all_nodes()) {
            if (auto wrong = send_more(fleet[node], ledger[node]); !wrong.empty()) return wrong;
        }
        for (std::size_t node : all_nodes()) {
            if (auto wrong = take_oldest_answer(fleet[node], ledger[node]); !wrong.empty()) return wrong;
        }
    } while (Clock::now() < end && !Fleet::interrupted());
    for (std::size_t node : all_nodes()) {
        if (auto wrong = send_more(fleet[node], ledger[node]); !wrong.empty()) return wrong;
    }
    return {};
}

/// SIGKILL to all at a moment that nobody chose. What they acknowledged before they died counts, also where it was not
/// read yet.
void kill_all(Fleet& fleet, Ledger& ledger) {
    std::random_device chance;
    std::this_thread::sleep_for(
        std::chrono::microseconds(std::uniform_int_distribution<std::int64_t>(0, kill_us_max)(chance)));
    for (auto& member : fleet.members()) ::kill(member.process->pid(), SIGKILL);
    for (std::size_t node : all_nodes()) {
        Member& member = fleet[node];
        member.process->kill();
        while (auto answer = member.client->receive(drain_ms_max)) {
            if (answer->value("ok", false)) ++ledger[node].acknowledged;
        }
        member.client.reset();
        member.note = "killed";
    }
}

bool together_again(Fleet& fleet) {
    for (const Json& answer : fleet.call_all(all_nodes(), [](std::size_t) { return Json{{"op", "peers"}}; })) {
        if (!answer.value("ok", false) || answer["peers"].size() != fleet_nodes - 1) return false;
    }
    return fleet.converged(all_nodes());
}

/// What went wrong, else empty.
std::string bring_back(Fleet& fleet) {
    for (auto& member : fleet.members()) {
        if (auto wrong = fleet.start(member); !wrong.empty()) return wrong;
    }
    for (auto& member : fleet.members()) {
        if (!fleet.connect(member, back_patience)) return member.name + " did not come back";
    }
    return fleet.wait_for(back_patience, [&] { return together_again(fleet); }) ? "" : "the nodes did not converge";
}

/// The number that all parts of a writer's map show at one node; -1 where they differ or are not all there.
std::int64_t number_at(Fleet& fleet, std::size_t node, const Member& writer) {
    const Json items = fleet.call(node, {{"op", "items"}, {"map", whole_map_of(writer)}}).value("items", Json::array());
    if (items.empty()) return 0;
    const std::int64_t number = items[0][1].get<std::int64_t>();
    const bool whole = std::all_of(items.begin(), items.end(), [&](const Json& item) { return item[1] == number; });
    return whole && items.size() == parts ? number : -1;
}

/// What of a writer's transactions does not hold at a node, else empty.
std::string compare_one(Fleet& fleet, std::size_t node, const Member& writer, const Numbers& numbers,
                        std::int64_t number) {
    const std::int64_t there = number_at(fleet, node, writer);
    if (there < 0) return "half a transaction of " + writer.name + " is on " + fleet[node].name;
    if (there < numbers.least()) return fleet[node].name + " lost what " + writer.name + " acknowledged";
    if (there > numbers.sent || (there > numbers.held && there <= numbers.base))
        return fleet[node].name + " holds what nobody wrote since the last crash";
    return there == number ? "" : fleet[node].name + " differs from " + fleet[0].name;
}

/// Compares what all nodes hold with the ledger, and carries what happened into the next crash; adds to `kept` how many
/// without an answer are there. What does not hold, else empty.
std::string compare_all(Stage& stage, Ledger& ledger, std::int64_t& kept) {
    Fleet& fleet = stage.fleet;
    for (std::size_t writer : all_nodes()) {
        Numbers& numbers = ledger[writer];
        const std::int64_t number = number_at(fleet, 0, fleet[writer]);
        for (std::size_t node : all_nodes()) {
            if (auto wrong = compare_one(fleet, node, fleet[writer], numbers, number); !wrong.empty()) return wrong;
        }
        stage.clicks += std::max(number, numbers.base) - numbers.base;
        kept += std::max(number, numbers.acknowledged) - numbers.acknowledged;
        numbers = {.held = number, .base = numbers.sent, .sent = numbers.sent, .acknowledged = numbers.sent};
    }
    for (std::size_t node : all_nodes()) {
        const Json clicks = fleet.call(node, {{"op", "count"}, {"counter", "demo/clicks"}});
        if (clicks.value("value", std::int64_t{-1}) != stage.clicks) return "the counter lost something";
    }
    return {};
}

}  // namespace

Outcome crash_and_return(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    Ledger ledger{};
    std::int64_t acknowledged = 0, unanswered = 0, kept = 0, back_ms = 0;
    const int times = stage.quick ? crashes_quick : crashes;
    for (int crash = 0; crash < times; ++crash) {
        fleet.screen().doing("scene 7: all five write, and are killed in mid-transaction");
        auto wrong = write_for(fleet, ledger, stage.quick ? writing_quick_ms : writing_ms);
        if (!wrong.empty()) return failed(outcome, wrong);
        kill_all(fleet, ledger);
        for (const Numbers& numbers : ledger) {
            acknowledged += numbers.acknowledged - numbers.base;
            unanswered += numbers.sent - numbers.acknowledged;
        }
        fleet.pause(std::chrono::milliseconds(500));
        const auto began = Clock::now();
        if (wrong = bring_back(fleet); !wrong.empty()) return failed(outcome, wrong);
        back_ms = std::max(back_ms, ms_since(began));
        if (wrong = compare_all(stage, ledger, kept); !wrong.empty()) return failed(outcome, wrong);
    }
    outcome.figures = {{"crashes", times},
                       {"acknowledged", acknowledged},
                       {"unanswered", unanswered},
                       {"unanswered_whole", kept},
                       {"back_ms", back_ms}};
    outcome.words = "all five killed " + std::to_string(times) + " times while they wrote, and back from their disks " +
                    "within " + std::to_string(back_ms) + " ms; " + std::to_string(acknowledged) + " transactions of " +
                    std::to_string(parts) + " fields acknowledged, none lost; of " + std::to_string(unanswered) +
                    " without an answer " + std::to_string(kept) + " are there whole, the others not at all";
    outcome.pass = true;
    return outcome;
}

}  // namespace starling::cli::demo
