// What strangers may send before they are let in: addresses, join codes, beacons, and the frames of the door. No frame
// that differs from the honest one passes, however it was changed.
#include "net/door.hpp"

#include "net/address.hpp"
#include "net/mesh.hpp"
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
    (void)parse_join_code("starling1-" + Bytes(text));
}

void frames(fuzz::Choices& choices, const MeshSecret& mesh) {
    const CurveEnds ends{{1}, {2}};
    const Door dialler(mesh, {{3}, 4, 5}), acceptor(mesh, {{6}, 7, 8});
    const auto hello = dialler.hello(ends);
    const auto welcome = acceptor.welcome(ends, hello);
    const auto ready = dialler.ready(ends, hello, welcome);
    const auto kind = choices.below(3);
    const auto& sent = kind == 0 ? hello : kind == 1 ? welcome : ready;
    const auto got = choices.flag() ? choices.mutated(sent) : Bytes(choices.rest());
    if (got == sent) return;
    const bool passes = kind == 0   ? std::holds_alternative<Introduction>(acceptor.check_hello(ends, got))
                        : kind == 1 ? std::holds_alternative<Introduction>(dialler.check_welcome(ends, hello, got))
                                    : acceptor.check_ready(ends, hello, welcome, got);
    STARLING_ASSERT(!passes, "only the honest frame passes the door");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const auto mesh = MeshSecret::generate();  // its bytes decide nothing: no input can know them
    fuzz::Choices choices(data, size);
    switch (choices.below(3)) {
        case 0:
            texts(choices.rest());
            break;
        case 1:
            (void)unseal(choices.rest(), mesh.beacon_key());
            break;
        default:
            frames(choices, mesh);
    }
    return 0;
}
