// The three frames of the door, without a network: the honest order passes, everything else has a name.
#include "net/door.hpp"

#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

constexpr std::uint64_t now_s = 1'800'000'000;

struct Pair {
    Founded mesh;
    Identity dialler = Identity::generate(), acceptor = Identity::generate();
    const Secret<32>& key = mesh.secret.door_key();
    CurveEnds ends{dialler.curve_public(), acceptor.curve_public()};
    Door dialler_door{mesh.member(dialler.node_key(), {.role = Role::writer}), {dialler.node_key(), 11, 4001}};
    Door acceptor_door{mesh.member(acceptor.node_key()), {acceptor.node_key(), 12, 4002}};

    auto at_acceptor(BytesView hello) const { return acceptor_door.check_hello(ends, hello, now_s); }
    auto at_dialler(BytesView hello, BytesView welcome) const {
        return dialler_door.check_welcome(ends, hello, welcome, now_s);
    }
};

bool is(const std::variant<Guest, DoorRefusal>& answer, DoorRefusal refusal) {
    const auto* got = std::get_if<DoorRefusal>(&answer);
    return got != nullptr && *got == refusal;
}

TEST_CASE("two members introduce themselves to each other") {
    Pair pair;
    auto hello = pair.dialler_door.hello(pair.ends, 0);
    CHECK(hello.size() == hello_bytes + 1 + certificate_bytes);
    auto at_acceptor = pair.at_acceptor(hello);
    const auto* guest = std::get_if<Guest>(&at_acceptor);
    REQUIRE(guest != nullptr);
    CHECK(guest->introduction.node == pair.dialler.node_key());
    CHECK(guest->introduction.boot == 11);
    CHECK(guest->introduction.port == 4001);
    CHECK(guest->standing.terms.role == Role::writer);

    auto welcome = pair.acceptor_door.welcome(pair.key, pair.ends, hello, 0);
    auto at_dialler = pair.at_dialler(hello, welcome);
    guest = std::get_if<Guest>(&at_dialler);
    REQUIRE(guest != nullptr);
    CHECK(guest->introduction.node == pair.acceptor.node_key());
    CHECK(guest->standing.terms.role == Role::keeper);

    auto ready = Door::ready(pair.key, pair.ends, hello, welcome);
    CHECK(Door::check_ready(pair.key, pair.ends, hello, welcome, ready));
}

TEST_CASE("who knows an earlier secret only, or a newer one too, gets in by what both know") {
    const Founded mesh;
    const auto a = Identity::generate(), b = Identity::generate();
    const CurveEnds ends{a.curve_public(), b.curve_public()};
    auto known = mesh.secret;
    for (std::uint32_t count = 1; count < secrets_kept_max; ++count) REQUIRE(known.add(count, known.successor()->root));
    const auto door_of = [&](const Identity& who, const MeshSecret& secret) {
        auto member = mesh.member(who.node_key());
        member.mesh = secret;
        return Door(member, {who.node_key(), 1, 1});
    };
    for (const auto& [dialler, acceptor] : {std::pair(mesh.secret, known), std::pair(known, mesh.secret)}) {
        const auto one = door_of(a, dialler), two = door_of(b, acceptor);
        const auto hello = one.hello(ends, 0);
        CHECK(hello.size() <= door_frame_bytes_max);
        const auto at_acceptor = two.check_hello(ends, hello, now_s);
        const auto* guest = std::get_if<Guest>(&at_acceptor);
        REQUIRE(guest != nullptr);
        CHECK(guest->key == mesh.secret.door_key());
        const auto welcome = two.welcome(guest->key, ends, hello, 0);
        const auto at_dialler = one.check_welcome(ends, hello, welcome, now_s);
        const auto* host = std::get_if<Guest>(&at_dialler);
        REQUIRE(host != nullptr);
        CHECK(host->key == guest->key);
        CHECK(Door::check_ready(guest->key, ends, hello, welcome, Door::ready(host->key, ends, hello, welcome)));
    }
    // The newest that both know is taken.
    const auto answer = door_of(b, known).check_hello(ends, door_of(a, known).hello(ends, 0), now_s);
    CHECK(std::get<Guest>(answer).key == known.door_key());
    // Nothing in common: refused, as a stranger is.
    const Founded stranger;
    const auto hello = door_of(a, stranger.secret).hello(ends, 0);
    CHECK_FALSE(std::holds_alternative<Guest>(door_of(b, known).check_hello(ends, hello, now_s)));
}

TEST_CASE("that somebody was revoked is said in a frame of its own, to whom said hello and by a member") {
    const Pair pair, other;
    const auto hello = pair.dialler_door.hello(pair.ends, 0);
    const auto told = Door::revoked(pair.key, pair.ends, hello);
    CHECK(pair.dialler_door.check_revoked(pair.ends, hello, told));
    CHECK_FALSE(pair.dialler_door.check_revoked(pair.ends, pair.dialler_door.hello(pair.ends, 0), told));
    CHECK_FALSE(pair.dialler_door.check_revoked(other.ends, hello, told));
    CHECK_FALSE(pair.dialler_door.check_revoked(pair.ends, hello, Door::revoked(other.key, pair.ends, hello)));
    CHECK_FALSE(pair.dialler_door.check_revoked(pair.ends, hello, Door::ready(pair.key, pair.ends, hello, {})));
    for (std::size_t at = 0; at < told.size(); ++at) {
        auto changed = told;
        changed[at] = char(changed[at] ^ 1);
        CHECK_FALSE(pair.dialler_door.check_revoked(pair.ends, hello, changed));
        CHECK_FALSE(pair.dialler_door.check_revoked(pair.ends, hello, told.substr(0, at)));
    }
    CHECK(is(pair.at_dialler(hello, told), DoorRefusal::malformed));
}

TEST_CASE("no byte of a frame can be changed, and none can be left out or added") {
    Pair pair;
    auto hello = pair.dialler_door.hello(pair.ends, 0);
    auto welcome = pair.acceptor_door.welcome(pair.key, pair.ends, hello, 0);
    auto ready = Door::ready(pair.key, pair.ends, hello, welcome);
    auto each_change = [](const Bytes& frame, auto refused) {
        for (std::size_t at = 0; at < frame.size(); ++at) {
            auto changed = frame;
            changed[at] = char(changed[at] ^ 1);
            CHECK(refused(changed));
            CHECK(refused(frame.substr(0, at)));
        }
        CHECK(refused(frame + '\0'));
    };
    each_change(hello,
                [&](const Bytes& frame) { return std::holds_alternative<DoorRefusal>(pair.at_acceptor(frame)); });
    each_change(welcome,
                [&](const Bytes& frame) { return std::holds_alternative<DoorRefusal>(pair.at_dialler(hello, frame)); });
    each_change(ready,
                [&](const Bytes& frame) { return !Door::check_ready(pair.key, pair.ends, hello, welcome, frame); });
}

TEST_CASE("a frame is worth nothing on another connection, in the other direction or in another mesh") {
    Pair pair;
    auto hello = pair.dialler_door.hello(pair.ends, 0);
    auto thief = Identity::generate();
    CHECK(is(pair.acceptor_door.check_hello({thief.curve_public(), pair.ends.acceptor}, hello, now_s),
             DoorRefusal::no_proof));
    CHECK(is(pair.acceptor_door.check_hello({pair.ends.dialler, thief.curve_public()}, hello, now_s),
             DoorRefusal::no_proof));
    CHECK(is(pair.acceptor_door.check_hello({pair.ends.acceptor, pair.ends.dialler}, hello, now_s),
             DoorRefusal::no_proof));
    Pair other;
    CHECK(is(other.acceptor_door.check_hello(pair.ends, hello, now_s), DoorRefusal::other_mesh));

    auto welcome = pair.acceptor_door.welcome(pair.key, pair.ends, hello, 0);
    auto later_hello = pair.dialler_door.hello(pair.ends, 0);
    CHECK(later_hello != hello);
    CHECK(is(pair.at_dialler(later_hello, welcome), DoorRefusal::no_proof));
    CHECK(is(pair.at_acceptor(welcome), DoorRefusal::malformed));
    auto ready = Door::ready(pair.key, pair.ends, hello, welcome);
    CHECK(!Door::check_ready(pair.key, pair.ends, later_hello, welcome, ready));
}

TEST_CASE("a member cannot show another's node key") {
    Pair pair;
    const auto other = Identity::generate().node_key();
    Door liar(pair.mesh.member(other), {other, 13, 4003});
    CHECK(is(pair.at_acceptor(liar.hello(pair.ends, 0)), DoorRefusal::wrong_key));
    Door nobody(pair.mesh.member(NodeKey{}), {NodeKey{}, 13, 4003});
    CHECK(is(pair.at_acceptor(nobody.hello(pair.ends, 0)), DoorRefusal::wrong_key));
}

TEST_CASE("who knows the secret and has no certificate of its own stays outside") {
    Pair pair;
    const Founded foreign;
    const auto& node = pair.dialler.node_key();
    const auto says = [&](const Chain& chain) {
        return pair.at_acceptor(Door({pair.mesh.secret, chain}, {node, 11, 4001}).hello(pair.ends, 0));
    };
    CHECK(is(says({}), DoorRefusal::no_certificate));
    CHECK(is(says(foreign.member(node).chain), DoorRefusal::no_certificate));
    CHECK(is(says(pair.mesh.member(pair.acceptor.node_key()).chain), DoorRefusal::no_certificate));
    CHECK(is(says(pair.mesh.invitation().invitation.chain), DoorRefusal::no_certificate));
    const auto invited = pair.mesh.invitation();
    CHECK(std::holds_alternative<Guest>(says(invited.admit(node).chain)));
    // What an invitation's holder could say of itself: that it is a node.
    const auto holder = pair.mesh.invitation();
    CHECK(is(says(holder.invitation.chain), DoorRefusal::no_certificate));
}

TEST_CASE("a certificate ends") {
    Pair pair;
    const auto& node = pair.dialler.node_key();
    const auto says = [&](std::uint64_t expires_s) {
        const auto own = pair.mesh.member(node, {.expires_s = expires_s});
        return pair.at_acceptor(Door(own, {node, 11, 4001}).hello(pair.ends, 0));
    };
    CHECK(is(says(1), DoorRefusal::expired));
    CHECK(is(says(now_s), DoorRefusal::expired));
    CHECK(std::holds_alternative<Guest>(says(now_s + 1)));
    CHECK(std::holds_alternative<Guest>(says(0)));
}

TEST_CASE("every reason has a name") {
    std::set<std::string_view> names;
    for (std::size_t reason = 0; reason < door_refusals; ++reason) names.insert(name_of(DoorRefusal(reason)));
    CHECK(names.size() == door_refusals);
}

}  // namespace
}  // namespace starling::net
