// Scenes 1 to 3: the nodes find each other, share a real inventory, and all count at once.
#include <algorithm>
#include <cstdio>
#include <map>

#include "cli/demo/intruders.hpp"
#include "cli/demo/scenes.hpp"

namespace starling::cli::demo {
namespace {

constexpr std::chrono::seconds meet_patience{20};
constexpr std::chrono::seconds converge_patience{30};
constexpr std::chrono::seconds probe_patience{5};
constexpr std::size_t packages_a_transaction = 40;
constexpr std::size_t probes = 200;
constexpr std::size_t probes_quick = 60;
constexpr std::chrono::milliseconds counting_ms{8'000};
constexpr std::chrono::milliseconds counting_quick_ms{1'000};

bool all_linked(Fleet& fleet) {
    for (const Json& status : fleet.call_all(all_nodes(), [](std::size_t) { return Json{{"op", "peers"}}; })) {
        if (!status.value("ok", false) || status["peers"].size() != fleet_nodes - 1) return false;
    }
    return true;
}

/// The writes that load one package: its place in the fleet map, its section's counter, its maintainer.
void add_writes(Json& writes, const Package& package) {
    Json entry{{"version", package.version}, {"section", package.section}, {"installed_kib", package.installed_kib}};
    writes.push_back(
        {{"op", "put"}, {"map", "fleet/packages"}, {"field", package.field()}, {"value", std::move(entry)}});
    writes.push_back({{"op", "incr"}, {"counter", "fleet/section/" + package.section}, {"amount", 1}});
    if (!package.maintainer.empty()) {
        writes.push_back({{"op", "add"}, {"set", "fleet/maintainers"}, {"element", package.maintainer}});
    }
}

/// Each node loads every fifth package, all five at once. What was refused, else empty.
std::string load_shares(Stage& stage) {
    std::vector<std::size_t> next{0, 1, 2, 3, 4};
    while (std::any_of(next.begin(), next.end(), [&](std::size_t at) { return at < stage.packages.size(); })) {
        auto answers = stage.fleet.call_all(all_nodes(), [&](std::size_t node) {
            Json writes = Json::array();
            for (std::size_t count = 0; count < packages_a_transaction && next[node] < stage.packages.size(); ++count) {
                add_writes(writes, stage.packages[next[node]]);
                next[node] += fleet_nodes;
            }
            return Json{{"op", "transact"}, {"writes", std::move(writes)}};
        });
        for (const Json& answer : answers) {
            if (!answer.value("ok", false)) return answer["error"].value("message", "refused");
        }
        stage.fleet.refresh();
        if (Fleet::interrupted()) return "interrupted";
    }
    return {};
}

/// Compares what one node holds with the direct read of the file; what differs, else empty.
std::string compare(Fleet& fleet, std::size_t node, const Expected& expected) {
    const Json packages = fleet.call(node, {{"op", "items"}, {"map", "fleet/packages"}});
    if (!packages.value("ok", false) || packages["items"].size() != expected.packages.size())
        return "number of packages";
    for (const Json& item : packages["items"]) {
        const auto at = expected.packages.find(item[0].get<std::string>());
        if (at == expected.packages.end()) return item[0].get<std::string>() + " is not in the file";
        if (item[1].value("version", "") != at->second.version || item[1].value("section", "") != at->second.section ||
            item[1].value("installed_kib", std::uint64_t{0}) != at->second.installed_kib) {
            return item[0].get<std::string>();
        }
    }
    for (const auto& [section, count] : expected.sections) {
        const Json answer = fleet.call(node, {{"op", "count"}, {"counter", "fleet/section/" + section}});
        if (answer.value("value", std::int64_t{-1}) != count) return "counter of section " + section;
    }
    const Json maintainers = fleet.call(node, {{"op", "members"}, {"set", "fleet/maintainers"}});
    std::set<std::string> names;
    for (const Json& member : maintainers.value("members", Json::array())) names.insert(member.get<std::string>());
    return names == expected.maintainers ? "" : "set of maintainers";
}

/// All five add to one counter for a while, each as fast as it answers.
std::string click_for(Stage& stage, std::chrono::milliseconds time) {
    const auto end = Clock::now() + time;
    while (Clock::now() < end && !Fleet::interrupted()) {
        const auto click = [](std::size_t) { return Json{{"op", "incr"}, {"counter", "demo/clicks"}, {"amount", 1}}; };
        for (const Json& answer : stage.fleet.call_all(all_nodes(), click)) {
            if (!answer.value("ok", false)) return answer["error"].value("message", "refused");
            ++stage.clicks;
        }
        stage.fleet.refresh();
    }
    return {};
}

bool all_count(Stage& stage) {
    for (std::size_t node : all_nodes()) {
        const Json answer = stage.fleet.call(node, {{"op", "count"}, {"counter", "demo/clicks"}});
        if (answer.value("value", std::int64_t{-1}) != stage.clicks) return false;
    }
    return true;
}

/// Writes one field at a time, by turns, and notes when the watchers of the four other nodes saw it; all stamps are of
/// the machine's one monotonic clock, taken inside the nodes. Microseconds, sorted; empty where something got lost.
std::vector<std::int64_t> probe(Stage& stage, std::size_t count) {
    std::vector<ControlClient> watchers;
    for (auto& member : stage.fleet.members()) {
        auto client = ControlClient::connect(member.directory);
        if (!client || !client->call({{"op", "watch"}, {"prefix", "demo/probe"}}, reply_ms_max)) return {};
        watchers.push_back(std::move(*client));
    }
    std::vector<std::int64_t> latencies_us;
    for (std::size_t round = 0; round < count && !Fleet::interrupted(); ++round) {
        const std::size_t writer = round % fleet_nodes;
        const Json answer =
            stage.fleet.call(writer, {{"op", "put"}, {"map", "demo/probe"}, {"field", round}, {"value", writer}});
        if (!answer.value("ok", false)) return {};
        const auto began_us = answer["began_us"].get<std::int64_t>();
        std::int64_t last_us = began_us;
        for (std::size_t node : all_nodes()) {
            auto line = watchers[node].receive(probe_patience);
            if (!line || !line->contains("change")) return {};
            const Json& change = (*line)["change"];
            if (change["changes"].size() != 1 || change["changes"][0]["field"] != round) return {};
            if (node != writer) last_us = std::max(last_us, change["at_us"].get<std::int64_t>());
        }
        latencies_us.push_back(last_us - began_us);
        stage.fleet.refresh();
    }
    std::sort(latencies_us.begin(), latencies_us.end());
    return latencies_us;
}

double ms_at(const std::vector<std::int64_t>& sorted_us, std::size_t percent) {
    return double(sorted_us[std::min(sorted_us.size() - 1, sorted_us.size() * percent / 100)]) / 1000.0;
}

std::string with_decimals(double number) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.1f", number);
    return text;
}

}  // namespace

std::int64_t ms_since(Clock::time_point began) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
}

Outcome failed(Outcome outcome, std::string why) {
    outcome.pass = false;
    outcome.why = Fleet::interrupted() ? "interrupted" : std::move(why);
    return outcome;
}

Outcome find_each_other(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    fleet.screen().doing("scene 1: five processes start and look for each other");
    if (auto wrong = fleet.prepare(); !wrong.empty()) return failed(outcome, wrong);
    const auto began = Clock::now();
    for (auto& member : fleet.members()) {
        if (auto wrong = fleet.start(member); !wrong.empty()) return failed(outcome, wrong);
    }
    for (auto& member : fleet.members()) {
        if (!fleet.connect(member, meet_patience)) {
            return failed(outcome,
                          member.name + " did not get ready: see " + (fleet.base() / (member.name + ".log")).string());
        }
    }
    if (!fleet.wait_for(meet_patience, [&] { return all_linked(fleet); }))
        return failed(outcome, "not all found each other");
    const auto ready_ms = ms_since(began);
    std::size_t encrypted = 0;
    for (auto& member : fleet.members()) encrypted += speaks_curve_only(member.port) ? 1 : 0;

    outcome.figures = {{"nodes", fleet_nodes},
                       {"links", fleet_nodes * (fleet_nodes - 1) / 2},
                       {"ready_ms", ready_ms},
                       {"plaintext_refused", encrypted}};
    outcome.words = "5 nodes, 10 links, ready in " + std::to_string(ready_ms) + " ms; " + std::to_string(encrypted) +
                    " of 5 speak CURVE and hang up on plain text";
    if (encrypted != fleet_nodes) return failed(outcome, "a node answered somebody without encryption");
    outcome.pass = true;
    return outcome;
}

Outcome load_the_inventory(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    fleet.screen().doing("scene 2: each node loads its fifth of " + stage.inventory_file);
    const auto began = Clock::now();
    if (auto wrong = load_shares(stage); !wrong.empty()) return failed(outcome, wrong);
    const auto loaded_ms = ms_since(began);
    const bool converged = fleet.wait_for(converge_patience, [&] { return fleet.converged(all_nodes()); });
    const auto converged_ms = ms_since(began);
    if (!converged) return failed(outcome, "the nodes did not converge");
    const Expected expected = expect_from(stage.inventory_file);
    outcome.figures = {{"packages", expected.packages.size()},
                       {"sections", expected.sections.size()},
                       {"maintainers", expected.maintainers.size()},
                       {"loaded_ms", loaded_ms},
                       {"converged_ms", converged_ms}};
    for (std::size_t node : all_nodes()) {
        if (auto wrong = compare(fleet, node, expected); !wrong.empty()) {
            return failed(outcome, fleet[node].name + " differs from the file: " + wrong);
        }
    }
    outcome.figures["nodes_equal_to_file"] = fleet_nodes;
    outcome.words = std::to_string(expected.packages.size()) + " packages, " +
                    std::to_string(expected.sections.size()) + " sections, " +
                    std::to_string(expected.maintainers.size()) + " maintainers; loaded in " +
                    std::to_string(loaded_ms) + " ms, on all five in " + std::to_string(converged_ms) +
                    " ms; all equal to the file";
    outcome.pass = true;
    return outcome;
}

Outcome count_together(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    fleet.screen().doing("scene 3: all five add to one counter at once");
    if (auto wrong = click_for(stage, stage.quick ? counting_quick_ms : counting_ms); !wrong.empty()) {
        return failed(outcome, wrong);
    }
    if (!fleet.wait_for(converge_patience, [&] { return all_count(stage); }))
        return failed(outcome, "the counter lost something");
    fleet.screen().doing("scene 3: how long until a write is visible at all four others");
    const std::size_t wanted = stage.quick ? probes_quick : probes;
    const auto latencies_us = probe(stage, wanted);
    outcome.figures = {{"increments", stage.clicks}, {"probes", latencies_us.size()}};
    if (latencies_us.size() != wanted) return failed(outcome, "a write did not become visible at all others");
    const double p50 = ms_at(latencies_us, 50), p99 = ms_at(latencies_us, 99);
    outcome.figures["visible_p50_ms"] = p50;
    outcome.figures["visible_p99_ms"] = p99;
    outcome.words = std::to_string(stage.clicks) + " increments, " + std::to_string(stage.clicks) +
                    " on every node; a write is visible at all four others after " + with_decimals(p50) +
                    " ms (p50), " + with_decimals(p99) + " ms (p99)";
    outcome.pass = true;
    return outcome;
}

}  // namespace starling::cli::demo
