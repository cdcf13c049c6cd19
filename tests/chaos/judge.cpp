// Is what clients were told of registers linearizable? Reads a history, JSON Lines in any order, and judges each
// register by itself with the search that also judges the simulator's histories.
//
//     {"register":"r","kind":"swap","call":17,"return":21,"number":7,"expected":[3,5],"changed":true,"after":[7]}
//
// "kind" is read, append, swap or put (tests/agree/linearizable.hpp), "call" and "return" are instants of one clock,
// whole numbers, of which no two need differ: a call that ends when another begins is taken to be beside it. "after" is
// what the register held right after, where the answer told. An unknown outcome has no "return": such a call may have
// taken effect at any time after its beginning, also after the end of the history, or never, and its answer counts for
// nothing. What was surely not done, for want of a majority for example, is no part of a history: should its number
// be seen all the same, nothing explains that.
//
// Exit code 0: every register's history is linearizable; 1: one is not, and what shows it is printed; 2: no history.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <map>

#include <nlohmann/json.hpp>

#include "tests/agree/linearizable.hpp"

namespace {

using namespace starling::agree_trial;
using nlohmann::json;

constexpr int exit_good = 0, exit_wrong = 1, exit_unreadable = 2;
constexpr std::size_t shown_max = 20;  // calls before the one that nothing explains

Call::Kind kind_of(const std::string& name) {
    static const std::map<std::string, Call::Kind> kinds{{"read", Call::Kind::read},
                                                         {"append", Call::Kind::append},
                                                         {"swap", Call::Kind::swap},
                                                         {"put", Call::Kind::put}};
    return kinds.at(name);
}

/// Throws where a line is no call.
std::map<std::string, std::vector<Call>> read(std::istream& lines) {
    std::map<std::string, std::vector<Call>> calls;
    for (std::string line; std::getline(lines, line);) {
        const auto item = json::parse(line);
        Call call{.kind = kind_of(item.at("kind"))};
        // Two to each instant, so that what begins there stands before what ends there: beside it, not after it.
        call.begin = 2 * item.at("call").get<std::uint64_t>();
        const bool answered = item.contains("return") && !item["return"].is_null();
        if (answered) call.end = 2 * item["return"].get<std::uint64_t>() + 1;
        if (call.end < call.begin) throw std::out_of_range("a call returns before it began");
        if (call.kind != Call::Kind::read) call.number = item.at("number");
        if (call.kind == Call::Kind::swap) call.expected = item.at("expected").get<List>();
        if (answered && item.contains("after")) call.after = item["after"].get<List>();
        if (answered && item.contains("changed")) call.changed = item["changed"].get<bool>();
        calls[item.at("register")].push_back(std::move(call));
    }
    return calls;
}

/// The last calls by their ends, and those without one, of what led to an answer that nothing explains.
void show(const std::string& name, const std::vector<Call>& wrong) {
    std::vector<std::uint64_t> ends;
    std::vector<Call> last, open;
    for (const auto& call : wrong) {
        if (call.end != UINT64_MAX) ends.push_back(call.end);
        if (call.end == UINT64_MAX) open.push_back(call);
    }
    std::sort(ends.begin(), ends.end());
    const auto before = ends.size() > shown_max ? ends.size() - shown_max : 0;
    for (auto at = before; at < ends.size(); ++at) {
        for (const auto& call : wrong) {
            if (call.end == ends[at] && (at == before || ends[at - 1] != ends[at])) last.push_back(call);
        }
    }
    std::cout << "register '" << name << "' is not linearizable: no order explains the last of these answers\n";
    if (before > 0) std::cout << before << " calls before\n";
    std::cout << to_string(last) << "without an answer, or not yet:\n" << to_string(open);
}

int judge(std::istream& lines) {
    const auto registers = read(lines);
    if (registers.empty()) throw std::out_of_range("there is no call in it");
    std::size_t count = 0, open = 0, wrong = 0;
    for (const auto& [name, calls] : registers) {
        count += calls.size();
        for (const auto& call : calls) open += call.end == UINT64_MAX ? 1 : 0;
        const auto shown = linearizable(calls) ? std::vector<Call>{} : shortest_wrong(calls);
        if (shown.empty()) continue;
        ++wrong;
        show(name, shown);
    }
    std::cout << count << " calls of " << registers.size() << " registers, " << open
              << " without an answer: " << (wrong == 0 ? "linearizable" : std::to_string(wrong) + " registers are not")
              << '\n';
    return wrong == 0 ? exit_good : exit_wrong;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "say which history: agreed-judge FILE\n";
        return exit_unreadable;
    }
    try {
        std::ifstream file(argv[1]);
        if (!file) throw std::out_of_range("it cannot be opened");
        return judge(file);
    } catch (const std::exception& error) {
        std::cerr << argv[1] << " is no history: " << error.what() << '\n';
        return exit_unreadable;
    }
}
