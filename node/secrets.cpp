// The mesh's newest secret: how a node comes to know it from the records, and how an admin makes another.
#include <algorithm>
#include <thread>

#include "node/core.hpp"

namespace starling::detail {

net::MeshSecret Core::secret() const {
    const std::lock_guard lock(telling_);
    return secret_;
}

/// What the records tell of that this node did not know; kept before it is used. `telling_` is held. O(records of
/// secrets), and a box opened (50 µs) for each secret that is not known and sealed for this node.
bool Core::take_secrets(std::optional<std::string>& trouble) {
    const auto mesh = secret_.mesh_id();
    bool news = false;
    book_.read([&](const net::Roster& roster) {
        for (const auto& [key, records] : roster.secrets()) {
            const auto known = [&, digest = key.digest] {
                return std::ranges::find(secret_.all(), digest, &net::MeshKeys::digest) != secret_.all().end();
            };
            if (!secret_.keeps(key.epoch, key.digest)) continue;
            auto& taken = taken_[key];
            if (taken == records.size()) continue;
            for (const auto& record : records) {
                const auto root = known() ? std::nullopt : net::open_secret(record, mesh, identity_);
                if (root) news = secret_.add(record.epoch, *root) || news;
                if (known()) news = secret_.add_history(record.digest, record.history) || news;
            }
            if (known()) taken = records.size();
        }
    });
    if (!news || !dir_) return news;
    try {
        dir_->set_mesh(secret_);
    } catch (const Error& error) {  // the records tell it again at the next open
        trouble = std::string("the mesh's newest secret is not kept: ") + error.what();
    }
    return news;
}

/// Members who are in, by this node's clock too, and for whom that secret is not sealed yet.
std::vector<net::NodeKey> Core::to_seal_for(const net::Roster::SecretKey* told_of) const {
    const auto now_s = present().wall_us / 1'000'000;
    std::vector<net::NodeKey> nodes;
    book_.read([&](const net::Roster& roster) {
        std::set<net::NodeKey> have;
        const auto at = told_of == nullptr ? roster.secrets().end() : roster.secrets().find(*told_of);
        if (at != roster.secrets().end()) {
            for (const auto& record : at->second) {
                for (const auto& sealed : record.sealed) have.insert(sealed.node);
            }
        }
        for (const auto& [node, member] : roster.members()) {
            if (!member.revoked && !net::expired(member.standing.terms, now_s) && !have.contains(node))
                nodes.push_back(node);
        }
    });
    return nodes;
}

namespace {

/// As many records as it takes.
std::vector<net::Bytes> secret_records(const net::Issuer& issuer, const net::MeshSecret& known,
                                       const net::MeshKeys& secret, const std::vector<net::NodeKey>& nodes) {
    std::vector<net::Bytes> records;
    for (std::size_t at = 0; at < nodes.size(); at += net::sealed_for_max) {
        const auto end = std::min(nodes.size(), at + net::sealed_for_max);
        records.push_back(net::encode_record(
            issuer, known, secret, {nodes.begin() + std::ptrdiff_t(at), nodes.begin() + std::ptrdiff_t(end)}));
    }
    return records;
}

}  // namespace

/// An admin does it for members whose records came after the newest secret was made.
void Core::seal_for_the_rest() {
    if (!membership_.issuer) return;
    const auto known = secret();
    const auto& newest = known.newest();
    if (newest.epoch == 0) return;  // whose holder founded the mesh or had a code with it, as all before
    if (book_.read([&](const net::Roster& roster) { return roster.revokes(membership_.issuer->chain); })) return;
    const net::Roster::SecretKey key{newest.epoch, newest.digest};
    // A secret that only a join code told of is not vouched for.
    if (!book_.read([&](const net::Roster& roster) { return roster.secrets().contains(key); })) return;
    const auto nodes = to_seal_for(&key);
    try {
        for (const auto& record : secret_records(*membership_.issuer, known, newest, nodes)) publish(record);
    } catch (const Error& error) {  // at the next news again
        log_(LogLevel::warning, std::string("the mesh's secret is not sealed for new members: ") + error.what());
    }
}

std::uint32_t Core::rotate() {
    require_open();
    if (inside_transaction()) throw Error(Errc::nested_transaction);
    require_unrevoked();
    if (!membership_.issuer) throw Error(Errc::not_admin);
    while (book_.waits()) {  // some may say that a member is out
        look_at_some();
        std::this_thread::yield();
    }
    const auto known = secret();
    const auto next = known.successor(book_.read([](const net::Roster& roster) {
        return roster.secrets().empty() ? 0 : roster.secrets().rbegin()->first.epoch;
    }));
    if (!next) throw Error(Errc::invalid_argument, next.fault().what);
    auto nodes = to_seal_for(nullptr);
    nodes.push_back(node_key_);
    std::optional<Commit> last;
    for (const auto& record : secret_records(*membership_.issuer, known, *next, nodes)) last = publish(record);
    tell_network();
    if (storage_) last->durable();
    return next->epoch;
}

}  // namespace starling::detail
