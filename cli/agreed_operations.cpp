#include "cli/agreed_operations.hpp"

#include <exception>
#include <memory>
#include <set>

#include "cli/node_service.hpp"
#include "cli/request.hpp"

namespace starling::cli {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t voter_digits_min = 4;
constexpr milliseconds set_voters_ms_max{20'000};
constexpr std::int64_t lock_ms_max = milliseconds(lock_ttl_max).count();
constexpr std::int64_t lock_wait_ms_max = milliseconds(std::chrono::hours(24 * 365)).count();

Json answer_for(const Error& error) {
    return error_answer(code_of(error.errc()), error.what());
}

Json voters_of(const Node& node) {
    const auto voters = node.voters();
    Json list = Json::array();
    for (const auto& voter : voters.list) {
        list.push_back({{"node", voter.node.to_string()},
                        {"linked", voter.linked},
                        {"self", voter.node == node.id()},
                        {"incoming", voter.incoming},
                        {"leaving", voter.leaving}});
    }
    Json answer = ok_answer();
    answer["epoch"] = voters.epoch;
    answer["votes"] = voters.votes;
    answer["voters"] = std::move(list);
    return answer;
}

/// A client's wish for a lock, and its turn. The thread ends first, and the turn with the rest.
struct Turn {
    Lock lock;
    std::jthread wanting;
};

}  // namespace

Json AgreedOperations::voters() const {
    return voters_of(node_);
}

crdt::Result<NodeId> AgreedOperations::named(const std::string& text) const {
    if (auto id = NodeId::parse(text)) return *id;
    std::set<NodeId> known{node_.id()};
    for (const auto& peer : node_.peers()) known.insert(peer.id);
    for (const auto& voter : node_.voters().list) known.insert(voter.node);
    if (text.size() < voter_digits_min) known.clear();
    std::erase_if(known, [&](const NodeId& id) { return !id.to_string().starts_with(text); });
    if (known.size() == 1) return *known.begin();
    return crdt::Fault{crdt::FaultCode::malformed,
                       (known.empty() ? "no node here is named '" : "more than one node is named '") + text +
                           "': give all 64 digits of a name, or the first few ('starling status', 'starling peers')"};
}

Json AgreedOperations::set_voters(const Json& request, const ClientSession& session) {
    const auto list = request.find("voters");
    if (list == request.end() || !list->is_array())
        return error_answer(error_code::usage, "\"voters\" must be a list of nodes");
    std::vector<NodeId> nodes;
    for (const Json& item : *list) {
        auto id = named(item.is_string() ? item.get<std::string>() : std::string());
        if (!id) return bad_request(id);
        nodes.push_back(*id);
    }
    if (changing_.exchange(true))
        return error_answer(error_code::unavailable, "another change of voters is under way: try again");
    changer_ = std::jthread([this, nodes = std::move(nodes), outbox = session.outbox] {
        try {
            node_.set_voters(nodes, set_voters_ms_max);
            outbox->push(voters_of(node_));
        } catch (const Error& error) {
            outbox->push(answer_for(error));
        } catch (const std::exception& error) {  // out of memory, most likely
            outbox->push(error_answer(error_code::unavailable, error.what()));
        }
        changing_ = false;
    });
    return ok_answer();
}

Json AgreedOperations::lock(const Json& request, ClientSession& session) const {
    auto name = text_in(request, "lock");
    if (!name) return bad_request(name);
    return turn(request, session, "the lock '" + *name + "'", [node = &node_, name = *name](LockOptions options) {
        if (options.wait.count() > 0) return node->lock(name, options);
        options.wait = decide_within;  // for an answer
        return node->try_lock(name, options);
    });
}

Json AgreedOperations::elect(const Json& request, ClientSession& session) const {
    auto role = text_in(request, "role");
    if (!role) return bad_request(role);
    return turn(request, session, "the role '" + *role + "'", [node = &node_, role = *role](LockOptions options) {
        if (options.wait.count() == 0) options.wait = decide_within;  // for an answer
        return node->election(role, options.ttl).campaign(std::move(options));
    });
}

Json AgreedOperations::leader(const Json& request, ClientSession& session) {
    auto role = text_in(request, "role");
    if (!role) return bad_request(role);
    return background_.run(session, [node = &node_, role = *role](const std::stop_token&) {
        const auto state = node->election(role).leader();
        if (!state.holder) return error_answer(error_code::absent, "nobody has the role '" + role + "'");
        Json line = ok_answer();
        line["leader"] = {{"node", state.holder->to_string()}, {"token", state.token}, {"note", state.note}};
        return line;
    });
}

Json AgreedOperations::turn(const Json& request, ClientSession& session, const std::string& what, Take take) {
    auto ttl_ms = integer_in(request, "ttl_ms");
    const crdt::Result<std::int64_t> no_end = lock_wait_ms_max;
    auto wait_ms = request.contains("wait_ms") ? integer_in(request, "wait_ms") : no_end;
    if (!ttl_ms || !wait_ms) return bad_request(ttl_ms, wait_ms);
    if (*ttl_ms < 0 || *ttl_ms > lock_ms_max || *wait_ms < 0 || *wait_ms > lock_wait_ms_max)
        return error_answer(error_code::input, "\"ttl_ms\" is 100 ms to a day, \"wait_ms\" at most a year");
    if (session.wished_lock)  // each has a thread
        return error_answer(error_code::usage, "a connection is for one lock: open another for the next");
    LockOptions options;
    options.ttl = milliseconds(*ttl_ms);
    options.wait = milliseconds(*wait_ms);
    options.note = request.contains("note") && request["note"].is_string() ? request["note"].get<std::string>() : "";
    const auto tell_lost = [outbox = session.outbox] {
        Json line = ok_answer();
        line["lost"] = true;
        outbox->push(line);
    };
    options.lost = tell_lost;
    auto turn = std::make_shared<Turn>();
    // The thread ends with what it writes to.
    turn->wanting = std::jthread([into = turn.get(), what, take = std::move(take), options = std::move(options),
                                  outbox = session.outbox, tell_lost](const std::stop_token& stop) mutable {
        try {
            options.stop = stop;
            into->lock = take(options);
            if (!into->lock && !stop.stop_requested())
                outbox->push(error_answer(error_code::absent, "somebody else has " + what));
            if (!into->lock) return;
            if (!into->lock.held()) {  // whoever tells of losses may have done so, or not yet
                tell_lost();
                return;
            }
            Json line = ok_answer();
            line["locked"] = {{"token", into->lock.token()}};
            outbox->push(line);
        } catch (const Error& error) {
            outbox->push(answer_for(error));
        } catch (const std::exception& error) {  // out of memory, most likely
            outbox->push(error_answer(error_code::unavailable, error.what()));
        }
    });
    session.wished_lock = true;
    session.held.push_back(std::move(turn));
    return ok_answer();
}

}  // namespace starling::cli
