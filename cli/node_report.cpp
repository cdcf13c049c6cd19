#include "cli/node_report.hpp"

#include <chrono>

#include "cli/json_value.hpp"

namespace starling::cli {
namespace {

std::int64_t us_of(Stamp stamp) {
    return stamp.time_since_epoch().count();
}

Json counters_of(const NodeCounters& counters) {
    return {{"changesets_sent", counters.changesets_sent},
            {"changesets_received", counters.changesets_received},
            {"changesets_redundant", counters.changesets_redundant},
            {"changeset_bytes_sent", counters.changeset_bytes_sent},
            {"control_bytes_sent", counters.control_bytes_sent},
            {"bytes_sent", counters.bytes_sent},
            {"body_bytes_applied", counters.body_bytes_applied},
            {"pulls", counters.pulls},
            {"diffs", counters.diffs},
            {"diffs_failed", counters.diffs_failed},
            {"malformed", counters.malformed},
            {"refused", counters.refused},
            {"clock_warnings", counters.clock_warnings},
            {"faults", counters.faults},
            {"update_needed", counters.update_needed},
            {"unsealed", counters.unsealed},
            {"seals_failed", counters.seals_failed},
            {"forks", counters.forks},
            {"door_admitted", counters.door_admitted},
            {"door_refused", counters.door_refused},
            {"beacons_heard", counters.beacons_heard}};
}

Json store_of(const StoreStatus& store) {
    return {{"file_bytes", store.file_bytes},
            {"unused_bytes", store.unused_bytes},
            {"write_ahead_bytes", store.write_ahead_bytes},
            {"log_bytes", store.log_bytes},
            {"unstored_bytes", store.unstored_bytes},
            {"commits", store.commits},
            {"trouble", store.trouble}};
}

Json report_change(const Change& change) {
    Json json{{"type", name_of(change.type)}, {"key", change.key}};
    if (!change.field.is_nil()) json["field"] = to_json(change.field);
    if (change.type == Type::journal) {
        Json appended = Json::array();
        for (const auto& entry : change.appended) appended.push_back(report(entry));
        json["appended"] = std::move(appended);
    } else if (change.value) {
        json["value"] = to_json(*change.value);
    } else {
        json["gone"] = true;
    }
    return json;
}

const char* revoked_name(Revoked revoked) {
    switch (revoked) {
        case Revoked::no:
            return "no";
        case Revoked::told:
            return "told";
        case Revoked::invitation:
            return "invitation";
        case Revoked::key:
            return "key";
    }
    return "?";
}

}  // namespace

const char* role_name(Role role) {
    switch (role) {
        case Role::reader:
            return "reader";
        case Role::writer:
            return "writer";
        case Role::keeper:
            return "keeper";
        case Role::admin:
            return "admin";
    }
    return "?";
}

std::string in_words(const Standing& standing) {
    std::string role = role_name(standing.role);
    if (standing.expires_s == 0) return role;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto left_s = standing.expires_s - std::chrono::duration_cast<std::chrono::seconds>(now).count();
    return left_s > 0 ? role + ", for another " + std::to_string(left_s) + " s"
                      : role + ", over: no peer lets it in; join with another code";
}

std::optional<Role> role_named(std::string_view name) {
    for (const auto role : {Role::reader, Role::writer, Role::keeper, Role::admin}) {
        if (name == role_name(role)) return role;
    }
    return std::nullopt;
}

Json report(const PeerStatus& peer) {
    return {{"id", peer.id.to_string()},
            {"address", peer.address},
            {"role", role_name(peer.standing.role)},
            {"expires_s", peer.standing.expires_s},
            {"clock_ahead_ms", peer.clock_ahead.count()},
            {"we_dialled", peer.we_dialled},
            {"connected_ms", peer.connected.count()},
            {"lag", peer.lag},
            {"behind", peer.behind},
            {"bytes_in", peer.bytes_in},
            {"bytes_out", peer.bytes_out},
            {"synced", peer.synced}};
}

Json report(const Finding& finding) {
    const char* level = finding.level == Finding::Level::trouble  ? "trouble"
                        : finding.level == Finding::Level::notice ? "notice"
                                                                  : "fine";
    return {{"level", level}, {"what", finding.what}, {"advice", finding.advice}};
}

Json report(const Member& member) {
    return {{"id", member.id.to_string()},
            {"role", role_name(member.standing.role)},
            {"expires_s", member.standing.expires_s},
            {"invited_by", member.invited_by.to_string()},
            {"invitation", member.invitation ? Json(member.invitation->to_string()) : Json()},
            {"revoked", member.revoked},
            {"linked", member.linked},
            {"self", member.self}};
}

Json report(const Status& status) {
    Json peers = Json::array(), refusals = Json::object();
    std::uint64_t bytes_in = 0, bytes_out = 0;
    for (const auto& peer : status.peers) {
        peers.push_back(report(peer));
        bytes_in += peer.bytes_in;
        bytes_out += peer.bytes_out;
    }
    for (const auto& refusal : status.refusals) refusals[refusal.reason] = refusal.count;
    Json json{{"node", status.id.to_string()},
              {"role", role_name(status.standing.role)},
              {"expires_s", status.standing.expires_s},
              {"revoked", revoked_name(status.revoked)},
              {"mesh", status.mesh_id},
              {"secret_epoch", status.secret_epoch},
              {"port", status.port},
              {"addresses", status.addresses},
              {"version", status.version.to_string()},
              {"events", events_in(status.version)},
              {"fingerprint", status.fingerprint},
              {"live_entries", status.live_entries},
              {"log_bytes", status.log_bytes},
              {"waiting_bytes", status.waiting_bytes},
              {"bytes_in", bytes_in},
              {"bytes_out", bytes_out},
              {"synced", status.synced},
              {"full_mesh", status.full_mesh},
              {"update_needed", status.update_needed},
              {"peers", std::move(peers)},
              {"counters", counters_of(status.counters)},
              {"refusals", std::move(refusals)},
              {"faults", status.faults}};
    if (status.store) json["store"] = store_of(*status.store);
    return json;
}

Json report(const std::vector<Reason>& reasons) {
    Json json = Json::array();
    for (const auto& reason : reasons) {
        json.push_back({{"dot", reason.dot.to_string()},
                        {"stamp_us", us_of(reason.stamp)},
                        {"depth", reason.depth},
                        {"decides", reason.decides},
                        {"value", to_json(reason.value)}});
    }
    return json;
}

Json report(const JournalEntry& entry) {
    return {{"dot", entry.dot.to_string()}, {"stamp_us", us_of(entry.stamp)}, {"value", to_json(entry.value)}};
}

Json report(const Changes& changes, std::int64_t at_us) {
    Json list = Json::array();
    for (const auto& change : changes) list.push_back(report_change(change));
    Json json{{"origin", changes.origin ? Json(changes.origin->to_string()) : Json()},
              {"local", changes.local},
              {"at_us", at_us},
              {"changes", std::move(list)}};
    if (changes.overflow) json["overflow"] = true;
    return {{"v", protocol_version}, {"change", std::move(json)}};
}

std::uint64_t events_in(const Version& version) {
    std::uint64_t events = 0;
    for (const auto& [replica, seq] : version.lines()) events += seq;
    return events;
}

std::int64_t monotonic_us() {
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

}  // namespace starling::cli
