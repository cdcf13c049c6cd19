// Scuttlebutt (van Renesse, Dumitriu, Gough, Thomas: "Efficient reconciliation and flow control for anti-entropy
// protocols", 2008), as the paper uses it: values are the deltas of events, each under a dot of its node. Once a second
// a node sends its vector of dots seen to every neighbour, which answers with the deltas that are missing.
//
// The plain form keeps every delta for ever. With garbage collection a node sends what it knows of all nodes' vectors
// and drops what everybody has.
#pragma once

#include "protocol.hpp"

namespace starling::bench::icde {

class Scuttlebutt final : public Protocol {
  public:
    Scuttlebutt(Surroundings where, bool gc, Send send);

    void write(const Event& event) override;
    void sync() override;
    void receive(sim::Place from, crdt::BytesView frame) override;
    std::uint64_t buffer_elements() const override { return buffer_elements_; }

  private:
    using Vector = std::vector<std::uint64_t>;  ///< by node: how many of its deltas are known
    struct Delta {
        std::string object;
        Kind kind{};
        Lattice cells;
    };

    Vector& mine() { return known_[where_.self]; }
    void store(sim::Place node, std::uint64_t number, Delta delta);
    void write_vector(crdt::Writer& out, const Vector& vector) const;
    Vector read_vector(crdt::Reader& in);
    sim::Place place_of(crdt::BytesView id) const;
    void answer(sim::Place to, const Vector& theirs);
    void drop_stable();

    Surroundings where_;
    bool gc_;
    std::map<std::string, sim::Place, std::less<>> places_;
    std::vector<Vector> known_;  ///< by node: its vector, as far as is known; without gc only one's own
    std::vector<std::map<std::uint64_t, Delta>> deltas_;  ///< by node, by number
    std::uint64_t buffer_elements_ = 0;
};

}  // namespace starling::bench::icde
