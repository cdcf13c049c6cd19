#include "agree/register.hpp"

#include <algorithm>

#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"

namespace starling::agree {

using namespace crdt;

namespace {

bool sound_register(const Register& held) {
    auto last = held.forgotten;
    for (const auto& applied : held.applied) {
        if (applied.revision <= last) return false;
        last = applied.revision;
    }
    return last <= held.revision && held.applied.size() <= applied_ids_max;
}

}  // namespace

void Register::check() const {
    STARLING_ASSERT(sound_register(*this), "the ids of a register ascend by revision and are bounded");
    STARLING_ASSERT(!value || value->size() <= register_value_bytes_max, "a register's value is bounded");
}

Standing standing(const Register& found, const OperationId& id, std::optional<std::uint64_t> since) {
    if (!since || mutant(Mutant::retries_apply_again)) return Standing::not_applied;
    const auto at = std::find_if(found.applied.begin(), found.applied.end(), [&](const auto& a) { return a.id == id; });
    if (at != found.applied.end()) return Standing::applied;
    // It would have made a later revision than `since`, and no id of one was dropped.
    return found.forgotten > *since ? Standing::forgotten : Standing::not_applied;
}

void apply(Register& to, const OperationId& id, std::optional<Bytes> value) {
    to.value = std::move(value);
    to.applied.push_back({id, ++to.revision});
    if (to.applied.size() <= applied_ids_max) return;
    to.forgotten = to.applied.front().revision;
    to.applied.erase(to.applied.begin());
}

Bytes encode(const Register& held) {
    Writer out;
    out.array(4).uint(held.revision).uint(held.forgotten);
    if (held.value) {
        out.bin(*held.value);
    } else {
        out.nil();
    }
    out.array(3 * held.applied.size());
    auto last = held.forgotten;
    for (const auto& [id, revision] : held.applied) {
        out.uint(id.life).uint(id.number).uint(revision - last);
        last = revision;
    }
    auto bytes = out.take();
    STARLING_ASSERT(bytes.size() <= register_bytes_max, "a register fits its limit");
    return bytes;
}

Result<Register> decode_register(BytesView bytes) {
    if (bytes.size() > register_bytes_max) return Fault{FaultCode::too_large, "a register above its limit"};
    Reader in(bytes);
    Register held;
    in.tuple(4);
    held.revision = in.uint(count_max);
    held.forgotten = in.uint(held.revision);
    const bool erased = in.ok() && in.position() < bytes.size() && bytes[in.position()] == '\xc0';
    if (erased) {
        in.item(1, 0);
    } else {
        held.value = in.bin(register_value_bytes_max);
    }
    const auto items = in.array(3 * applied_ids_max);
    if (items % 3 != 0) in.fail();
    auto last = held.forgotten;
    for (std::size_t i = 0; i < items && in.ok(); i += 3) {
        Applied applied;
        applied.id.life = in.uint();
        applied.id.number = in.uint(count_max);
        applied.revision = last += in.uint(count_max);
        held.applied.push_back(applied);
    }
    if (!in.done() || !sound_register(held)) return Fault{FaultCode::malformed, "not a register"};
    return held;
}

}  // namespace starling::agree
