// Who is in a mesh, as its own data says.
#include <algorithm>

#include "crdt/codec.hpp"
#include "crdt/transaction.hpp"
#include "net/mesh_record.hpp"
#include "node/mesh_book.hpp"
#include "tests/node/pair.hpp"
#include "tests/temporary_directory.hpp"

using namespace starling;
using namespace starling::test;

namespace {

const Member* listed(const std::vector<Member>& members, const NodeId& id) {
    const auto at = std::ranges::find(members, id, &Member::id);
    return at == members.end() ? nullptr : &*at;
}

/// Looks again until it holds.
bool becomes(const auto& holds) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::sleep_for(5ms);
    }
    return true;
}

}  // namespace

TEST_CASE("a node lists itself, and those that it heard of, also when it is alone again") {
    const starling::testing::TemporaryDirectory dir;
    NodeId founder, writer;
    {
        const auto a = Node::open(in(dir.path / "a"));
        founder = a.id();
        REQUIRE(a.members().size() == 1);
        CHECK(a.members()[0].self);
        CHECK(a.members()[0].standing.role == Role::admin);
        CHECK_FALSE(a.members()[0].invitation);
        auto options = quiet();
        options.mesh = a.invite({.role = Role::writer});
        const auto b = Node::open(options);
        writer = b.id();
        const auto sees_both = [](const Node& node) { return node.members().size() == 2; };
        REQUIRE(becomes([&] { return sees_both(a) && sees_both(b); }));
        REQUIRE(becomes([&] { return listed(a.members(), writer)->linked; }));
        CHECK(listed(b.members(), writer)->self);
        CHECK(listed(b.members(), founder)->standing.role == Role::admin);
        CHECK(a.keys().empty());
        CHECK(a.keys("$mesh/") == std::vector<KeyInfo>{{Type::map, "$mesh/records"}});
    }
    const auto a = Node::open(in(dir.path / "a"));
    const auto members = a.members();
    REQUIRE(members.size() == 2);
    const auto* gone = listed(members, writer);
    REQUIRE(gone != nullptr);
    CHECK(gone->standing.role == Role::writer);
    CHECK(gone->invitation);
    CHECK_FALSE(gone->linked);
    CHECK_FALSE(gone->self);
    CHECK_FALSE(gone->revoked);
    CHECK(gone->invited_by == listed(members, founder)->invited_by);  // both by the admin key
}

TEST_CASE("that it is a member a node writes once, not with every open") {
    const starling::testing::TemporaryDirectory dir;
    Version first;
    {
        const auto node = Node::open(in(dir.path / "a"));
        first = node.version();
        CHECK(first.lines().size() == 1);
    }
    {
        const auto node = Node::open(in(dir.path / "a"));
        CHECK(node.version() == first);
    }
    const auto node = Node::open(in(dir.path / "a"));
    CHECK(node.version() == first);
    CHECK(node.members().size() == 1);
}

TEST_CASE("watchers are told of the mesh's own only where they ask for it") {
    const auto a = lone();
    Signal all, own;
    const auto every = a.watch("", [&](const Changes&) { all.raise(); });
    const auto mesh = a.watch("$mesh/", [&](const Changes&) { own.raise(); });
    const auto b = Pair::joined_to(a);
    REQUIRE(own.wait());
    CHECK_FALSE(all.raised());
    b.counter("x").add(1);
    CHECK(all.wait());
}

TEST_CASE("nonsense below $mesh/ is looked at once, and those who write it come last; revocations come first") {
    using namespace starling::detail;
    const auto admin = net::Identity::generate(), node = net::Identity::generate();
    const net::Trust trust{net::mesh_id_of(admin.node_key()), admin.node_key()};
    const auto chain = net::issued({admin, {}}, trust.mesh, net::Subject::node, node.node_key(), {});
    crdt::Replica bad(0), good(0);
    const crdt::ReplicaId liar{{1}, 1}, honest{{2}, 2};
    bad.begin_life(liar);
    good.begin_life(honest);
    const auto publish = [](crdt::Replica& by, const net::Bytes& record) {
        crdt::Transaction tx(by, 1);
        tx.publish(net::mesh_records_key, field_of_record(record), value_of_record(record));
        REQUIRE(tx.commit());
        return *by.cut();
    };
    MeshBook book(trust);
    crdt::Replica reader(0);
    const auto take = [&](const crdt::Changeset& changeset) {
        CHECK(touch_records(reader.apply(changeset, crdt::decode_body(changeset))));
        book.note(reader.state(), changeset.origin);
        book.note(reader.state(), changeset.origin);  // nothing came meanwhile
    };
    for (char letter = 'a'; letter < 'c'; ++letter) take(publish(bad, net::Bytes(100, letter)));
    const auto lies = book.next(reader.state());
    REQUIRE(lies.size() == 2);
    REQUIRE(book.next(reader.state()).empty());
    CHECK(book.waits());  // they are in our hands
    CHECK_FALSE(book.look_at(lies).any);
    CHECK_FALSE(book.waits());

    // He was wrong before: what others write goes first, however much he wrote before them.
    for (int count = 0; count < 2 * int(records_at_once_max); ++count)
        take(publish(bad, net::Bytes(100, 'x') + std::to_string(count)));
    take(publish(good, net::encode_record(net::MemberRecord{chain})));
    const auto first = book.next(reader.state());
    REQUIRE(first.size() == records_at_once_max);
    CHECK(first[0].writer == honest.node);
    CHECK(book.look_at(first).any);
    CHECK(book.waits());
    CHECK(book.read([&](const net::Roster& roster) { return roster.holds(chain); }));
    CHECK_FALSE(book.look_at_own(first[0]).any);  // known

    // All at once, as at an open: nothing is known of anybody yet, and each has its turn. Revocations go before all.
    const net::Issuer issuer{admin, {}};
    take(publish(good, net::encode_record(issuer, trust.mesh, {net::Subject::node, {7}, 1, {}, {}})));
    MeshBook anew(trust);
    anew.note(reader.state());
    const auto opened = anew.next(reader.state());
    REQUIRE(opened.size() == records_at_once_max);
    CHECK(net::claims_revocation(opened[0].record));
    const auto news = anew.look_at(opened);
    CHECK((news.any && news.revocation));
    CHECK(anew.read([&](const net::Roster& roster) { return roster.holds(chain); }));
    std::size_t looked = opened.size();
    while (anew.waits()) {
        const auto entries = anew.next(reader.state());
        looked += entries.size();
        anew.look_at(entries);
    }
    CHECK(looked == 4 + 2 * records_at_once_max);
    CHECK(anew.read([&](const net::Roster& roster) { return roster.size(); }) == 1);
}

namespace {

Node joined(const Node& by, const Invitation& invitation, const std::filesystem::path& dir) {
    auto options = in(dir);
    options.mesh = by.invite(invitation);
    return Node::open(options);
}

bool links(const Node& a, const Node& b) {
    const auto peers = a.peers();
    return std::ranges::any_of(peers, [&](const auto& peer) { return peer.id == b.id(); });
}

bool knows(const Node& node, const NodeId& id, bool revoked) {
    const auto members = node.members();
    const auto* member = listed(members, id);
    return member != nullptr && member->revoked == revoked;
}

}  // namespace

TEST_CASE("a node that is revoked is cut off at once and stays out, also after a restart of either") {
    const starling::testing::TemporaryDirectory dir;
    auto a = Node::open(in(dir.path / "a"));
    auto b = joined(a, {.role = Role::writer}, dir.path / "b");
    auto c = joined(a, {.role = Role::writer}, dir.path / "c");
    const auto id = c.id();
    REQUIRE(becomes([&] { return links(b, c) && links(a, c) && knows(b, id, false) && knows(a, id, false); }));
    c.counter("x").add(5);
    REQUIRE(becomes([&] { return a.counter("x").value() == 5 && b.counter("x").value() == 5; }));

    CHECK(code_of([&] { (void)b.revoke(id); }) == Errc::not_admin);
    CHECK(code_of([&] { (void)a.revoke(NodeId{}); }) == Errc::no_such_member);
    CHECK(code_of([&] { (void)a.revoke(a.id()); }) == Errc::invalid_argument);
    CHECK(code_of([&] { (void)a.revoke(a.members()[0].invited_by); }) == Errc::invalid_argument);  // the admin key
    CHECK(a.revoke(id));
    CHECK_FALSE(a.revoke(id));
    REQUIRE(becomes([&] { return !links(a, c) && !links(b, c) && c.peers().empty(); }));
    CHECK(links(a, b));
    REQUIRE(becomes([&] { return c.status().revoked != Revoked::no; }));
    CHECK(a.status().revoked == Revoked::no);
    CHECK(a.counter("x").value() == 5);  // what it wrote stays
    c.counter("x").add(100);

    const auto restart = [](Node& node, const std::filesystem::path& at) {
        node.close();
        node = Node::open(in(at));
    };
    restart(b, dir.path / "b");
    restart(c, dir.path / "c");
    c.add_peer("127.0.0.1:" + std::to_string(b.status().port));
    b.add_peer("127.0.0.1:" + std::to_string(c.status().port));
    b.add_peer("127.0.0.1:" + std::to_string(a.status().port));
    REQUIRE(becomes([&] {
        const auto refusals = b.status().refusals;
        return std::ranges::any_of(refusals, [](const auto& refusal) { return refusal.reason == "revoked"; });
    }));
    REQUIRE(becomes([&] { return links(a, b); }));
    CHECK(c.peers().empty());
    CHECK(knows(b, id, true));
    CHECK(b.counter("x").value() == 5);
    const auto findings = c.diagnose();
    CHECK(std::ranges::any_of(findings,
                              [](const auto& finding) { return finding.what.find("revoked") != std::string::npos; }));
}

TEST_CASE("an invitation that is revoked takes all who joined with it, and they may come with another") {
    const starling::testing::TemporaryDirectory dir;
    auto a = Node::open(in(dir.path / "a"));
    const auto code = a.invite({.role = Role::writer});
    const auto with = [&](const char* name) {
        auto options = in(dir.path / name);
        options.mesh = code;
        return Node::open(options);
    };
    auto b = with("b"), c = with("c");
    REQUIRE(becomes([&] { return links(a, b) && links(a, c) && knows(a, b.id(), false) && knows(a, c.id(), false); }));
    const auto invitation = listed(a.members(), b.id())->invitation;
    REQUIRE(invitation);
    REQUIRE(a.revoke(*invitation));
    REQUIRE(becomes([&] { return a.peers().empty() && b.peers().empty() && c.peers().empty(); }));
    CHECK(knows(a, b.id(), true));
    CHECK(knows(a, c.id(), true));
    b.close();
    // With a code that grants nothing more: what makes it a member is over.
    b = joined(a, {.role = Role::writer}, dir.path / "b");
    REQUIRE(becomes([&] { return links(a, b) && knows(a, b.id(), false); }));
    CHECK(b.status().revoked == Revoked::no);
    CHECK(c.peers().empty());
}

TEST_CASE("whoever was let in by an admin goes with it, and it hands out no codes any more") {
    const auto a = lone();
    auto options = quiet();
    options.mesh = a.invite({.role = Role::admin});
    const auto admin = Node::open(options);
    options.mesh = admin.invite({.role = Role::writer});
    const auto writer = Node::open(options);
    a.add_peer("127.0.0.1:" + std::to_string(writer.status().port));
    REQUIRE(becomes([&] { return links(a, writer) && knows(a, writer.id(), false) && knows(a, admin.id(), false); }));
    CHECK(code_of([&] { (void)admin.revoke(admin.id()); }) == Errc::invalid_argument);
    REQUIRE(admin.revoke(a.id()));  // admins are equals: any puts any out, but nobody the admin key
    REQUIRE(becomes([&] { return a.status().revoked == Revoked::key; }));
    CHECK(a.revoke(admin.id()));  // which this one still has
    REQUIRE(becomes([&] { return knows(a, writer.id(), true) && a.peers().empty(); }));
}

TEST_CASE("a new secret reaches who is there, who was away, and who comes with a new code; not who was put out") {
    const starling::testing::TemporaryDirectory dir;
    const auto epoch = [](const Node& node) { return node.status().secret_epoch; };
    const auto meets = [](const Node& from, const Node& to) {
        from.add_peer("127.0.0.1:" + std::to_string(to.status().port));
        return becomes([&] { return links(from, to); });
    };
    auto a = Node::open(in(dir.path / "a"));
    auto here = joined(a, {.role = Role::writer}, dir.path / "here");
    auto away = joined(a, {.role = Role::writer}, dir.path / "away");
    auto out = joined(a, {.role = Role::writer}, dir.path / "out");
    REQUIRE(becomes([&] { return a.members().size() == 4 && here.members().size() == 4 && links(a, here); }));
    const auto away_id = away.id();
    away.close();
    const auto out_id = out.id();
    out.close();  // before it can hear of anything
    REQUIRE(becomes([&] { return a.peers().size() == 1; }));
    CHECK(code_of([&] { (void)here.rotate(); }) == Errc::not_admin);
    REQUIRE(a.revoke(out_id));
    CHECK(a.rotate() == 1);
    CHECK(a.rotate() == 2);
    REQUIRE(becomes([&] { return epoch(a) == 2 && epoch(here) == 2; }));
    REQUIRE(becomes([&] { return knows(here, out_id, true); }));

    // Whoever comes with a new code knows the newest secret from it, and lets in who knows but the first.
    auto late = joined(a, {.role = Role::writer}, dir.path / "late");
    CHECK(epoch(late) == 2);
    REQUIRE(becomes([&] { return late.members().size() == 5 && links(late, a) && a.members().size() == 5; }));
    a.close();
    here.close();
    away = Node::open(in(dir.path / "away"));
    CHECK(epoch(away) == 0);
    REQUIRE(meets(away, late));
    REQUIRE(becomes([&] { return epoch(away) == 2; }));
    CHECK(links(away, late));
    CHECK(knows(away, out_id, true));

    // It has kept it; who was put out has not learnt it, whomever it asks.
    away.close();
    away = Node::open(in(dir.path / "away"));
    CHECK(epoch(away) == 2);
    out = Node::open(in(dir.path / "out"));
    out.add_peer("127.0.0.1:" + std::to_string(away.status().port));
    out.add_peer("127.0.0.1:" + std::to_string(late.status().port));
    REQUIRE(meets(away, late));
    const auto before = out.status().counters.beacons_heard;
    std::this_thread::sleep_for(500ms);
    CHECK(out.peers().empty());
    CHECK(out.status().counters.beacons_heard == before);  // nobody answers it
    CHECK(epoch(out) == 0);

    // The admin comes back, and the secret is sealed for who came with a code: it need not keep what that told it.
    a = Node::open(in(dir.path / "a"));
    CHECK(epoch(a) == 2);
    CHECK(a.rotate() == 3);
    REQUIRE(meets(a, late));
    CHECK(becomes([&] { return epoch(late) == 3; }));
    CHECK(listed(a.members(), away_id) != nullptr);
}

TEST_CASE("secrets made at the same time end in one") {
    const auto a = lone();
    auto options = quiet();
    options.mesh = a.invite({.role = Role::admin});
    const auto b = Node::open(options);
    REQUIRE(becomes([&] { return links(a, b) && a.members().size() == 2 && b.members().size() == 2; }));
    a.block_peers({b.id()});
    b.block_peers({a.id()});
    REQUIRE(becomes([&] { return a.peers().empty() && b.peers().empty(); }));
    CHECK(a.rotate() == 1);
    CHECK(b.rotate() == 1);
    a.block_peers({});
    b.block_peers({});
    REQUIRE(becomes([&] { return links(a, b) && a.version() == b.version(); }));
    const auto secret_in = [](const Node& by) { return by.invite().substr(10, 43); };  // of a code, the first 32 bytes
    CHECK(becomes([&] { return secret_in(a) == secret_in(b); }));
    CHECK(a.rotate() == 2);
    CHECK(becomes([&] { return b.status().secret_epoch == 2; }));
}

TEST_CASE("a code from before a rotation lets nobody new in, and the admin key alone brings an admin back") {
    const starling::testing::TemporaryDirectory dir;
    auto a = Node::open(in(dir.path / "a"));
    const auto old_code = a.invite();
    const auto b = joined(a, {.role = Role::writer}, dir.path / "b");
    REQUIRE(becomes([&] { return links(a, b) && a.members().size() == 2; }));
    CHECK(a.rotate() == 1);
    REQUIRE(becomes([&] { return b.status().secret_epoch == 1; }));
    auto options = quiet();
    options.mesh = old_code;
    const auto late = Node::open(options);
    late.add_peer("127.0.0.1:" + std::to_string(b.status().port));
    std::this_thread::sleep_for(500ms);
    CHECK(late.peers().empty());
    CHECK(b.members().size() == 2);

    a.close();
    std::filesystem::create_directory(dir.path / "again");
    std::filesystem::copy_file(dir.path / "a/admin.key", dir.path / "again/admin.key");
    const auto again = Node::open(in(dir.path / "again"));
    CHECK(again.status().secret_epoch == 0);
    again.add_peer("127.0.0.1:" + std::to_string(b.status().port));
    REQUIRE(becomes([&] { return links(again, b) && again.members().size() == 3; }));
    CHECK(again.rotate() == 2);  // above what it has heard of and cannot open
    CHECK(becomes([&] { return b.status().secret_epoch == 2; }));
}
