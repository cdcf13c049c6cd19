// What ordinary stories do not come to: so many open heads that they must be merged, keys by prefix, readings of every
// type as one item, and what a transaction refuses.
#include <doctest/doctest.h>

#include "crdt/codec.hpp"
#include "crdt/difference.hpp"
#include "crdt/export.hpp"
#include "crdt/limits.hpp"
#include "crdt/replica.hpp"
#include "crdt/views.hpp"

using namespace starling::crdt;

namespace {

ReplicaId replica(std::uint64_t i) {
    return {{std::uint8_t(i), std::uint8_t(i >> 8)}, i};
}

template <class Write>
Result<Changes> write(Replica& to, Write operations) {
    Transaction tx(to, 1);
    operations(tx);
    return tx.commit();
}

}  // namespace

TEST_CASE("heads are merged before a changeset could not name them all") {
    Replica node(0);
    node.begin_life(replica(1));
    std::uint64_t others = 0;
    while (!node.heads_full()) {
        Changeset changeset;
        changeset.origin = replica(2 + others++);
        changeset.first = changeset.count = changeset.depth = 1;
        changeset.body = Bytes(1, '\x01');
        const auto body = decode_body(changeset);
        REQUIRE(body);
        node.apply(changeset, body);
    }
    CHECK(node.heads().size() == others);
    const auto merge = node.merge_heads();
    CHECK(merge.deps.size() == changeset_deps_max / 2);
    CHECK(merge.depth == 2);
    CHECK(node.heads().size() == others - merge.deps.size() + 1);
    CHECK(node.heads().at(replica(1)) == Head{1, 2});
    CHECK_FALSE(node.heads_full());
    CHECK(decode_body(merge));
    node.check();
}

TEST_CASE("keys by prefix, in order, each once") {
    Replica node(0);
    node.begin_life(replica(1));
    REQUIRE(write(node, [](Transaction& tx) {
        for (const auto* key : {"b/2", "a", "b/1", "c"}) {
            Map::put(tx, key, pack_int(1), pack_int(1));
            Map::put(tx, key, pack_int(2), pack_int(1));
            Journal::append(tx, key, pack_int(1));
        }
    }));
    for (const auto type : {Type::map, Type::journal}) {
        CHECK(node.state().keys(type, "b/") == std::vector<Bytes>{"b/1", "b/2"});
        CHECK(node.state().keys(type, "").size() == 4);
        CHECK(node.state().keys(type, "d").empty());
    }
    CHECK(node.state().keys(Type::set, "").empty());
}

TEST_CASE("each type reads as one item, and as nothing where nothing is") {
    Replica node(0);
    node.begin_life(replica(1));
    REQUIRE(write(node, [](Transaction& tx) {
        Counter::add(tx, "k", 7);
        Set::add(tx, "k", pack_int(1));
        Flag::set(tx, "k", true);
        Register::set(tx, "k", pack_int(3));
        MultiValue::set(tx, "k", pack_int(4));
        Journal::append(tx, "k", pack_int(5));
        Journal::append(tx, "k", pack_int(6));
    }));
    const auto read = [&](Type type) { return reading(node.state(), slot_of(type, "k")); };
    CHECK(read(Type::counter) == pack_int(7));
    CHECK(read(Type::flag) == Bytes("\xc3"));
    CHECK(reading(node.state(), slot_of(Type::set, "k", pack_int(1))) == Bytes("\xc3"));
    CHECK(read(Type::register_) == pack_int(3));
    CHECK(read(Type::multi_value) == Bytes("\x91\x04"));
    CHECK(read(Type::journal) == Bytes("\x92\x05\x06"));
    CHECK_FALSE(read(Type::map));
    CHECK(explain(node.state(), slot_of(Type::journal, "k")).size() == 2);
}

TEST_CASE("what a transaction refuses takes no dot") {
    Replica node(0);
    node.begin_life(replica(1));
    const auto refused = [&](auto operations) {
        const auto result = write(node, operations);
        REQUIRE_FALSE(result);
        CHECK_FALSE(node.window_open());
        CHECK(node.state().live_count() == 0);
        return result.fault().code;
    };
    CHECK(refused([](Transaction& tx) { Register::set(tx, "", pack_int(1)); }) == FaultCode::too_large);
    CHECK(refused([](Transaction& tx) { Register::set(tx, Bytes(key_bytes_max + 1, 'k'), pack_int(1)); }) ==
          FaultCode::too_large);
    CHECK(refused([](Transaction& tx) { Register::set(tx, "$mesh/k", pack_int(1)); }) == FaultCode::refused);
    CHECK(refused([](Transaction& tx) { Set::add(tx, "k", Bytes("\xcc\x01")); }) == FaultCode::malformed);
    CHECK(refused([](Transaction& tx) { Register::set(tx, "k", Bytes("\xc1")); }) == FaultCode::malformed);
    CHECK(refused([](Transaction& tx) { tx.trim("k", {replica(1), 1}); }) == FaultCode::not_available);
    const auto too_much = [](Transaction& tx) {
        Writer text;
        text.str(Bytes(value_bytes_max / 2, 'v'));
        const auto value = text.take();
        for (int i = 0; i < 3; ++i) Map::put(tx, "k", pack_int(i), value);
    };
    CHECK(refused(too_much) == FaultCode::too_large);
}

TEST_CASE("what is published below $mesh/ travels in every form, and nothing removes it") {
    Replica node(0);
    node.begin_life(replica(1));
    const Bytes key = "$mesh/records", field = pack_int(1);
    for (int value = 1; value <= 2; ++value)
        REQUIRE(write(node, [&](Transaction& tx) { tx.publish(key, field, pack_int(value)); }));
    const auto published = *node.cut();
    const auto held = [&](const Replica& by) {
        const auto entries = by.state().entries(slot_of(Type::map, key, field));
        return std::distance(entries.begin(), entries.end());
    };
    CHECK(held(node) == 2);  // the second supersedes nothing

    Replica by_changeset(0), by_state(0);
    by_changeset.apply(published, decode_body(published));
    REQUIRE(decode_state(encode_state(node), by_state));

    Changeset removal;  // no honest replica writes it
    removal.origin = replica(2);
    removal.first = removal.count = 1;
    removal.depth = 2;
    removal.deps = {{replica(1), 2}};
    removal.refs = {replica(1)};
    Body body;
    body.add_removal(1, false, std::vector<DotRun>{{1, 2}});
    removal.body = encode_body(removal, body);
    for (auto* each : {&node, &by_changeset, &by_state}) {
        each->apply(removal, decode_body(removal));
        CHECK(held(*each) == 2);
        CHECK(each->state().seen(replica(2)) == 1);
        CHECK(each->state().fingerprint() == node.state().fingerprint());
        each->check();
    }

    Difference lie;  // that all of it died
    lie.base = node.state().version();
    lie.tops = {{replica(1), {2, node.state().last_stamp(replica(1))}}, {replica(2), {1, 0}}};
    lie.depth = 2;
    for (const bool inside_is_live : {true, false}) {
        lie.inside_is_live = inside_is_live;
        if (!inside_is_live) lie.inside = {{replica(1), {{1, 2}}}};
        REQUIRE(valid_difference(by_changeset, lie));
        CHECK(apply_difference(by_changeset, lie).empty());
        CHECK(held(by_changeset) == 2);
        by_changeset.check();
    }
}

TEST_CASE("a peer that knows more of the running life than the node does is refused") {
    Replica node(0);
    node.begin_life(replica(1));
    Difference difference;
    difference.tops[replica(1)] = {1, 1};
    const auto valid = valid_difference(node, difference);
    REQUIRE_FALSE(valid);
    CHECK(valid.fault().code == FaultCode::refused);
}

TEST_CASE("a body whose field has another form than its own is void, and its dot counts") {
    Changeset changeset;
    changeset.origin = replica(2);
    changeset.first = changeset.count = changeset.depth = 1;
    const Bytes before("\x01\x00\x02\x00\xa1s\x00", 7), value("\xc0");  // a set's element, up to its field
    changeset.body = before + "\xa1\x07" + value;
    CHECK(decode_body(changeset));
    changeset.body = before + "\xa2\xcc\x07" + value;  // 7, but not in its shortest form
    const auto body = decode_body(changeset);
    REQUIRE_FALSE(body);
    CHECK(body.fault().code == FaultCode::malformed);
    Replica node(0);
    CHECK(node.apply(changeset, body).empty());
    CHECK(node.state().seen(replica(2)) == 1);
    CHECK(node.state().live_count() == 0);
}

TEST_CASE("stamps that would leave their range stay at its end") {
    Changeset changeset;
    changeset.origin = replica(2);
    changeset.first = changeset.count = changeset.depth = 1;
    Replica node(0);
    for (; changeset.first <= 2; ++changeset.first, ++changeset.depth) {
        Writer body;  // one put of a register, all of the range after the last stamp
        body.uint(1).uint(4).uint(std::uint64_t(Type::register_)).uint(0).str("k").uint(0).str(packed_nil());
        body.uint(UINT64_MAX).sint(1);
        changeset.body = body.take();
        const auto read = decode_body(changeset);
        REQUIRE(read);
        node.apply(changeset, read);
    }
    for (const auto& reason : explain(node.state(), slot_of(Type::register_, "k"))) CHECK(reason.stamp == UINT64_MAX);
    CHECK(node.state().live_count() == 2);
}
