// The mesh's records in this node: its own is published, others' are looked at, and what they say is told.
#include <algorithm>

#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling::detail {

/// Before the network starts: nobody else is here yet.
void Core::open_records() {
    const auto own = net::encode_record(net::MemberRecord{membership_.membership.chain});
    bool published = false;
    {
        const std::lock_guard lock(mutex_);  // `read` would look for a transaction of this thread's, in another node
        const auto& state = peer_->state();
        book_.note(state);
        const auto field = field_of_record(own), value = value_of_record(own);
        for (const auto* entry : state.entries(crdt::SlotView{crdt::Type::map, net::mesh_records_key, field}))
            published = published || entry->value() == value;
    }
    for (std::size_t looked = 0; looked < records_at_open_max && book_.waits(); looked += records_at_once_max)
        look_at_some();
    try {
        if (!published) publish(own);
    } catch (const Error& error) {
        log_(LogLevel::warning, std::string("this node is not among the members yet: ") + error.what());
    }
    tell_network();  // once: it takes as long as there are members
}

/// As `transact` does, whatever the node's role: what is published stands for itself. Tells the network nothing.
Commit Core::publish(const net::Bytes& record) {
    crdt::Dot last;
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
        last = commit->last;
    }
    network_->written();
    if (book_.look_at_own({node_key_, record}).any) untold_ = true;
    const auto dot = to_public(last);
    return {Version({{dot.replica, dot.seq}}), true, dot, shared_from_this()};
}

/// Telling takes as long as there are members: while more records wait it is done seldom, but for revocations.
bool Core::look_at_records() {
    const bool waited = book_.waits();
    const bool revocation = waited && look_at_some().revocation;
    const bool waits = waited && book_.waits();
    if (waited) ++batches_untold_;
    if (untold_ && (!waits || revocation || batches_untold_ >= batches_untold_max)) tell_network();
    return waits;
}

MeshBook::News Core::look_at_some() {
    std::vector<MeshBook::Entry> entries;
    {
        const std::lock_guard lock(mutex_);
        entries = book_.next(peer_->state());
    }
    const auto news = book_.look_at(entries);
    if (news.any) untold_ = true;
    return news;
}

void Core::tell_network() {
    untold_ = false;
    batches_untold_ = 0;
    std::optional<std::string> trouble;
    {
        const std::lock_guard lock(telling_);
        network_->set_roll(book_.read([](const net::Roster& roster) { return roster.roll(); }));
        if (take_secrets(trouble)) network_->set_secrets(secret_);
    }
    if (trouble) log_(LogLevel::warning, *trouble);
    // Of what waits some may say that a member is out, or that the secret is sealed for it.
    if (!book_.waits()) seal_for_the_rest();
}

Revoked Core::revoked(const net::DoorCounters& door) const {
    const auto& chain = membership_.membership.chain;
    return book_.read([&](const net::Roster& roster) {
        if (roster.revoked().contains(node_key_)) return Revoked::key;
        if (roster.revokes(chain)) return Revoked::invitation;
        return door.told_revoked > 0 ? Revoked::told : Revoked::no;
    });
}

/// One whose chain was revoked could only hand out what nobody accepts.
void Core::require_unrevoked() const {
    if (!membership_.issuer) return;  // no admin: which says more
    const auto& chain = membership_.issuer->chain;
    if (book_.read([&](const net::Roster& roster) { return roster.revokes(chain); }))
        throw Error(Errc::not_admin, "this node was revoked");
}

namespace {

/// What a key is of, as far as is known.
std::optional<net::Subject> subject_in(const net::Roster& roster, const net::NodeKey& key) {
    const auto members = roster.members();
    if (members.contains(key)) return net::Subject::node;
    const auto invites = [&](const auto& member) {
        return std::ranges::any_of(member.second.chain, [&](const auto& link) {
            return link.subject == key && link.what == net::Subject::invitation;
        });
    };
    return std::ranges::any_of(members, invites) ? std::optional(net::Subject::invitation) : std::nullopt;
}

}  // namespace

/// With how far the lives of all whom it puts out are known here. Of very many, those that wrote most.
net::Bytes Core::revocation_of(const net::NodeKey& key, net::Subject what) const {
    net::Revocation record{what, key, present().wall_us / 1'000'000, {}, {}};
    std::set<net::NodeKey> nodes{key};
    book_.read([&](const net::Roster& roster) {
        for (const auto& [node, member] : roster.members()) {
            if (std::ranges::any_of(member.chain, [&](const auto& link) { return link.subject == key; }))
                nodes.insert(node);
        }
    });
    {
        const std::lock_guard lock(mutex_);
        for (const auto& node : nodes) {
            peer_->state().each_life_of(node, [&](const crdt::ReplicaId& id, crdt::Seq seen, crdt::Stamp) {
                if (seen > 0) record.seen.push_back({id.node, id.life, seen});
            });
        }
    }
    if (record.seen.size() > net::lives_listed_max) {
        std::ranges::stable_sort(record.seen, std::ranges::greater{}, &net::LifeSeen::seq);
        record.seen.resize(net::lives_listed_max);
    }
    return net::encode_record(*membership_.issuer, membership_.membership.mesh.mesh_id(), std::move(record));
}

bool Core::revoke(const net::NodeKey& key, bool itself) {
    require_open();
    if (inside_transaction()) throw Error(Errc::nested_transaction);
    require_unrevoked();
    if (!membership_.issuer) throw Error(Errc::not_admin);
    if (key == membership_.membership.mesh.trust().admin)
        throw Error(Errc::invalid_argument, "the admin key founds the mesh: without it there is none");
    auto what = book_.read([&](const net::Roster& roster) { return subject_in(roster, key); });
    const auto links = network_->figures().links;  // who is linked need not have published what it is
    if (!what && std::ranges::any_of(links, [&](const auto& link) { return link.peer == key; }))
        what = net::Subject::node;
    if (!what) throw Error(Errc::no_such_member, to_public(key).to_string());
    const auto& own = membership_.membership.chain;
    if (!itself && std::ranges::any_of(own, [&](const auto& link) { return link.subject == key; }))
        throw Error(Errc::invalid_argument, "that would put out this node itself");
    if (book_.read([&](const net::Roster& roster) { return roster.revoked().contains(key); })) return false;
    const auto commit = publish(revocation_of(key, *what));
    tell_network();
    if (storage_) commit.durable();
    return true;
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
