#include "node/doctor.hpp"

#include <algorithm>

#include "crdt/ids.hpp"
#include "crdt/limits.hpp"

namespace starling::detail {

namespace {

using Level = Finding::Level;

constexpr std::int64_t clock_off_ms = std::int64_t(crdt::clock_lead_us_max / 1000);
constexpr std::int64_t soon_s = 24 * 3600;
constexpr std::uint64_t beacons_telling = 3;  // so many sent and none back tell something

std::string count_of(std::uint64_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

/// "3 minutes", in the largest unit that leaves a number of two digits or so.
std::string span_of(std::int64_t seconds) {
    const auto s = std::uint64_t(std::max<std::int64_t>(seconds, 0));
    if (s < 120) return count_of(s, "second");
    if (s < 120 * 60) return count_of(s / 60, "minute");
    if (s < 48 * 3600) return count_of(s / 3600, "hour");
    return count_of(s / (24 * 3600), "day");
}

std::string short_of(const NodeId& id) {
    return id.to_string().substr(0, 8);
}

struct Doctor {
    const Status& status;
    const net::Diagnosis& diagnosis;
    std::int64_t now_s;
    std::vector<Finding> findings{};

    void say(Level level, std::string what, std::string advice = {}) {
        findings.push_back({level, std::move(what), std::move(advice)});
    }

    void revocation() {
        switch (status.revoked) {
            case Revoked::no:
                return;
            case Revoked::told:
                return say(Level::trouble, "peers say at their doors that this node was revoked",
                           "ask an admin, who sees it with 'starling members'");
            case Revoked::invitation:
                return say(Level::trouble,
                           "the invitation of this node, or who vouched for it, was revoked: no peer lets it in",
                           "join again with a new code of an admin ('starling invite')");
            case Revoked::key:
                return say(Level::trouble, "this node was revoked: no peer lets it in",
                           "where that was a mistake, join with a new code in a new directory");
        }
    }

    void membership() {
        revocation();
        const auto end_s = status.standing.expires_s;
        if (end_s == 0) return;
        if (end_s <= now_s) {
            say(Level::trouble,
                "this node's certificate has been over for " + span_of(now_s - end_s) + ": no peer lets it in",
                "join again with a new code of an admin ('starling invite')");
        } else if (end_s - now_s < soon_s) {
            say(Level::notice, "this node's certificate ends in " + span_of(end_s - now_s),
                "join again with a new code of an admin ('starling invite')");
        }
    }

    void clock() {
        std::vector<std::int64_t> ahead;
        for (const auto& peer : status.peers) ahead.push_back(peer.clock_ahead.count());
        if (ahead.empty()) return;
        std::ranges::nth_element(ahead, ahead.begin() + std::ptrdiff_t(ahead.size() / 2));
        const auto median = ahead[ahead.size() / 2];
        const bool own = std::abs(median) > clock_off_ms;
        if (own) {
            const auto* how = median > 0 ? " behind" : " ahead of";
            say(Level::trouble, "this node's clock is " + span_of(std::abs(median) / 1000) + how + " its peers'",
                "set the clock; until then concurrent writes are decided by wrong times, and certificates end wrongly");
        }
        for (const auto& peer : status.peers) {
            const auto ms = peer.clock_ahead.count();
            if (own || std::abs(ms) <= clock_off_ms) continue;
            say(Level::notice,
                "the clock of " + short_of(peer.id) + " is " + span_of(std::abs(ms) / 1000) +
                    (ms > 0 ? " ahead of" : " behind") + " this node's",
                "set the clock there");
        }
    }

    void card(const net::CardDiagnosis& card) {
        const auto port = std::to_string(diagnosis.beacon_port);
        if (card.sent == 0 && card.unsent > 0) {
            say(Level::trouble, "beacons do not leave by " + card.name + ": " + card.why_unsent,
                "name the other node's address with --peer");
        } else if (card.sent >= beacons_telling && card.echoes == 0 && card.heard == 0) {
            say(Level::trouble, "beacons leave by " + card.name + " and none is heard there, not even this node's own",
                "let UDP port " + port + " in (a firewall drops it), or name the other node's address with --peer");
        } else if (card.heard == 0) {
            say(card.loopback ? Level::fine : Level::notice,
                "beacons leave by " + card.name + " and no member's is heard there",
                card.loopback
                    ? ""
                    : "no other node is on that network, its firewall or switch keeps multicast and broadcast "
                      "back, or it was given another --discovery-port: name its address with --peer");
        } else {
            say(Level::fine, count_of(card.heard, "beacon") + " of members heard on " + card.name);
        }
    }

    void discovery() {
        if (diagnosis.beacon_port == 0) {
            say(Level::notice, "discovery is off: peers are found by their addresses alone");
        } else if (diagnosis.cards.empty()) {
            say(Level::trouble, "no network card is up (or none of those that were named)",
                "bring one up, or name another with --interface");
        }
        for (const auto& each : diagnosis.cards) card(each);
        if (diagnosis.strangers.empty()) return;
        std::string from;
        for (const auto& stranger : diagnosis.strangers) from += (from.empty() ? "" : ", ") + stranger;
        say(Level::notice, "beacons that this mesh's key does not open came from " + from,
            "if those are your nodes, they are in another mesh: join them with a code of this one");
    }

    void peers() {
        for (const auto& peer : diagnosis.statics) {
            if (peer.answered || peer.probes == 0) continue;
            say(Level::trouble,
                peer.resolved ? "no answer from " + peer.address + ", asked " + count_of(peer.probes, "time")
                              : "the name in " + peer.address + " has no address",
                peer.resolved ? "is a node of this mesh up there, and do UDP and TCP get through to that port?"
                              : "is it spelt as it should be, and can this machine look up names?");
        }
        for (const auto& dial : diagnosis.dials) {
            say(Level::trouble,
                crdt::short_name(dial.peer) + " at " + dial.address + " was dialled in vain " +
                    count_of(dial.failures, "time") + ": " + dial.reason,
                "is TCP let through to that port? What 'starling doctor' says there tells more");
        }
        if (status.peers.empty()) say(Level::notice, "no peer is linked");
        if (!status.peers.empty()) say(Level::fine, count_of(status.peers.size(), "peer") + " linked");
    }

    void door() {
        for (const auto& refusal : status.refusals) {
            const auto& why = refusal.reason;
            const char* advice =
                why == "expired"          ? "give whoever that is a new code ('starling invite')"
                : why == "revoked"        ? "somebody who was put out is still about ('starling members' lists who was)"
                : why == "used up"        ? "make another invitation ('starling invite')"
                : why == "no certificate" ? "somebody knows the mesh's secret and has no certificate of its admin"
                : why == "other mesh" ? "a node of another mesh dials this one; is one of the two in the wrong mesh?"
                                      : nullptr;
            if (advice != nullptr)
                say(Level::notice, count_of(refusal.count, "connection") + " turned away at the door: " + why, advice);
        }
    }

    void rest() {
        if (status.store && !status.store->trouble.empty())
            say(Level::trouble, "the disk: " + status.store->trouble, "see 'starling status'");
        if (status.update_needed) say(Level::trouble, "some node runs a newer format", "update this one");
        for (const auto& fault : status.faults) say(Level::trouble, fault, "report it");
    }
};

}  // namespace

std::vector<Finding> findings_of(const Status& status, const net::Diagnosis& diagnosis, std::int64_t now_s) {
    Doctor doctor{status, diagnosis, now_s};
    doctor.membership();
    doctor.clock();
    doctor.discovery();
    doctor.peers();
    doctor.door();
    doctor.rest();
    std::ranges::stable_sort(doctor.findings, std::ranges::greater{}, &Finding::level);
    return std::move(doctor.findings);
}

}  // namespace starling::detail
