// The laws of the join, and design rules 1 to 7, as properties over random stories: each story gives three states that
// some replica could be in, and every way of bringing them together must end in the same one. A join is what replicas
// do: the exchange of state diffs, or of the changesets that are lacking.
//
// For each type, and for transactions that mix all types.
#include <doctest/doctest.h>

#include "crdt/assert.hpp"
#include "crdt/clock.hpp"
#include "crdt/codec.hpp"
#include "crdt/views.hpp"
#include "tests/crdt/proof/property.hpp"
#include "tests/crdt/proof/story.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::proof;

namespace {

/// A story's history and its three states, each built anew whenever it is asked for.
struct Scene {
    explicit Scene(const Story& story)
        : history(story),
          order(story.order),
          a(history.closed(story.a)),
          b(history.closed(story.b)),
          c(history.closed(story.c)) {}

    /// Every call delivers in another order.
    std::unique_ptr<Replica> built(Members members) const { return history.built(members, ++order); }
    std::unique_ptr<Replica> joined(Members left, Members right) const {
        auto replica = built(left);
        join(*replica, *built(right));
        return replica;
    }

    History history;
    mutable std::uint64_t order;
    Members a, b, c;
};

/// A law: what is broken, or nothing.
using Law = std::string (*)(const Scene&);

std::string same(const Replica& one, const Replica& other) {
    return difference_of(sight_of(one), sight_of(other));
}

std::string identity_of_the_codec(const Scene& scene) {
    for (const auto& travelled : scene.history.changesets()) {
        if (!travelled.same) return "a changeset changes when it travels";
    }
    return {};
}

std::string commutative(const Scene& scene) {
    return same(*scene.joined(scene.a, scene.b), *scene.joined(scene.b, scene.a));
}

std::string associative(const Scene& scene) {
    const auto left = scene.joined(scene.a, scene.b);
    join(*left, *scene.built(scene.c));
    const auto right = scene.built(scene.a);
    join(*right, *scene.joined(scene.b, scene.c));
    return same(*left, *right);
}

std::string idempotent(const Scene& scene) {
    const auto a = scene.built(scene.a);
    const auto before = sight_of(*a);
    if (!join(*a, *scene.built(scene.a)).empty()) return "a state joined with itself tells of changes";
    if (const auto what = difference_of(before, sight_of(*a)); !what.empty()) return what;
    const auto ab = scene.joined(scene.a, scene.b);
    const auto once = sight_of(*ab);
    if (!join(*ab, *scene.built(scene.b), true).empty()) return "a second join tells of changes";
    return difference_of(once, sight_of(*ab));
}

/// The order of states: `large` covers all of `small`, and nothing that died in `small` lives in it.
std::string below(const Replica& small, const Replica& large) {
    if (!covers(large.state().version(), small.state().version())) return "a join covers less than its parts";
    const auto version = small.state().version();
    std::set<Dot> live;
    small.state().each_live([&](const Dot& dot, const LooseEntry&) { live.insert(dot); });
    std::string what;
    large.state().each_live([&](const Dot& dot, const LooseEntry&) {
        if (covers(version, dot) && !live.contains(dot)) what = "what was removed is back";
    });
    return what;
}

std::string monotone(const Scene& scene) {
    const auto a = scene.built(scene.a);
    const auto ab = scene.joined(scene.a, scene.b);
    if (auto what = below(*a, *ab); !what.empty()) return what;
    join(*a, *scene.built(scene.c));
    join(*ab, *scene.built(scene.c), true);
    return below(*a, *ab);
}

std::string deltas_join_as_states(const Scene& scene) {
    const auto by_diff = scene.joined(scene.a, scene.b);
    const auto told = scene.built(scene.a);
    join(*told, *scene.built(scene.b), true);
    const auto by_deltas = scene.built(scene.a);
    scene.history.deliver(*by_deltas, scene.a, scene.b, ++scene.order);
    if (auto what = same(*by_diff, *by_deltas); !what.empty()) return what;
    return same(*by_diff, *told);
}

/// A diff that broke off goes on with what is lacking: what came before is not sent again, and both parts are the
/// whole.
std::string a_diff_goes_on(const Scene& scene) {
    const auto asker = scene.built(scene.a), answerer = scene.built(scene.b);
    const auto whole = difference_for(*asker, *answerer);
    LiveDots staged;
    for (const auto& [dot, entry] : whole.entries) {
        if ((dot.seq + scene.order) % 2 == 0) extend(staged[dot.replica], dot.seq);
    }
    auto rest = answer(*answerer, asker->state().version(), staged);
    for (const auto& [dot, entry] : whole.entries) {
        const auto at = staged.find(dot.replica);
        if (at == staged.end() || !contains(at->second, dot.seq)) continue;
        if (!rest.entries.emplace(dot, entry).second) return "what had come is sent again";
    }
    if (rest != whole) return "the parts of a diff are not the whole";
    // An asker may claim dots past its base: they are no reason to answer what cannot be applied.
    const auto claims = live_dots(scene.built(scene.history.everything())->state());
    const auto told = answer_knowing(*answerer, asker->state().version(), claims, {});
    return valid_difference(*asker, told) ? "" : "a claim past the base makes an answer invalid";
}

/// Rule 1: whatever brought a replica to a version, its state is the same.
std::string rule_1_state_is_a_function_of_the_version(const Scene& scene) {
    const auto all = scene.a | scene.b | scene.c;
    const auto by_changesets = scene.built(all);
    const auto by_joins = scene.joined(scene.c, scene.a);
    join(*by_joins, *scene.built(scene.b), true);
    scene.history.deliver(*by_joins, all, scene.history.everything(), ++scene.order);
    if (by_joins->state().version_hash() != version_hash(by_joins->state().version())) return "a wrong version hash";
    const auto everything = scene.built(scene.history.everything());
    if (auto what = same(*by_joins, *everything); !what.empty()) return what;
    scene.history.deliver(*by_changesets, all, scene.history.everything(), ++scene.order);
    return same(*by_changesets, *everything);
}

/// Rule 2: a changeset can be applied exactly when everything that its writer had seen is here; until then it is known
/// what to wait for.
std::string rule_2_causes_come_first(const Scene& scene) {
    const auto replica = scene.built(scene.a);
    const auto version = replica->state().version();
    const auto& changesets = scene.history.changesets();
    for (std::size_t at = 0; at < changesets.size(); ++at) {
        if ((scene.a >> at & 1) != 0) continue;
        const auto missing = replica->missing(changesets[at].changeset, changesets[at].body);
        const bool ready = (changesets[at].causes & ~scene.a) == 0;
        if (ready == missing.has_value()) return ready ? "what is ready waits" : "an effect is let in before its cause";
        if (missing && covers(version, *missing)) return "a changeset waits for what is here";
    }
    return {};
}

using Live = std::set<std::pair<Slot, Dot>>;
Live live_of(const Replica& replica) {
    Live live;
    replica.state().each_live([&](const Dot& dot, const LooseEntry& entry) { live.emplace(entry.slot, dot); });
    return live;
}

/// Rule 3: whoever watches is told of a changeset, or of a diff, at once and of exactly what it changed.
std::string told(const Live& before, const Live& after, const Changes& changes) {
    std::set<Slot> moved, heard;
    std::set<Dot> appended, heard_appended;
    for (const auto& item : before) {
        if (!after.contains(item)) moved.insert(item.first);
    }
    for (const auto& item : after) {
        if (before.contains(item)) continue;
        moved.insert(item.first);
        if (item.first.type == Type::journal) appended.insert(item.second);
    }
    for (const auto& change : changes) {
        heard.insert(change.slot);
        if (change.appended) heard_appended.insert(*change.appended);
    }
    if (moved != heard) return "watchers are not told of exactly what changed";
    return appended == heard_appended ? "" : "watchers are not told of exactly the entries that a journal got";
}

std::string rule_3_applied_whole(const Scene& scene) {
    const auto replica = scene.built(scene.a);
    const auto before = live_of(*replica);
    const auto changes = join(*replica, *scene.built(scene.b));
    if (auto what = told(before, live_of(*replica), changes); !what.empty()) return what;
    const auto& changesets = scene.history.changesets();
    const auto there = scene.a | scene.b;
    for (std::size_t at = 0; at < changesets.size(); ++at) {
        if ((there >> at & 1) != 0 || (changesets[at].causes & ~there) != 0) continue;
        const auto& [changeset, body, causes, same] = changesets[at];
        const auto live = live_of(*replica);
        const auto heard = replica->apply(changeset, body);
        if (replica->state().seen(changeset.origin) != changeset.last()) return "a changeset is applied in part";
        return told(live, live_of(*replica), heard);
    }
    return {};
}

/// What no honest replica would send, in the bytes of docs/wire.md: it writes to the mesh's own keys, to a register and
/// to a map, and removes every dot that it knows of, whoever wrote it and whatever it holds; or, of many, only the
/// first and the last.
Changeset lie_to(const Replica& victim, bool trims, bool ends_only = false, std::size_t liar = 4) {
    Changeset lie;
    lie.origin = replica_of(liar);
    lie.first = 1;
    lie.count = 3;
    lie.depth = victim.depth() + 1;
    for (const auto& [id, head] : victim.heads()) lie.deps.push_back({id, head.last});
    Writer body;
    body.uint(1);                                               // format
    body.uint(0).uint(std::uint64_t(Type::register_)).uint(0);  // a put, its type, nothing shared with a previous key
    body.str("$mesh/key").uint(0).str(packed_nil()).raw(pack_int(1));
    body.uint(0).uint(std::uint64_t(Type::map)).uint(9);  // the key of the put before
    body.str("").uint(0).str(pack_str("f")).raw(pack_int(1));
    for (const auto& [id, seq] : victim.state().version()) {
        lie.refs.push_back(id);
        body.uint(trims ? 9 : 8).uint(lie.refs.size());
        if (ends_only && seq > 2) {
            body.uint(2).uint(1).uint(1).uint(seq - 2).uint(1);  // two runs: 1, and seq
        } else {
            body.uint(1).uint(1).uint(seq);  // one run: 1 … seq
        }
    }
    lie.body = body.take();
    return lie;
}

/// Rule 4: what is forbidden does nothing, what cannot be read is wholly void, and the dots of both count. Whoever gets
/// it, before or after whatever else, ends in the same state.
std::string rule_4_validity_is_pure(const Scene& scene) {
    auto order = scene.order;
    const bool trims = order % 2 == 0;
    const bool cut_short = order % 3 == 0;
    const auto early = scene.built(scene.a);
    auto lie = lie_to(*early, trims);
    if (cut_short) {
        lie.body.resize(sim::splitmix64(order) % lie.body.size());
        lie.body += '\xc1';  // which begins no item
    }
    const auto body = decode_body(lie);
    if (cut_short == bool(body))
        return cut_short ? "a body that was cut short can be read" : "a forbidden body cannot be read";
    Live stays;
    for (const auto& item : live_of(*early)) {
        const auto type = item.first.type;
        if (!body || type == Type::counter || (type == Type::journal && !trims)) stays.insert(item);
    }
    early->apply(lie, body);
    if (early->state().seen(lie.origin) != lie.last()) return "the dots of what is void do not count";
    const Dot mesh_entry{lie.origin, 2};
    for (const auto& item : live_of(*early)) {
        if (body && item.second == mesh_entry) stays.insert(item);
    }
    if (live_of(*early) != stays || (early->state().find(mesh_entry) != nullptr) != bool(body))
        return "what is forbidden or void does something, or what is allowed nothing";
    scene.history.deliver(*early, scene.a, scene.history.everything(), ++order);
    const auto late = scene.built(scene.history.everything());
    late->apply(lie, body);
    const auto other_lie = lie_to(*late, trims, false, 5);  // which names the first one's entry too
    for (auto* replica : {early.get(), late.get()}) {
        replica->apply(other_lie, decode_body(other_lie));
        if ((replica->state().find(mesh_entry) != nullptr) != bool(body)) return "what is below $mesh/ was removed";
    }
    return same(*early, *late);
}

/// Rule 2 where a liar names no dependencies: what it removes must be covered all the same.
std::string rule_2_removals_are_covered(const Scene& scene) {
    const auto everything = scene.built(scene.history.everything());
    auto lie = lie_to(*everything, false, scene.order % 2 == 0);
    lie.deps.clear();
    const auto replica = scene.built(scene.a);
    const auto version = replica->state().version();
    const auto missing = replica->missing(lie, decode_body(lie));
    if (missing.has_value() == covers(version, everything->state().version())) return "a removal comes before its dot";
    return missing && covers(version, *missing) ? "a changeset waits for what is here" : "";
}

/// Rule 5: no clock decides over what was seen. A write at the beginning of time wins against all that it observed.
std::string rule_5_no_clock_is_waited_for(const Scene& scene) {
    const auto all = scene.history.everything();
    const auto writer = scene.built(all);
    writer->begin_life(replica_of(3));
    const auto read = [](const Replica& replica, Type type) {
        return crdt::reading(replica.state(), proof::slot_of({type, true, 0, 0, 0}));
    };
    {
        Transaction tx(*writer, 1);
        for (const auto type : all_types()) proof::perform(tx, {type, true, 0, 0, 42});
        const auto done = tx.commit();
        STARLING_ASSERT(done, "a small transaction commits");
    }
    const auto changeset = *writer->cut();
    const auto reader = scene.built(all);
    reader->apply(changeset, decode_body(changeset));
    for (const auto type : {Type::map, Type::register_}) {
        if (read(*reader, type) != pack_int(42)) return "a write lost against what it had observed";
    }
    if (MultiValue::get(reader->state(), "v0") != std::vector{pack_int(42)}) return "an observed value was kept";
    return same(*reader, *writer);
}

/// Rule 6: all that an answer says is of one instant, so that whoever knows nothing becomes the answerer.
std::string rule_6_an_answer_is_one_instant(const Scene& scene) {
    const auto answerer = scene.built(scene.a);
    Replica empty(0);
    join(empty, *answerer, scene.order % 2 == 0);
    return same(empty, *answerer);
}

/// Rule 7: the asker moves on while its diff is under way: it gets changesets, and it writes into an open window.
std::string rule_7_a_diff_meets_a_later_state(const Scene& scene) {
    const auto asker = scene.built(scene.a);
    const auto difference = difference_for(*asker, *scene.built(scene.b), scene.order % 2 == 0);
    scene.history.deliver(*asker, scene.a, scene.c, ++scene.order);
    asker->begin_life(replica_of(3));
    {
        Transaction tx(*asker, 9);
        for (const auto type : all_types()) {
            proof::perform(tx, {type, scene.order % 3 != 0, 0, 0, 5});
            proof::perform(tx, {type, scene.order % 5 != 0, 0, 1, 6});
        }
        const auto done = tx.commit();
        STARLING_ASSERT(done, "a small transaction commits");
    }
    if (!valid_difference(*asker, difference)) return "an honest answer is refused";
    apply_difference(*asker, difference);
    asker->check();
    const auto own = asker->cut();
    const auto reader = scene.built(scene.a | scene.b | scene.c);
    if (own) reader->apply(*own, decode_body(*own));
    return same(*asker, *reader);
}

const std::vector<std::pair<const char*, Law>> laws{
    {"decode after encode is the identity", identity_of_the_codec},
    {"join is commutative", commutative},
    {"join is associative", associative},
    {"join is idempotent", idempotent},
    {"join is monotone", monotone},
    {"deltas join as states do", deltas_join_as_states},
    {"a diff that broke off goes on", a_diff_goes_on},
    {"rule 1: the state is a function of the version", rule_1_state_is_a_function_of_the_version},
    {"rule 2: causes come first", rule_2_causes_come_first},
    {"rule 2: what is removed is covered", rule_2_removals_are_covered},
    {"rule 3: a changeset is applied whole", rule_3_applied_whole},
    {"rule 4: validity is a pure function", rule_4_validity_is_pure},
    {"rule 5: no clock is waited for", rule_5_no_clock_is_waited_for},
    {"rule 6: an answer is one instant", rule_6_an_answer_is_one_instant},
    {"rule 7: a diff meets a later state", rule_7_a_diff_meets_a_later_state},
};

std::string broken_law(const Story& story) {
    const Scene scene(story);
    for (const auto& [name, law] : laws) {
        if (const auto what = law(scene); !what.empty()) return std::string(name) + ": " + what;
    }
    return {};
}

bool lawful(const std::string& name, const std::vector<Type>& types) {
    return holds_for_all(
        "the laws of " + name, [=](sim::Random random) { return draw_story(random, types); }, simpler, broken_law);
}

}  // namespace

TEST_CASE("laws: counter") {
    CHECK(lawful("counters", {Type::counter}));
}
TEST_CASE("laws: set") {
    CHECK(lawful("sets", {Type::set}));
}
TEST_CASE("laws: map") {
    CHECK(lawful("maps", {Type::map}));
}
TEST_CASE("laws: register") {
    CHECK(lawful("registers", {Type::register_}));
}
TEST_CASE("laws: multi-value register") {
    CHECK(lawful("multi-value registers", {Type::multi_value}));
}
TEST_CASE("laws: flag") {
    CHECK(lawful("flags", {Type::flag}));
}
TEST_CASE("laws: journal") {
    CHECK(lawful("journals", {Type::journal}));
}
TEST_CASE("laws: transactions that mix types") {
    CHECK(lawful("transactions that mix types", all_types()));
}
