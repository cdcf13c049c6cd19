#include "cli/node_service.hpp"

#include <unistd.h>

#include "cli/data_operations.hpp"
#include "cli/node_report.hpp"
#include "cli/request.hpp"

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;

constexpr std::size_t name_digits_min = 4;
constexpr std::uint64_t valid_s_max = 100ULL * 365 * 24 * 3600;

/// What a writer is told instead of success. In memory mode nobody promises that anything is kept.
std::optional<Json> not_durable(const Commit& commit) {
    try {
        commit.durable();
    } catch (const Error& error) {
        if (error.errc() != Errc::not_durable) return error_answer(code_of(error.errc()), error.what());
    }
    return {};
}

Json invite(const Node& node, const Json& request) {
    Invitation invitation;
    if (const auto at = request.find("role"); at != request.end()) {
        const auto role = at->is_string() ? role_named(at->get<std::string>()) : std::nullopt;
        if (!role) return error_answer(error_code::usage, "\"role\" must be reader, writer, keeper or admin");
        invitation.role = *role;
    }
    if (const auto at = request.find("valid_s"); at != request.end()) {
        if (!at->is_number_unsigned() || at->get<std::uint64_t>() > valid_s_max || *at == 0)
            return error_answer(error_code::usage, "\"valid_s\" must be 1 second to a hundred years");
        invitation.valid_for = std::chrono::seconds(at->get<std::uint64_t>());
    }
    if (const auto at = request.find("uses"); at != request.end()) {
        if (!at->is_number_unsigned() || at->get<std::uint64_t>() > UINT16_MAX)
            return error_answer(error_code::usage, "\"uses\" must be a number up to 65535");
        invitation.uses = at->get<std::uint16_t>();
    }
    Json answer = ok_answer();
    answer["join_code"] = node.invite(invitation);
    return answer;
}

Json peers(const Node& node) {
    Json list = Json::array();
    for (const auto& peer : node.peers()) list.push_back(report(peer));
    Json answer = ok_answer();
    answer["peers"] = std::move(list);
    return answer;
}

Json mesh_members(const Node& node) {
    Json list = Json::array();
    for (const auto& member : node.members()) list.push_back(report(member));
    Json answer = ok_answer();
    answer["members"] = std::move(list);
    return answer;
}

/// The node or invitation that is meant by all digits of its key, or by the first few.
Result<NodeId> key_named(const Node& node, const std::string& text) {
    if (auto id = NodeId::parse(text)) return *id;
    std::set<NodeId> found;
    if (text.size() >= name_digits_min) {
        for (const auto& member : node.members()) {
            if (member.id.to_string().starts_with(text)) found.insert(member.id);
            if (member.invitation && member.invitation->to_string().starts_with(text)) found.insert(*member.invitation);
        }
    }
    if (found.size() == 1) return *found.begin();
    return Fault{FaultCode::malformed, (found.empty() ? "no node or invitation of the mesh is named '"
                                                      : "more than one node or invitation is named '") +
                                           text + "': give all 64 digits of its key, or at least the first " +
                                           std::to_string(name_digits_min) + " ('starling members --json')"};
}

Json revoke(const Node& node, const Json& request) {
    const auto text = text_in(request, "key");
    if (!text) return bad_request(text);
    const auto key = key_named(node, *text);
    if (!key) return bad_request(key);
    const auto itself = request.find("itself");
    if (itself != request.end() && !itself->is_boolean())
        return error_answer(error_code::usage, "\"itself\" must be true or false");
    const bool news = node.revoke(*key, itself != request.end() && itself->get<bool>());
    Json answer = ok_answer();
    answer["key"] = key->to_string();
    answer["revoked"] = news;
    return answer;
}

Json doctor(const Node& node) {
    Json list = Json::array();
    for (const auto& finding : node.diagnose()) list.push_back(report(finding));
    Json answer = ok_answer();
    answer["findings"] = std::move(list);
    return answer;
}

}  // namespace

const char* code_of(Errc error) {
    switch (error) {
        case Errc::invalid_argument:
        case Errc::file_exists:
        case Errc::trimmed:
            return error_code::input;
        case Errc::too_large:
            return error_code::too_large;
        case Errc::reserved_key:
        case Errc::counter_overflow:
        case Errc::not_admin:
        case Errc::no_such_member:
        case Errc::role_forbids:
        case Errc::fenced:
            return error_code::refused;
        case Errc::no_majority:
            return error_code::no_majority;
        case Errc::outcome_unknown:
            return error_code::outcome_unknown;
        default:
            return error_code::unavailable;
    }
}

Json NodeService::answer(const Json& request, ClientSession& session) {
    try {
        return dispatch(request["op"].get<std::string>(), request, session);
    } catch (const Error& error) {
        return error_answer(code_of(error.errc()), error.what());
    } catch (const std::exception& error) {  // out of memory, most likely: one request fails, not the node
        return error_answer(error_code::unavailable, error.what());
    }
}

Json NodeService::dispatch(const std::string& op, const Json& request, ClientSession& session) {
    const auto wait = request.find("durable");
    if (wait != request.end() && !wait->is_boolean())
        return error_answer(error_code::usage, "\"durable\" must be true or false");
    Commit commit;
    if (auto answer = run_write(node_, op, request, commit)) {
        const bool waits = wait == request.end() || wait->get<bool>();
        if (waits) session.before_answer = [commit] { return not_durable(commit); };
        return std::move(*answer);
    }
    if (auto answer = run_read(node_, op, request)) return std::move(*answer);
    if (op == "watch") return watch(request, session);
    if (op == "follow") return follow_events(node_, request, session);
    if (op == "peers") return peers(node_);
    if (op == "doctor") return doctor(node_);
    if (op == "mesh_members") return mesh_members(node_);
    if (op == "invite") return invite(node_, request);
    if (op == "revoke") return revoke(node_, request);
    if (op == "rotate") {
        Json answer = ok_answer();
        answer["secret_epoch"] = node_.rotate();
        return answer;
    }
    if (op == "voters") return agreed_.voters();
    if (op == "set_voters") return agreed_.set_voters(request, session);
    if (op == "lock") return agreed_.lock(request, session);
    if (op == "elect") return agreed_.elect(request, session);
    if (op == "leader") return agreed_.leader(request, session);
    if (auto answer = queues_.run(op, request, session)) return std::move(*answer);
    if (auto answer = registers_.answer(op, request, session)) return std::move(*answer);
    if (op == "backup") return backup(request, session);
    if (op == "fault") return fault(request);
    if (op == "status") {
        Json answer = ok_answer();
        answer.update(report(node_.status()));
        answer["pid"] = ::getpid();
        Json blocked = Json::array();
        for (const auto& id : blocked_) blocked.push_back(id.to_string());
        answer["blocked"] = std::move(blocked);
        return answer;
    }
    if (op == "stop") {
        stop_wanted_ = true;
        return ok_answer();
    }
    return error_answer(error_code::usage, "this node knows no operation '" + op + "'");
}

Json NodeService::watch(const Json& request, ClientSession& session) const {
    auto prefix = text_in(request, "prefix");
    if (!prefix) return bad_request(prefix);
    auto changed = [outbox = session.outbox](const Changes& changes) { outbox->push(report(changes, monotonic_us())); };
    session.held.push_back(std::make_shared<Subscription>(node_.watch(*prefix, std::move(changed))));
    return ok_answer();
}

/// The copy is made beside all other requests, whoever hangs up; {"copied":…} or an error follows the answer when it is
/// done.
Json NodeService::backup(const Json& request, const ClientSession& session) {
    auto file = text_in(request, "file");
    if (!file) return bad_request(file);
    if (copying_.exchange(true)) return error_answer(error_code::unavailable, "another copy is being made: try again");
    copier_ = std::jthread([this, file = *file, outbox = session.outbox] {
        try {
            node_.backup(file);
            Json done = ok_answer();
            done["copied"] = file;
            outbox->push(done);
        } catch (const Error& error) {
            outbox->push(error_answer(code_of(error.errc()), error.what()));
        }
        copying_ = false;
    });
    return ok_answer();
}

Result<NodeId> NodeService::node_named(const std::string& text) const {
    if (auto id = NodeId::parse(text)) return *id;
    std::set<NodeId> found;
    if (text.size() >= name_digits_min) {
        for (const auto& id : blocked_) {
            if (id.to_string().starts_with(text)) found.insert(id);
        }
        for (const auto& peer : node_.peers()) {
            if (peer.id.to_string().starts_with(text)) found.insert(peer.id);
        }
    }
    if (found.size() == 1) return *found.begin();
    return Fault{FaultCode::malformed,
                 (found.empty() ? "no peer is named '" : "more than one peer is named '") + text +
                     "': give all 64 digits of a node's name, or the first few of a linked peer's ('starling peers')"};
}

/// {"block":[…]} adds to the blocked nodes, {"unblock":true} lets all of them in again.
Json NodeService::fault(const Json& request) {
    std::set<NodeId> blocked = blocked_;
    if (request.contains("unblock")) blocked.clear();
    if (request.contains("block")) {
        if (!request["block"].is_array()) return error_answer(error_code::usage, "\"block\" must be a list of nodes");
        for (const Json& item : request["block"]) {
            auto id = node_named(item.is_string() ? item.get<std::string>() : std::string());
            if (!id) return bad_request(id);
            blocked.insert(*id);
        }
    }
    node_.block_peers(blocked);
    blocked_ = std::move(blocked);
    Json answer = ok_answer();
    answer["blocked"] = blocked_.size();
    return answer;
}

}  // namespace starling::cli
