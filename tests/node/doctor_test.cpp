// What the doctor makes of what was seen.
#include "node/doctor.hpp"

#include <algorithm>

#include <doctest/doctest.h>

using namespace starling;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t now_s = 1'800'000'000;

PeerStatus linked_peer(std::uint8_t name, std::chrono::milliseconds ahead = 0ms) {
    PeerStatus peer;
    peer.id.bytes[0] = name;
    peer.clock_ahead = ahead;
    return peer;
}

struct Case {
    Status status{};
    net::Diagnosis diagnosis{.beacon_port = 27465, .cards = {}, .statics = {}, .dials = {}, .strangers = {}};

    net::CardDiagnosis& card() {
        auto& card = diagnosis.cards.emplace_back();
        card.name = "eth0";
        return card;
    }
    bool says(Finding::Level level, const std::string& words) const {
        const auto all = detail::findings_of(status, diagnosis, now_s);
        return std::ranges::any_of(all, [&](const Finding& finding) {
            return finding.level == level && (finding.what + " " + finding.advice).find(words) != std::string::npos;
        });
    }
    bool troubled() const {
        const auto all = detail::findings_of(status, diagnosis, now_s);
        return !all.empty() && all.front().level == Finding::Level::trouble;
    }
};

constexpr auto fine = Finding::Level::fine, notice = Finding::Level::notice, trouble = Finding::Level::trouble;

}  // namespace

TEST_CASE("a node that is well is told so, without any trouble") {
    Case c;
    auto& card = c.card();
    card.sent = card.echoes = 9;
    card.heard = 1;
    c.status.peers = {linked_peer(1), linked_peer(2, -59s)};
    CHECK_FALSE(c.troubled());
    CHECK(c.says(fine, "1 beacon of members heard on eth0"));
    CHECK(c.says(fine, "2 peers linked"));
}

TEST_CASE("cards: a firewall, a way that leads nowhere, nobody there, none at all") {
    Case c;
    CHECK(c.says(trouble, "no network card is up"));
    auto& card = c.card();
    card.sent = 2;
    CHECK_FALSE(c.troubled());
    card.sent = 3;
    CHECK(c.says(trouble, "not even this node's own"));
    CHECK(c.says(trouble, "27465"));
    card.echoes = 3;
    CHECK_FALSE(c.troubled());
    CHECK(c.says(notice, "no member's is heard"));
    card.loopback = true;
    CHECK(c.says(fine, "no member's is heard"));
    card = {.name = "tun0", .unsent = 4, .why_unsent = "Network is unreachable"};
    CHECK(c.says(trouble, "do not leave by tun0: Network is unreachable"));
    c.diagnosis.beacon_port = 0;
    c.diagnosis.cards.clear();
    CHECK_FALSE(c.troubled());
    CHECK(c.says(notice, "discovery is off"));
}

TEST_CASE("another mesh on the air, addresses without an answer, dials in vain, and who was turned away") {
    Case c;
    c.card().sent = 1;
    c.diagnosis.strangers = {"10.0.0.5:4000", "10.0.0.6:4000"};
    CHECK(c.says(notice, "10.0.0.5:4000, 10.0.0.6:4000"));
    c.diagnosis.statics = {{"10.0.0.7:1", true, 4, false}, {"shop:1", false, 1, false}, {"10.0.0.8:1", true, 4, true}};
    CHECK(c.says(trouble, "no answer from 10.0.0.7:1, asked 4 times"));
    CHECK(c.says(trouble, "the name in shop:1 has no address"));
    CHECK_FALSE(c.says(trouble, "10.0.0.8"));
    c.diagnosis.dials = {{{7}, "10.0.0.9:2", "could not connect", 1}};
    CHECK(c.says(trouble, "at 10.0.0.9:2 was dialled in vain 1 time: could not connect"));
    c.status.refusals = {{"expired", 2}, {"duplicate", 3}};
    CHECK(c.says(notice, "2 connections turned away at the door: expired"));
    CHECK_FALSE(c.says(notice, "duplicate"));
}

TEST_CASE("a wrong clock is this node's where most peers agree on that, else theirs") {
    Case c;
    c.card().sent = 1;
    c.status.peers = {linked_peer(1, 3600s), linked_peer(2, 3601s), linked_peer(3, 0s)};
    CHECK(c.says(trouble, "this node's clock is 60 minutes behind its peers'"));
    c.status.peers = {linked_peer(1, -400s), linked_peer(2), linked_peer(3)};
    CHECK_FALSE(c.troubled());
    CHECK(c.says(notice, "the clock of 01000000 is 6 minutes behind this node's"));
    c.status.peers = {linked_peer(1, -80h)};
    CHECK(c.says(trouble, "3 days ahead of its peers'"));
}

TEST_CASE("a certificate that is over, or soon") {
    Case c;
    c.card().sent = 1;
    c.status.standing.expires_s = now_s;
    CHECK(c.says(trouble, "has been over for 0 seconds"));
    c.status.standing.expires_s = now_s + 90;
    CHECK_FALSE(c.troubled());
    CHECK(c.says(notice, "ends in 90 seconds"));
    c.status.standing.expires_s = now_s + 90 * 24 * 3600;
    CHECK_FALSE(c.says(notice, "ends in"));
}

TEST_CASE("a node that was revoked is told what it may do") {
    Case c;
    c.status.revoked = Revoked::told;
    CHECK(c.says(trouble, "peers say at their doors that this node was revoked"));
    c.status.revoked = Revoked::invitation;
    CHECK(c.says(trouble, "join again with a new code"));
    c.status.revoked = Revoked::key;
    CHECK(c.says(trouble, "in a new directory"));
    c.status.revoked = Revoked::no;
    c.status.refusals = {{"revoked", 3}};
    CHECK(c.says(notice, "3 connections turned away at the door: revoked"));
}
