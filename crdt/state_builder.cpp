#include "crdt/state_builder.hpp"

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/limits.hpp"

namespace starling::crdt {

namespace {
Fault wrong_piece(const char* what) {
    return {FaultCode::malformed, what};
}
}  // namespace

StateBuilder::StateBuilder(Replica& replica) : replica_(replica) {
    STARLING_ASSERT(!replica.self() && replica.state().lives() == 0, "a state is built in an empty replica");
}

Result<bool> StateBuilder::line(const ReplicaId& id, Seq seen, Stamp last_stamp, std::uint32_t stored) {
    if (seen == 0 || seen >= seq_max) return wrong_piece("a line of the version is out of range");
    auto& state = replica_.state_;
    if (!state.add_line(id.node, {id.life, seen, last_stamp, stored}))
        return wrong_piece("a replica has two lines in the version");
    return true;
}

Origin& StateBuilder::origin(const ReplicaId& id) {
    replica_.state_.rest();
    return replica_.state_.touch(id);
}

Result<bool> StateBuilder::depth(Depth depth) {
    if (depth > depth_max) return wrong_piece("a depth is out of range");
    replica_.depth_ = depth;
    return true;
}

Result<bool> StateBuilder::entry(Origin& origin, Seq seq, const SlotView& slot, Stamp stamp, Depth depth,
                                 BytesView value) {
    if (seq == 0 || seq > origin.seen || origin.live.find(seq) != 0)
        return wrong_piece("an entry's dot is not covered, or is there twice");
    if (depth == 0 || depth > replica_.depth_) return wrong_piece("an entry's depth is out of range");
    if (slot.key.size() > key_bytes_max || is_void_slot(slot) || slot.field.size() > field_bytes_max ||
        !canonical_field(slot.field) || std::uint8_t(slot.type) > 127 || !valid_value(value))
        return wrong_piece("an entry's texts break the rules");
    replica_.state_.insert(origin, seq, replica_.state_.hashed(slot), stamp, depth, value, true);
    return true;
}

Result<bool> StateBuilder::head(const ReplicaId& id, const Head& head) {
    if (head.last == 0 || head.last > replica_.state_.seen(id) || head.depth > replica_.depth_)
        return wrong_piece("a head is not covered");
    replica_.heads_[id] = head;
    return true;
}

}  // namespace starling::crdt
