#include "net/roster.hpp"

#include <algorithm>
#include <tuple>

namespace starling::net {
namespace {

/// Of several that revoke one key the same is shown everywhere.
bool before(const Revocation& a, const Revocation& b) {
    const auto rank = [](const Revocation& r) { return std::tuple(r.at_s, encode_chain(r.issuer)); };
    const auto left = rank(a), right = rank(b);
    return left != right ? left < right : a.seen < b.seen;
}

/// Who signed the invitation that a node joined with, or the node's own certificate where there is none.
NodeKey inviter_of(const Trust& trust, const Chain& chain) {
    return chain.size() < 3 ? trust.admin : chain[chain.size() - 3].subject;
}

}  // namespace

bool Roster::holds(const Chain& chain) const {
    const auto at = chain.empty() ? chains_.end() : chains_.find(chain.back().subject);
    return at != chains_.end() && std::ranges::find(at->second, chain) != at->second.end();
}

bool Roster::add(MeshRecord record) {
    if (auto* member = std::get_if<MemberRecord>(&record)) {
        if (holds(member->chain)) return false;
        auto& chains = chains_[member->chain.back().subject];
        chains.push_back(std::move(member->chain));
        return true;
    }
    if (auto* secret = std::get_if<SecretRecord>(&record)) {
        auto& records = secrets_[{secret->epoch, secret->digest}];
        if (std::ranges::find(records, *secret) != records.end()) return false;
        records.push_back(std::move(*secret));
        return true;
    }
    auto& revocation = std::get<Revocation>(record);
    const auto [at, fresh] = revoked_.try_emplace(revocation.subject, revocation);
    if (!fresh && before(revocation, at->second)) at->second = std::move(revocation);
    return fresh;
}

bool Roster::revokes(const Chain& chain) const {
    return std::ranges::any_of(chain, [&](const auto& link) { return revoked_.contains(link.subject); });
}

Roll Roster::roll() const {
    Roll roll;
    for (const auto& [key, revocation] : revoked_) roll.revoked.insert(key);
    for (const auto& [node, chains] : chains_) {
        if (!std::ranges::all_of(chains, [&](const auto& chain) { return revokes(chain); })) roll.members.insert(node);
    }
    return roll;
}

std::map<NodeKey, Roster::Member> Roster::members() const {
    std::map<NodeKey, Member> members;
    const auto rank = [](const Member& m) {
        const auto& terms = m.standing.terms;
        return std::tuple(!m.revoked, terms.role, terms.expires_s == 0 ? UINT64_MAX : terms.expires_s,
                          encode_chain(m.chain));
    };
    for (const auto& [node, chains] : chains_) {
        for (const auto& chain : chains) {
            Member member{chain,
                          {chain.back().what, chain.back().terms, std::nullopt, 0},
                          revokes(chain),
                          inviter_of(trust_, chain)};
            if (chain.size() > 1) member.standing.invitation = chain[chain.size() - 2].subject;
            const auto at = members.try_emplace(node, member).first;
            if (rank(at->second) < rank(member)) at->second = std::move(member);
        }
    }
    return members;
}

}  // namespace starling::net
