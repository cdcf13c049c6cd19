#include "cli/demo/fleet.hpp"

#include <csignal>
#include <thread>

#include <starling/starling.hpp>

namespace starling::cli::demo {
namespace {

constexpr std::chrono::milliseconds ask_again_ms{5};
constexpr std::chrono::milliseconds redraw_ms{150};
constexpr std::chrono::milliseconds stop_ms_max{1'500};

volatile std::sig_atomic_t signalled = 0;

void on_signal(int) {
    signalled = 1;
}

Json gone_answer(const std::string& why) {
    return error_answer(error_code::unavailable, why);
}

std::string digits(const Json& status, const char* name) {
    return status.contains(name) ? status[name].dump() : "";
}

}  // namespace

const std::vector<std::size_t>& all_nodes() {
    static const std::vector<std::size_t> nodes{0, 1, 2, 3, 4};
    return nodes;
}

void notice_signals() {
    struct sigaction action{};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
}

bool Fleet::interrupted() {
    return signalled != 0;
}

Fleet::Fleet(Screen& screen, std::filesystem::path base, std::uint16_t discovery_port)
    : screen_(screen), base_(std::move(base)), discovery_port_(discovery_port) {
    for (std::size_t node = 0; node < fleet_nodes; ++node) {
        Member member;
        member.name = "n" + std::to_string(node + 1);
        member.directory = base_ / member.name;
        members_.push_back(std::move(member));
    }
}

Fleet::~Fleet() {
    for (auto& member : members_) {
        if (member.process && member.process->running()) ::kill(member.process->pid(), SIGTERM);
    }
    for (auto& member : members_) {
        if (member.process) member.process->stop(stop_ms_max);
    }
}

std::string Fleet::prepare() {
    try {
        const std::string code = Node::create_mesh(members_[0].directory);
        for (std::size_t node = 1; node < members_.size(); ++node) Node::join(members_[node].directory, code);
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

std::string Fleet::start(Member& member, const std::vector<std::string>& more_arguments) {
    std::vector<std::string> arguments{
        "up",        "--json",      "--dir", member.directory.string(), "--listen",
        "127.0.0.1", "--interface", "lo",    "--discovery-port",        std::to_string(discovery_port_)};
    arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
    auto child = Child::start(arguments, base_ / (member.name + ".log"));
    if (!child) return child.fault().what;
    member.client.reset();
    member.process = std::move(*child);
    member.note = "starting";
    return {};
}

bool Fleet::connect(Member& member, std::chrono::milliseconds patience) {
    const bool ready = wait_for(patience, [&] {
        if (member.client) return true;
        auto line = member.process->try_line();
        auto json = parse_json(line.value_or(""));
        if (!json || !json->is_object() || !json->contains("node")) return false;
        member.id = (*json)["node"].get<std::string>();
        member.port = (*json)["port"].get<std::uint16_t>();
        auto client = ControlClient::connect(member.directory);
        if (client) member.client = std::move(*client);
        return member.client.has_value();
    });
    if (ready) member.note.clear();
    return ready;
}

Json Fleet::call(Member& member, Json request) {
    if (!member.client) return gone_answer(member.name + " does not run");
    auto answer = member.client->call(std::move(request), reply_ms_max);
    if (answer) return std::move(*answer);
    member.client.reset();  // what comes late would be taken for another request's answer
    return gone_answer(answer.fault().what);
}

std::vector<Json> Fleet::call_all(const std::vector<std::size_t>& nodes,
                                  const std::function<Json(std::size_t)>& request) {
    for (std::size_t node : nodes) {
        auto& client = members_[node].client;
        if (client && !client->send(request(node))) client.reset();
    }
    std::vector<Json> answers;
    for (std::size_t node : nodes) {
        auto& client = members_[node].client;
        auto answer = client ? client->receive(reply_ms_max)
                             : crdt::Fault{crdt::FaultCode::not_available, members_[node].name + " does not run"};
        if (!answer) client.reset();
        answers.push_back(answer ? std::move(*answer) : gone_answer(answer.fault().what));
    }
    return answers;
}

bool Fleet::wait_for(std::chrono::milliseconds patience, const std::function<bool()>& holds) {
    const auto deadline = std::min(Clock::now() + patience, began_ + demo_seconds_max);
    while (!interrupted()) {
        if (holds()) return true;
        if (Clock::now() >= deadline) return false;
        refresh();
        std::this_thread::sleep_for(ask_again_ms);
    }
    return false;
}

void Fleet::pause(std::chrono::milliseconds time) {
    if (screen_.mode() == Mode::terminal) wait_for(time, [] { return false; });
}

bool Fleet::converged(const std::vector<std::size_t>& nodes) {
    const auto answers = call_all(nodes, [](std::size_t) { return Json{{"op", "status"}}; });
    for (const Json& answer : answers) {
        if (!answer.value("ok", false) || answer["version"] != answers[0]["version"] ||
            answer["fingerprint"] != answers[0]["fingerprint"]) {
            return false;
        }
    }
    return true;
}

Row Fleet::row_of(Member& member) {
    Row row;
    row.name = member.name;
    row.node = member.id.substr(0, 8);
    row.state = member.note;
    if (member.process && member.process->running()) row.pid = std::to_string(member.process->pid());
    if (!member.client) return row;
    const Json status = call(member, {{"op", "status"}});
    if (!status.value("ok", false)) return row;
    const Json clicks = call(member, {{"op", "count"}, {"counter", "demo/clicks"}});
    row.links = std::to_string(status["peers"].size());
    row.entries = digits(status, "live_entries");
    row.clicks = digits(clicks, "value");
    row.events = digits(status, "events");
    row.fingerprint = status["fingerprint"].get<std::string>().substr(0, 8);
    row.sent = bytes_for_people(status["counters"].value("bytes_sent", std::uint64_t{0}));
    if (row.state.empty()) row.state = status["synced"].get<bool>() ? "in step" : "catching up";
    return row;
}

void Fleet::refresh() {
    const auto now = Clock::now();
    if (screen_.mode() != Mode::terminal || now < next_refresh_) return;
    std::vector<Row> rows;
    for (auto& member : members_) rows.push_back(row_of(member));
    screen_.table(rows, seconds());
    next_refresh_ = Clock::now() + redraw_ms;
}

}  // namespace starling::cli::demo
