// State-based and delta-based synchronization: the whole state once a second, or only buffered changes.
//
// A delta-based node keeps, for each object, a buffer of what it wrote and received. Once a second it sends each
// neighbour the join of what that neighbour has not acknowledged. BP (avoid back-propagation) leaves out what came from
// that neighbour; RR (remove redundancy) buffers of a received delta only what was new, where the classic algorithm
// buffers the whole of it as soon as anything was.
#pragma once

#include <deque>
#include <set>

#include "protocol.hpp"

namespace starling::bench::icde {

class StateBased final : public Protocol {
  public:
    StateBased(Surroundings where, Send send) : Protocol(std::move(send)), where_(std::move(where)) {}

    void write(const Event& event) override;
    void sync() override;
    void receive(sim::Place from, crdt::BytesView frame) override;

  private:
    Surroundings where_;
};

/// Invariants: a buffer holds what some neighbour has not acknowledged, oldest first; `dirty_` names the objects whose
/// buffer holds anything.
class DeltaBased final : public Protocol {
  public:
    DeltaBased(Surroundings where, bool bp, bool rr, Send send)
        : Protocol(std::move(send)), where_(std::move(where)), bp_(bp), rr_(rr) {}

    void write(const Event& event) override;
    void sync() override;
    void receive(sim::Place from, crdt::BytesView frame) override;
    std::uint64_t buffer_elements() const override { return buffer_elements_; }

  private:
    struct Buffered {
        std::uint64_t number;
        sim::Place from;
        Lattice cells;
    };
    struct Buffer {
        Kind kind{};
        std::uint64_t next = 0;
        std::deque<Buffered> deltas;
        std::map<sim::Place, std::uint64_t> acked;  ///< deltas below are with that neighbour
    };

    void keep(const std::string& object, Kind kind, Lattice cells, sim::Place from);
    Lattice unacknowledged(const Buffer& buffer, sim::Place by) const;
    void acknowledged(const std::string& object, sim::Place by, std::uint64_t below);
    void receive_deltas(sim::Place from, crdt::Reader& in);

    Surroundings where_;
    bool bp_, rr_;
    std::map<std::string, Buffer> buffers_;
    std::set<std::string> dirty_;
    std::uint64_t buffer_elements_ = 0;
};

}  // namespace starling::bench::icde
