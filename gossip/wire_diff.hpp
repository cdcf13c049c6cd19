// The bytes of a state diff's pieces: sets of dots, coded per origin as runs, as a bitmap or by a range coder,
// whichever is shortest, and entries. Kept apart from the other messages because this is where the size of a catch-up
// is decided.
#pragma once

#include "crdt/codec.hpp"
#include "crdt/difference.hpp"
#include "gossip/refs.hpp"

namespace starling::gossip {

/// A reader that also turns numbers into replicas.
class FrameReader : public crdt::Reader {
  public:
    FrameReader(crdt::BytesView bytes, RefReceiver& refs) : crdt::Reader(bytes), refs_(&refs) {}
    /// From here on numbers are those of `refs`; returns those that were before.
    RefReceiver& use(RefReceiver& refs) { return *std::exchange(refs_, &refs); }

    crdt::ReplicaId ref() { return named(uint(link_refs_max)); }
    crdt::ReplicaId named(std::uint64_t number) {
        const auto* id = refs_->find(number);
        if (id == nullptr) undefine();
        return ok() ? *id : crdt::ReplicaId{};
    }
    KeptBodies& bodies() { return refs_->bodies; }

    /// What the frame builds on never came.
    void undefine() {
        undefined_ = undefined_ || ok();
        fail();
    }
    /// What the frame itself should have defined was not: nobody asks for it.
    void misuse() {
        undefined_ = false;
        fail();
    }
    /// True when something had no definition: the frame cannot be read, but nobody broke the protocol.
    bool undefined() const { return undefined_; }

  private:
    RefReceiver* refs_;
    bool undefined_ = false;
};

/// Bits of one bitmap: bounds what a few bytes can make a reader build.
inline constexpr std::uint64_t bitmap_bits_max = 8 * 512 * 1024;

/// Runs of one range-coded set: likewise.
inline constexpr std::uint64_t coded_runs_max = 1 << 18;

void write_dots(crdt::Writer& out, const crdt::LiveDots& dots, RefSender& refs);
crdt::LiveDots read_dots(FrameReader& in);

/// Runs of numbers, as of one origin's dots: form, count of runs or 0, bin.
void write_runs(crdt::Writer& out, const crdt::DotRuns& runs);
crdt::DotRuns read_runs(FrameReader& in);

/// A difference without its base.
void write_piece(crdt::Writer& out, const crdt::Difference& piece, RefSender& refs);
crdt::Difference read_piece(FrameReader& in);

/// Cuts a difference into pieces of about `bytes_max`, whose union (see `add_piece`) it is. At least one.
std::vector<crdt::Difference> split(const crdt::Difference& whole, std::size_t bytes_max);

/// Joins a piece to what came before it. False when they contradict each other.
bool add_piece(crdt::Difference& whole, crdt::Difference piece);

}  // namespace starling::gossip
