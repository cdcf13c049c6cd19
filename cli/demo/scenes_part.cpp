// Scenes 4 and 5: the mesh falls apart into two and three, both sides go on writing, and grow together again.
#include <array>
#include <cstdio>

#include "cli/demo/scenes.hpp"

namespace starling::cli::demo {
namespace {

constexpr std::chrono::seconds settle_patience{30};
constexpr std::chrono::milliseconds apart_ms{8'000};
constexpr std::chrono::milliseconds apart_quick_ms{1'000};
constexpr std::chrono::milliseconds between_writes_ms{20};
constexpr double bytes_ratio_max = 2.0;

const std::vector<std::size_t> left{0, 1};
const std::vector<std::size_t> right{2, 3, 4};

/// A counter of the node's own counters, summed over nodes.
std::uint64_t sum_of(Fleet& fleet, const std::vector<std::size_t>& nodes, const char* counter) {
    std::uint64_t sum = 0;
    for (const Json& status : fleet.call_all(nodes, [](std::size_t) { return Json{{"op", "status"}}; })) {
        if (status.value("ok", false)) sum += status["counters"].value(counter, std::uint64_t{0});
    }
    return sum;
}

bool links_are(Fleet& fleet, const std::vector<std::size_t>& nodes, std::size_t links) {
    for (const Json& answer : fleet.call_all(nodes, [](std::size_t) { return Json{{"op", "peers"}}; })) {
        if (!answer.value("ok", false) || answer["peers"].size() != links) return false;
    }
    return true;
}

bool in_step(Fleet& fleet) {
    for (const Json& status : fleet.call_all(all_nodes(), [](std::size_t) { return Json{{"op", "status"}}; })) {
        if (!status.value("synced", false)) return false;
    }
    return true;
}

void switch_faults(Fleet& fleet, bool apart) {
    const auto blocks = [&](const std::vector<std::size_t>& others) {
        Json request{{"op", "fault"}, {"unblock", true}, {"block", Json::array()}};
        if (apart) {
            for (std::size_t other : others) request["block"].push_back(fleet[other].id);
        }
        return request;
    };
    fleet.call_all(left, [&](std::size_t) { return blocks(right); });
    fleet.call_all(right, [&](std::size_t) { return blocks(left); });
    for (std::size_t node : left) fleet[node].note = apart ? "apart: 2 | 3" : "";
    for (std::size_t node : right) fleet[node].note = apart ? "apart: 2 | 3" : "";
}

Json member_write(const char* op, const char* element) {
    return {{"op", op}, {"set", "demo/tools"}, {"element", element}};
}

/// The writes that contradict each other across the gap. What was refused, else empty.
std::string contradict(Stage& stage) {
    struct Write {
        std::size_t node;
        Json request;
    };
    const auto owner = [](const char* name) {
        return Json{{"op", "put"}, {"map", "demo/owner"}, {"field", "depot"}, {"value", name}};
    };
    stage.last_owner = "n4";
    const std::array<Write, 6> writes{{{0, member_write("rm", "hammer")},
                                       {2, member_write("add", "hammer")},
                                       {1, member_write("rm", "saw")},
                                       {3, member_write("rm", "saw")},
                                       {0, owner("n1")},
                                       {3, owner("n4")}}};
    for (const auto& [node, request] : writes) {
        const Json answer = stage.fleet.call(node, request);
        if (!answer.value("ok", false)) return answer["error"].value("message", "refused");
    }
    return {};
}

/// Every node writes a field of its own and one click, again and again. What was refused, else empty.
std::string write_on(Stage& stage, std::chrono::milliseconds time) {
    const auto end = Clock::now() + time;
    for (std::int64_t round = 0; Clock::now() < end && !Fleet::interrupted(); ++round) {
        auto answers = stage.fleet.call_all(all_nodes(), [&](std::size_t node) {
            const std::string& name = stage.fleet[node].name;
            Json reading{{"by", name}, {"round", round}, {"note", "written while the mesh is in two parts"}};
            Json put{{"op", "put"}, {"map", "demo/partition"}, {"field", name + "-" + std::to_string(round)}};
            put["value"] = std::move(reading);
            Json click{{"op", "incr"}, {"counter", "demo/clicks"}, {"amount", 1}};
            return Json{{"op", "transact"}, {"writes", Json::array({std::move(put), std::move(click)})}};
        });
        for (const Json& answer : answers) {
            if (!answer.value("ok", false)) return answer["error"].value("message", "refused");
            ++stage.partition_writes;
            ++stage.clicks;
        }
        stage.fleet.wait_for(between_writes_ms, [] { return false; });
    }
    return {};
}

std::string fingerprint_of(Fleet& fleet, std::size_t node) {
    return fleet.status(node).value("fingerprint", "");
}

/// What does not read as it must on one node after the heal, else empty.
std::string look_at(Stage& stage, std::size_t node) {
    Fleet& fleet = stage.fleet;
    const auto reads = [&](Json request) { return fleet.call(node, std::move(request)); };
    if (!reads({{"op", "has"}, {"set", "demo/tools"}, {"element", "hammer"}}).value("ok", false)) {
        return "the concurrent add was lost";
    }
    if (reads({{"op", "has"}, {"set", "demo/tools"}, {"element", "saw"}}).value("ok", false)) {
        return "what both sides removed is back";
    }
    if (reads({{"op", "get"}, {"map", "demo/owner"}, {"field", "depot"}}).value("value", "") != stage.last_owner) {
        return "the last of the conflicting writes did not win";
    }
    const Json fields = reads({{"op", "items"}, {"map", "demo/partition"}});
    if (fields.value("items", Json::array()).size() != std::size_t(stage.partition_writes))
        return "a write of one side is missing";
    if (reads({{"op", "count"}, {"counter", "demo/clicks"}}).value("value", std::int64_t{-1}) != stage.clicks) {
        return "the counter lost something";
    }
    return {};
}

std::string two_decimals(double number) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.2f", number);
    return text;
}

}  // namespace

Outcome part(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    fleet.screen().doing("scene 4: the mesh is cut into 2 | 3, and both sides go on writing");
    const Json tools{{"op", "transact"},
                     {"writes", Json::array({member_write("add", "hammer"), member_write("add", "saw")})}};
    if (!fleet.call(0, tools).value("ok", false)) return failed(outcome, "a write was refused");
    if (!fleet.wait_for(settle_patience, [&] { return fleet.converged(all_nodes()); })) {
        return failed(outcome, "the nodes did not converge before the cut");
    }
    switch_faults(fleet, true);
    const bool cut = fleet.wait_for(settle_patience, [&] {
        return links_are(fleet, left, left.size() - 1) && links_are(fleet, right, right.size() - 1);
    });
    if (!cut) return failed(outcome, "the links between the sides were not cut");

    const auto left_before = sum_of(fleet, {left[0]}, "body_bytes_applied");
    const auto right_before = sum_of(fleet, {right[0]}, "body_bytes_applied");
    if (auto wrong = contradict(stage); !wrong.empty()) return failed(outcome, wrong);
    if (auto wrong = write_on(stage, stage.quick ? apart_quick_ms : apart_ms); !wrong.empty())
        return failed(outcome, wrong);
    const bool settled =
        fleet.wait_for(settle_patience, [&] { return fleet.converged(left) && fleet.converged(right); });
    if (!settled) return failed(outcome, "a side did not converge by itself");

    const auto left_bytes = sum_of(fleet, {left[0]}, "body_bytes_applied") - left_before;
    const auto right_bytes = sum_of(fleet, {right[0]}, "body_bytes_applied") - right_before;
    stage.missing_bytes = left.size() * right_bytes + right.size() * left_bytes;
    const bool apart = fingerprint_of(fleet, left[0]) != fingerprint_of(fleet, right[0]) &&
                       links_are(fleet, left, left.size() - 1) && links_are(fleet, right, right.size() - 1);
    outcome.figures = {{"sides", {left.size(), right.size()}},
                       {"writes", stage.partition_writes},
                       {"left_bytes", left_bytes},
                       {"right_bytes", right_bytes}};
    outcome.words = "cut into 2 | 3; " + std::to_string(stage.partition_writes) + " transactions on both sides (" +
                    bytes_for_people(left_bytes) + " | " + bytes_for_people(right_bytes) +
                    "), an add against a remove, two writers of one field; each side agrees with itself";
    if (!apart) return failed(outcome, "the sides were not apart");
    outcome.pass = true;
    return outcome;
}

Outcome heal(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    fleet.pause(std::chrono::milliseconds(1'500));
    fleet.screen().doing("scene 5: the cut heals");
    const auto sent_before = sum_of(fleet, all_nodes(), "bytes_sent");
    const auto began = Clock::now();
    switch_faults(fleet, false);
    if (!fleet.wait_for(settle_patience, [&] { return fleet.converged(all_nodes()); })) {
        return failed(outcome, "the nodes did not converge after the heal");
    }
    const auto heal_ms = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
    if (!fleet.wait_for(settle_patience,
                        [&] { return links_are(fleet, all_nodes(), fleet_nodes - 1) && in_step(fleet); })) {
        return failed(outcome, "the nodes do not know that they are in step");
    }
    const auto sent = sum_of(fleet, all_nodes(), "bytes_sent") - sent_before;
    const double ratio = stage.missing_bytes > 0 ? double(sent) / double(stage.missing_bytes) : 0;
    outcome.figures = {{"heal_ms", heal_ms},
                       {"bytes_sent", sent},
                       {"bytes_missing", stage.missing_bytes},
                       {"ratio", ratio},
                       {"fingerprint", fingerprint_of(fleet, 0)}};
    for (std::size_t node : all_nodes()) {
        if (auto wrong = look_at(stage, node); !wrong.empty()) return failed(outcome, fleet[node].name + ": " + wrong);
    }
    outcome.words = "equal fingerprints after " + std::to_string(heal_ms) + " ms; sent " + bytes_for_people(sent) +
                    " for " + bytes_for_people(stage.missing_bytes) + " that were missing: ratio " +
                    two_decimals(ratio) + "; the add won, the last writer won, nothing was lost";
    if (stage.missing_bytes == 0 || ratio > bytes_ratio_max)
        return failed(outcome, "more than twice the missing bytes were sent");
    outcome.pass = true;
    return outcome;
}

}  // namespace starling::cli::demo
