// Scenes 9 and 10: where converging is not enough. Of two sides only that with the majority of the voters gets a lock;
// a holder that slept past its time writes too late, and its token says so.
#include <csignal>

#include "cli/demo/scenes.hpp"

namespace starling::cli::demo {
namespace {

constexpr std::chrono::seconds agree_patience{30};
constexpr int long_ttl_ms = 10'000;
constexpr int short_ttl_ms = 1'000;
constexpr int minority_wait_ms = 500;
constexpr int turn_wait_ms = 30'000;
constexpr const char* lock_name = "demo/press";
const std::vector<std::size_t> voters{0, 2, 4};
const std::vector<std::size_t> few{0, 1};
const std::vector<std::size_t> many{2, 3, 4};

/// A connection for one thing that a majority decides: the answer says that it is begun, what came of it follows. A
/// lock lasts as long as the connection.
class Wish {
  public:
    Wish(Fleet& fleet, std::size_t node, Json request) : fleet_(fleet) {
        auto client = ControlClient::connect(fleet[node].directory);
        auto answer = client ? client->call(std::move(request)) : client.fault();
        if (!answer || !answer->value("ok", false)) {
            line_ = answer ? *answer : error_answer(error_code::unavailable, answer.fault().what);
            return;
        }
        client_ = std::move(*client);
    }
    /// What came of it; an error answer where nothing did.
    const Json& line() {
        fleet_.wait_for(agree_patience, [this] { return came(); });
        if (line_.is_null()) line_ = error_answer(error_code::unavailable, "nothing was decided");
        return line_;
    }
    /// Its token; 0: it has none.
    std::uint64_t token() {
        const Json locked = line().value("locked", Json::object());
        return locked.value("token", std::uint64_t{0});
    }
    /// The next line after that says that it is lost.
    bool lost() {
        return fleet_.wait_for(agree_patience, [this] {
            const auto next = client_ ? client_->receive(std::chrono::milliseconds(0)) : no_client();
            return next && next->value("lost", false);
        });
    }
    void give_up() { client_.reset(); }

  private:
    static crdt::Result<Json> no_client() { return crdt::Fault{crdt::FaultCode::not_available, "no connection"}; }
    bool came() {
        if (!line_.is_null()) return true;
        auto next = client_->receive(std::chrono::milliseconds(0));
        if (next) line_ = std::move(*next);
        return !line_.is_null();
    }

    Fleet& fleet_;
    std::optional<ControlClient> client_;
    Json line_;
};

Json lock_of(int ttl_ms, int wait_ms) {
    return {{"op", "lock"}, {"lock", lock_name}, {"ttl_ms", ttl_ms}, {"wait_ms", wait_ms}};
}

Json set_register(const char* value) {
    return {{"op", "agreed_set"}, {"register", "demo/shift"}, {"value", value}};
}

std::string code_in(const Json& answer) {
    return answer.value("error", Json::object()).value("code", "");
}

/// Three of the five vote, two of them on the side of the many. What went wrong, else empty.
std::string name_voters(Fleet& fleet) {
    Json request{{"op", "set_voters"}, {"voters", Json::array()}};
    for (std::size_t node : voters) request["voters"].push_back(fleet[node].id);
    Wish wish(fleet, 0, std::move(request));
    if (!wish.line().value("ok", false)) return "no voters: " + wish.line()["error"].value("message", "");
    const bool known = fleet.wait_for(agree_patience, [&] {
        for (const Json& answer : fleet.call_all(all_nodes(), [](std::size_t) { return Json{{"op", "voters"}}; })) {
            if (!answer.value("ok", false) || answer["voters"].size() != voters.size()) return false;
        }
        return true;
    });
    return known ? "" : "not all nodes know who votes";
}

void cut(Fleet& fleet, bool apart) {
    for (std::size_t node : all_nodes()) {
        const auto& others = node < many.front() ? many : few;
        Json request{{"op", "fault"}, {"unblock", true}, {"block", Json::array()}};
        for (std::size_t other : others) {
            if (apart) request["block"].push_back(fleet[other].id);
        }
        fleet.call(node, std::move(request));
        fleet[node].note = apart ? "apart: 2 | 3" : "";
    }
}

/// Is each of these linked with all the others, and with nobody else?
bool among_themselves(Fleet& fleet, const std::vector<std::size_t>& nodes) {
    for (const Json& answer : fleet.call_all(nodes, [](std::size_t) { return Json{{"op", "peers"}}; })) {
        if (!answer.value("ok", false) || answer["peers"].size() != nodes.size() - 1) return false;
    }
    return true;
}

bool whole_again(Fleet& fleet) {
    return among_themselves(fleet, all_nodes());
}

/// The field of the fenced map, as a node reads it.
Json job_at(Fleet& fleet, std::size_t node) {
    return fleet.call(node, {{"op", "fenced_get"}, {"map", "demo/jobs"}, {"field", "job"}});
}

Json job_put(std::uint64_t token, const std::string& by) {
    return {{"op", "fenced_put"}, {"map", "demo/jobs"}, {"field", "job"}, {"token", token}, {"value", by}};
}

}  // namespace

Outcome agree_in_a_majority(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    fleet.screen().doing("scene 9: cut into 2 | 3 again; one side may have the lock");
    if (auto wrong = name_voters(fleet); !wrong.empty()) return failed(outcome, wrong);
    cut(fleet, true);
    if (!fleet.wait_for(agree_patience, [&] { return among_themselves(fleet, few) && among_themselves(fleet, many); }))
        return failed(outcome, "the links between the sides were not cut");
    const auto began = Clock::now();
    Wish holder(fleet, many[0], lock_of(long_ttl_ms, turn_wait_ms));
    const auto token = holder.token();
    const auto majority_ms = ms_since(began);
    Wish refused(fleet, few[0], lock_of(long_ttl_ms, minority_wait_ms));
    const std::string lock_refused = code_in(refused.line());
    Wish changed(fleet, many[1], set_register("early"));
    Wish unchanged(fleet, few[1], set_register("late"));
    const std::string change_refused = code_in(unchanged.line());
    const bool change_made = changed.line().contains("decided");
    cut(fleet, false);
    if (!fleet.wait_for(agree_patience, [&] { return whole_again(fleet); }))
        return failed(outcome, "the cut did not heal");

    holder.give_up();
    Wish next(fleet, few[0], lock_of(long_ttl_ms, turn_wait_ms));
    const auto next_token = next.token();
    Wish read(fleet, few[1], {{"op", "agreed_get"}, {"register", "demo/shift"}});
    const auto decided = read.line().value("decided", Json::object());
    const std::string shift = decided.contains("value") && decided["value"].is_string() ? decided["value"] : Json("");
    outcome.figures = {{"voters", voters.size()},
                       {"token", token},
                       {"majority_ms", majority_ms},
                       {"lock_refused", lock_refused},
                       {"change_refused", change_refused},
                       {"next_token", next_token},
                       {"value", shift}};
    outcome.words = "the 3 with two of three voters get the lock (token " + std::to_string(token) + ", " +
                    std::to_string(majority_ms) +
                    " ms) and change a register; the 2 are told no_majority. Healed, they get token " +
                    std::to_string(next_token) + " and read what the others decided";
    if (token == 0) return failed(outcome, "the side with the majority did not get the lock");
    if (lock_refused != error_code::no_majority) return failed(outcome, "the minority was not refused the lock");
    if (!change_made || change_refused != error_code::no_majority) return failed(outcome, "the register was wrong");
    if (next_token <= token) return failed(outcome, "the next token is not higher");
    if (shift != "early") return failed(outcome, "what was decided was not read");
    outcome.pass = true;
    return outcome;
}

Outcome fence_a_late_holder(Stage& stage) {
    Outcome outcome;
    Fleet& fleet = stage.fleet;
    Member& sleeper = fleet[1];
    fleet.screen().doing("scene 10: " + sleeper.name + " holds the lock, and is stopped past its time");
    Wish old(fleet, 1, lock_of(short_ttl_ms, turn_wait_ms));
    const auto old_token = old.token();
    if (old_token == 0) return failed(outcome, "it did not get the lock");
    // Told while it sleeps, it writes as it wakes.
    auto late = ControlClient::connect(sleeper.directory);
    if (!late) return failed(outcome, late.fault().what);
    sleeper.client.reset();
    sleeper.note = "stopped";
    ::kill(sleeper.process->pid(), SIGSTOP);
    const auto began = Clock::now();
    const bool told = bool(late->send(job_put(old_token, sleeper.name)));
    Wish taker(fleet, 3, lock_of(short_ttl_ms, turn_wait_ms));
    const auto new_token = taker.token();
    const auto taken_over_ms = ms_since(began);
    const bool written = fleet.call(3, job_put(new_token, fleet[3].name)).value("ok", false);
    ::kill(sleeper.process->pid(), SIGCONT);

    const auto answer = told ? late->receive(reply_ms_max) : crdt::Result<Json>(Json());
    const bool accepted = answer && answer->value("ok", false);
    auto client = ControlClient::connect(sleeper.directory);
    if (client) sleeper.client = std::move(*client);
    sleeper.note.clear();
    const bool lost = old.lost();
    const bool settled =
        fleet.wait_for(agree_patience, [&] { return whole_again(fleet) && fleet.converged(all_nodes()); });
    bool wins = true;
    for (std::size_t node : all_nodes()) {
        const Json job = job_at(fleet, node);
        wins &= job.value("value", "") == fleet[3].name && job.value("token", std::uint64_t{0}) == new_token;
    }
    outcome.figures = {{"ttl_ms", short_ttl_ms},
                       {"old_token", old_token},
                       {"new_token", new_token},
                       {"taken_over_ms", taken_over_ms},
                       {"late_write", accepted ? "lost" : "refused"}};
    outcome.words = sleeper.name + " stopped with token " + std::to_string(old_token) + "; " + fleet[3].name + " has " +
                    std::to_string(new_token) + " after " + std::to_string(taken_over_ms) + " ms, and writes; " +
                    sleeper.name + " wakes and writes last, under its old token: " +
                    (accepted ? "that loses on all five" : "it is refused, having heard of the new one");
    if (new_token <= old_token || !written) return failed(outcome, "nobody took the lock over and wrote");
    if (!answer) return failed(outcome, sleeper.name + " did not wake");
    if (!lost) return failed(outcome, sleeper.name + " was not told that its turn is over");
    if (!settled) return failed(outcome, "the nodes did not converge");
    if (!wins) return failed(outcome, "the late write won");
    outcome.pass = true;
    return outcome;
}

}  // namespace starling::cli::demo
