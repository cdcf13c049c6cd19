// The reference protocols: what a node of each does when it writes, once a second, and when a message arrives.
//
// They are the paper's, small, over the lattice of lattice.hpp, and speak in real bytes: the frames have the same
// envelope as ours (wire version, space, kind, definitions, body), one frame carries all objects that a node has for a
// neighbour, and acknowledgements travel together. Where the published programs leave a choice, the one that is
// cheaper for the reference was taken.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lattice.hpp"

namespace starling::bench::icde {

/// What a message carried, as its sender counts.
struct Load {
    std::uint64_t elements = 0;  ///< cells, in the paper's sense
    std::uint64_t payload = 0;   ///< bytes of those cells; the rest of a frame is metadata
};

class Protocol {
  public:
    using Send = std::function<void(sim::Place to, crdt::Bytes frame, const Load& load)>;

    explicit Protocol(Send send) : send_(std::move(send)) {}
    virtual ~Protocol() = default;
    Protocol(const Protocol&) = delete;
    Protocol& operator=(const Protocol&) = delete;

    virtual void write(const Event& event) = 0;
    /// Synchronizes with every neighbour.
    virtual void sync() = 0;
    virtual void receive(sim::Place from, crdt::BytesView frame) = 0;

    const Store& store() const { return store_; }
    /// Cells of the state, and of everything else that is kept.
    std::uint64_t state_elements() const { return state_elements_; }
    virtual std::uint64_t buffer_elements() const { return 0; }

  protected:
    /// The update as a lattice of its own; empty where it changes nothing. It is joined into the store.
    Lattice mutate(const Update& update);
    /// Joins into the store; gives what was new.
    Lattice merge(const std::string& object, Kind kind, const Lattice& cells);

    Send send_;
    Store store_;
    std::uint64_t state_elements_ = 0;
};

/// Where a node is: all that a protocol knows of the topology.
struct Surroundings {
    sim::Place self = 0;
    std::vector<sim::Place> neighbours;
    const std::vector<std::string>* ids = nullptr;
};

enum class Reference : std::uint8_t { state_based, classic, bp, rr, bp_rr, scuttlebutt, scuttlebutt_gc };
inline constexpr Reference references[] = {
    Reference::state_based, Reference::classic,       Reference::bp, Reference::rr, Reference::bp_rr,
    Reference::scuttlebutt, Reference::scuttlebutt_gc};
std::string name_of(Reference reference);

std::unique_ptr<Protocol> make(Reference reference, Surroundings where, Protocol::Send send);

// -- frames
/// A frame of one of the reference protocols around its body.
crdt::Bytes frame_of(std::uint64_t message, crdt::BytesView body);
/// Opens a frame; gives the kind of its message.
std::uint64_t open_frame(crdt::Reader& in);

}  // namespace starling::bench::icde
