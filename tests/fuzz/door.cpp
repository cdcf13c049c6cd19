// What strangers may send before they are let in: addresses, join codes, beacons, certificate chains, and the frames of
// the door; and membership records, which any member may write. No chain, frame or record that differs from the honest
// one passes, however it was changed.
#include "net/door.hpp"

#include <array>

#include "net/address.hpp"
#include "net/mesh.hpp"
#include "net/mesh_record.hpp"
#include "tests/fuzz/choices.hpp"

using namespace starling;
using namespace starling::net;

namespace {

void texts(BytesView text) {
    if (const auto at = parse_host_port(text)) {
        STARLING_ASSERT(at->port != 0 && at->host.size() <= host_bytes_max, "an address is within its limits");
        (void)numeric_address(*at);
    }
    (void)parse_join_code(text);
    (void)parse_join_code("starling3-" + Bytes(text));
}

/// A mesh, and the two honest ends of a connection in it.
struct Setting {
    Identity admin = Identity::generate(), a = Identity::generate(), b = Identity::generate(),
             invitation = Identity::generate();
    MeshSecret mesh = MeshSecret::founded_by(admin);
    Chain invited = issued({admin, {}}, mesh.mesh_id(), Subject::invitation, invitation.node_key(), {});
    Chain joined = issued({invitation, invited}, mesh.mesh_id(), Subject::node, a.node_key(), {});
    Chain vouched = issued({admin, {}}, mesh.mesh_id(), Subject::node, b.node_key(), {.role = Role::admin});
};

void chains(fuzz::Choices& choices, const Setting& setting) {
    const auto honest = encode_chain(setting.joined);
    const auto got = choices.flag() ? choices.mutated(honest) : Bytes(choices.rest());
    const auto chain = decode_chain(got);
    if (!chain) return;
    STARLING_ASSERT(encode_chain(*chain) == got, "a chain has one form");
    const bool holds = bool(standing_of(setting.mesh.trust(), *chain, setting.a.node_key()));
    STARLING_ASSERT(holds == (got == honest), "only the honest chain holds");
}

void records(fuzz::Choices& choices, const Setting& setting) {
    static const Bytes member = encode_record(MemberRecord{setting.joined});
    static const Bytes revocation =
        encode_record({setting.b, setting.vouched}, setting.mesh.mesh_id(),
                      {Subject::node, setting.a.node_key(), 1, {}, {{setting.a.node_key(), 1, 2}, {{}, 3, 4}}});
    static const Bytes secret = encode_record({setting.b, setting.vouched}, setting.mesh, *setting.mesh.successor(),
                                              {setting.a.node_key(), setting.b.node_key()});
    const std::array honest{&member, &revocation, &secret};
    const auto& sent = *honest.at(choices.below(honest.size()));
    const auto got = choices.flag() ? choices.mutated(sent) : Bytes(choices.rest());
    const bool holds = bool(checked_record(setting.mesh.trust(), got));
    STARLING_ASSERT(holds == (got == member || got == revocation || got == secret), "only the honest record holds");
}

void frames(fuzz::Choices& choices, const Setting& setting) {
    const CurveEnds ends{setting.a.curve_public(), setting.b.curve_public()};
    const Door dialler({setting.mesh, setting.joined}, {setting.a.node_key(), 4, 5});
    const Door acceptor({setting.mesh, setting.vouched}, {setting.b.node_key(), 7, 8});
    const auto& key = setting.mesh.door_key();
    const auto hello = dialler.hello(ends, 0);
    const auto welcome = acceptor.welcome(key, ends, hello, 0);
    const auto ready = Door::ready(key, ends, hello, welcome);
    const auto kind = choices.below(3);
    const auto& sent = kind == 0 ? hello : kind == 1 ? welcome : ready;
    const auto got = choices.flag() ? choices.mutated(sent) : Bytes(choices.rest());
    if (got == sent) return;
    const bool passes = kind == 0   ? std::holds_alternative<Guest>(acceptor.check_hello(ends, got, 1))
                        : kind == 1 ? std::holds_alternative<Guest>(dialler.check_welcome(ends, hello, got, 1))
                                    : Door::check_ready(key, ends, hello, welcome, got);
    STARLING_ASSERT(!passes, "only the honest frame passes the door");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Setting setting;  // its bytes decide nothing: no input can know them
    fuzz::Choices choices(data, size);
    switch (choices.below(5)) {
        case 0:
            texts(choices.rest());
            break;
        case 1:
            (void)unseal(choices.rest(), setting.mesh.beacon_key());
            break;
        case 2:
            chains(choices, setting);
            break;
        case 3:
            records(choices, setting);
            break;
        default:
            frames(choices, setting);
    }
    return 0;
}
