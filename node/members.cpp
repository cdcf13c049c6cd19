// The mesh's records in this node: its own is published, others' are looked at, and what they say is told.
#include <algorithm>

#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling::detail {

/// Before the network starts: nobody else is here yet.
void Core::open_records() {
    {
        const std::lock_guard lock(mutex_);  // `read` would look for a transaction of this thread's, in another node
        book_.note(peer_->state());
    }
    for (std::size_t looked = 0; looked < records_at_open_max && look_at_records(); looked += records_at_once_max) {
    }
    const auto& chain = membership_.membership.chain;
    if (book_.read([&](const net::Roster& roster) { return roster.holds(chain); })) return;
    try {
        publish(net::encode_record(net::MemberRecord{chain}));
    } catch (const Error& error) {
        log_(LogLevel::warning, std::string("this node is not among the members yet: ") + error.what());
    }
}

/// As `transact` does, whatever the node's role: what is published stands for itself.
void Core::publish(const net::Bytes& record) {
    {
        std::unique_lock lock(mutex_);
        if (storage_) wait_for_the_disk(lock);
        if (closed_) throw Error(Errc::closed);
        const auto commit = peer_->write(present(), [&](crdt::Transaction& transaction) {
            transaction.publish(net::mesh_records_key, field_of_record(record), value_of_record(record));
        });
        if (!commit) throw Error(disk_trouble_ ? *disk_trouble_ : error_of(commit.fault()));
        change_log_.record(commit->changes, commit->last);
        changed();
    }
    book_.look_at({{node_key_, record}});
    network_->written();
}

bool Core::look_at_records() {
    if (!book_.waits()) return false;
    std::vector<MeshBook::Entry> entries;
    {
        const std::lock_guard lock(mutex_);
        entries = book_.next(peer_->state());
    }
    book_.look_at(entries);
    return book_.waits();
}

std::vector<Member> Core::members() const {
    require_open();
    const auto links = network_->figures().links;
    std::vector<Member> members;
    for (const auto& [key, known] : book_.read([](const net::Roster& roster) { return roster.members(); })) {
        Member member;
        member.id = to_public(key);
        member.standing = {Role(known.standing.terms.role), std::int64_t(known.standing.terms.expires_s)};
        member.invited_by = to_public(known.invited_by);
        if (known.standing.invitation) member.invitation = to_public(*known.standing.invitation);
        member.revoked = known.revoked;
        member.linked = std::ranges::any_of(links, [&](const auto& link) { return link.peer == key; });
        member.self = key == node_key_;
        members.push_back(member);
    }
    return members;
}

}  // namespace starling::detail
