// The three frames of the door, without a network: the honest order passes, everything else has a name.
#include "net/door.hpp"

#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

struct Pair {
    MeshSecret mesh = MeshSecret::generate();
    Identity dialler = Identity::generate(), acceptor = Identity::generate();
    CurveEnds ends{dialler.curve_public(), acceptor.curve_public()};
    Door dialler_door{mesh, {dialler.node_key(), 11, 4001}};
    Door acceptor_door{mesh, {acceptor.node_key(), 12, 4002}};
};

bool is(const std::variant<Introduction, DoorRefusal>& answer, DoorRefusal refusal) {
    const auto* got = std::get_if<DoorRefusal>(&answer);
    return got != nullptr && *got == refusal;
}

TEST_CASE("two members introduce themselves to each other") {
    Pair pair;
    auto hello = pair.dialler_door.hello(pair.ends);
    CHECK(hello.size() == hello_bytes);
    auto at_acceptor = pair.acceptor_door.check_hello(pair.ends, hello);
    const auto* who = std::get_if<Introduction>(&at_acceptor);
    REQUIRE(who != nullptr);
    CHECK(who->node == pair.dialler.node_key());
    CHECK(who->boot == 11);
    CHECK(who->port == 4001);

    auto welcome = pair.acceptor_door.welcome(pair.ends, hello);
    auto at_dialler = pair.dialler_door.check_welcome(pair.ends, hello, welcome);
    who = std::get_if<Introduction>(&at_dialler);
    REQUIRE(who != nullptr);
    CHECK(who->node == pair.acceptor.node_key());

    auto ready = pair.dialler_door.ready(pair.ends, hello, welcome);
    CHECK(pair.acceptor_door.check_ready(pair.ends, hello, welcome, ready));
}

TEST_CASE("no byte of a frame can be changed, and none can be left out or added") {
    Pair pair;
    auto hello = pair.dialler_door.hello(pair.ends);
    auto welcome = pair.acceptor_door.welcome(pair.ends, hello);
    auto ready = pair.dialler_door.ready(pair.ends, hello, welcome);
    auto each_change = [](const Bytes& frame, auto refused) {
        for (std::size_t at = 0; at < frame.size(); ++at) {
            auto changed = frame;
            changed[at] = char(changed[at] ^ 1);
            CHECK(refused(changed));
            CHECK(refused(frame.substr(0, at)));
        }
        CHECK(refused(frame + '\0'));
    };
    each_change(hello, [&](const Bytes& frame) {
        return std::holds_alternative<DoorRefusal>(pair.acceptor_door.check_hello(pair.ends, frame));
    });
    each_change(welcome, [&](const Bytes& frame) {
        return std::holds_alternative<DoorRefusal>(pair.dialler_door.check_welcome(pair.ends, hello, frame));
    });
    each_change(ready,
                [&](const Bytes& frame) { return !pair.acceptor_door.check_ready(pair.ends, hello, welcome, frame); });
}

TEST_CASE("a frame is worth nothing on another connection, in the other direction or in another mesh") {
    Pair pair;
    auto hello = pair.dialler_door.hello(pair.ends);
    auto thief = Identity::generate();
    CHECK(is(pair.acceptor_door.check_hello({thief.curve_public(), pair.ends.acceptor}, hello), DoorRefusal::no_proof));
    CHECK(is(pair.acceptor_door.check_hello({pair.ends.dialler, thief.curve_public()}, hello), DoorRefusal::no_proof));
    CHECK(is(pair.acceptor_door.check_hello({pair.ends.acceptor, pair.ends.dialler}, hello), DoorRefusal::no_proof));
    Pair other;
    CHECK(is(other.acceptor_door.check_hello(pair.ends, hello), DoorRefusal::other_mesh));

    auto welcome = pair.acceptor_door.welcome(pair.ends, hello);
    auto later_hello = pair.dialler_door.hello(pair.ends);
    CHECK(later_hello != hello);
    CHECK(is(pair.dialler_door.check_welcome(pair.ends, later_hello, welcome), DoorRefusal::no_proof));
    CHECK(is(pair.acceptor_door.check_hello(pair.ends, welcome), DoorRefusal::malformed));
    auto ready = pair.dialler_door.ready(pair.ends, hello, welcome);
    CHECK(!pair.acceptor_door.check_ready(pair.ends, later_hello, welcome, ready));
}

TEST_CASE("a member cannot show another's node key") {
    Pair pair;
    Door liar(pair.mesh, {Identity::generate().node_key(), 13, 4003});
    CHECK(is(pair.acceptor_door.check_hello(pair.ends, liar.hello(pair.ends)), DoorRefusal::wrong_key));
    Door nobody(pair.mesh, {NodeKey{}, 13, 4003});
    CHECK(is(pair.acceptor_door.check_hello(pair.ends, nobody.hello(pair.ends)), DoorRefusal::wrong_key));
}

TEST_CASE("every reason has a name") {
    std::set<std::string_view> names;
    for (std::size_t reason = 0; reason < door_refusals; ++reason) names.insert(name_of(DoorRefusal(reason)));
    CHECK(names.size() == door_refusals);
}

}  // namespace
}  // namespace starling::net
