// A changeset in full, as files hold it, and its body: bytes that can be read have one meaning and one form.
#include "crdt/changeset.hpp"

#include "crdt/codec.hpp"
#include "crdt/replica.hpp"
#include "tests/fuzz/actors.hpp"

using namespace starling;
using namespace starling::crdt;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const BytesView bytes(reinterpret_cast<const char*>(data), size);
    (void)canonical_field(bytes);
    (void)valid_value(bytes);
    if (const auto value = integer_value(bytes)) STARLING_ASSERT(pack_int(*value) == bytes, "an integer has one form");
    const auto changeset = decode_changeset(bytes);
    if (!changeset) return 0;
    STARLING_ASSERT(encode_changeset(*changeset) == bytes, "a changeset has one form");
    const auto body = decode_body(*changeset);
    Replica replica(0);
    if ((!body && body.fault().code == FaultCode::unknown_kind) || replica.missing(*changeset, body)) return 0;
    replica.apply(*changeset, body);
    replica.check();
    STARLING_ASSERT(replica.state().seen(changeset->origin) == changeset->last(), "its dots count, whatever it says");
    return 0;
}
