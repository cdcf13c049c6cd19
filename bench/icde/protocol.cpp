#include "protocol.hpp"

#include "crdt/assert.hpp"
#include "delta.hpp"
#include "scuttlebutt.hpp"

namespace starling::bench::icde {

std::string name_of(Reference reference) {
    static constexpr const char* names[] = {"state-based", "classic delta", "BP", "RR", "BP+RR",
                                            "Scuttlebutt", "Scuttlebutt-GC"};
    return names[std::size_t(reference)];
}

std::unique_ptr<Protocol> make(Reference reference, Surroundings where, Protocol::Send send) {
    switch (reference) {
        case Reference::state_based:
            return std::make_unique<StateBased>(std::move(where), std::move(send));
        case Reference::scuttlebutt:
        case Reference::scuttlebutt_gc:
            return std::make_unique<Scuttlebutt>(std::move(where), reference == Reference::scuttlebutt_gc,
                                                 std::move(send));
        default: {
            const bool bp = reference == Reference::bp || reference == Reference::bp_rr;
            const bool rr = reference == Reference::rr || reference == Reference::bp_rr;
            return std::make_unique<DeltaBased>(std::move(where), bp, rr, std::move(send));
        }
    }
}

Lattice Protocol::mutate(const Update& update) {
    return merge(update.object, update.kind, {{update.key, {update.number, update.value}}});
}

Lattice Protocol::merge(const std::string& object, Kind kind, const Lattice& cells) {
    auto& mine = store_.try_emplace(object, Object{kind, {}}).first->second.cells;
    const auto before = mine.size();
    auto raised = join(mine, cells);
    state_elements_ += mine.size() - before;
    return raised;
}

crdt::Bytes frame_of(std::uint64_t message, crdt::BytesView body) {
    crdt::Writer out;
    out.array(5).uint(1).uint(0).uint(message).array(0).raw(body);
    return out.take();
}

std::uint64_t open_frame(crdt::Reader& in) {
    in.tuple(5);
    in.uint();
    in.uint();
    const auto message = in.uint();
    in.array(0);
    STARLING_ASSERT(in.ok(), "a frame of a reference protocol is well formed");
    return message;
}

}  // namespace starling::bench::icde
