// Seals: what makes a changeset its origin's, whoever hands it on. The changesets of a replica form a chain of hashes;
// the origin signs how far the chain has come before anything leaves. docs/wire.md has the bytes,
// docs/decisions/0051-seals.md the reasons.
//
// A chain is checked from its end. Where a signed head is the hash of (the head before, the changeset), both are what
// the origin hashed, or somebody found a collision; so one signature proves the whole run that leads to it, whoever
// said where the run began.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "crdt/changeset.hpp"

namespace starling::gossip {

using ChangesetPtr = std::shared_ptr<const crdt::Changeset>;
using ChainHead = std::array<std::uint8_t, 32>;  ///< zeros before a replica's first changeset
using SealSignature = std::array<std::uint8_t, 64>;
using MeshId = std::array<std::uint8_t, 16>;

/// The primitives, which this folder does not know. Thread rule: const calls from any thread.
class Sealer {
  public:
    virtual ~Sealer() = default;
    /// Of the parts, one after another. Collision-resistant.
    virtual ChainHead hash(std::span<const crdt::BytesView> parts) const = 0;
    /// With the key of the node that runs.
    virtual SealSignature sign(crdt::BytesView bytes) const = 0;
    virtual bool verify(const crdt::NodeKey& node, crdt::BytesView bytes, const SealSignature& signature) const = 0;
};

/// The origin's word: my changesets first…last lead from one head of my chain to another. An origin signs every seq
/// once.
struct Seal {
    crdt::ReplicaId replica;
    crdt::Seq first = 0;
    crdt::Seq last = 0;
    ChainHead before{};  ///< up to first - 1
    ChainHead after{};   ///< up to last
    SealSignature signature{};
    bool operator==(const Seal&) const = default;
};
using SealPtr = std::shared_ptr<const Seal>;

/// What is known of the place of one changeset in its chain.
struct Proof {
    ChainHead before{}, after{};
    SealPtr by;  ///< of the origin, at this changeset's last seq or later; nothing: not signed, or not any more
    bool sealed(const crdt::Changeset& changeset) const { return by && by->last == changeset.last(); }
};

/// Where the signatures of a run lie.
struct SealLine {
    crdt::Seq first = 0, last = 0;
    std::optional<ChainHead> before{};  ///< where `first` is not in the run, so that it does not follow from it
    SealSignature signature{};
    bool operator==(const SealLine&) const = default;
};
/// What goes with changesets of one origin that follow each other in a frame.
struct SealedRun {
    crdt::ReplicaId origin;
    ChainHead before{};           ///< of the first of them; a claim until the signatures were checked
    std::vector<SealLine> lines;  ///< ascending; the last one at the end of the run
    bool operator==(const SealedRun&) const = default;
};

/// What lies between two signatures that a node keeps, in wire_bytes() and in replicas named, unless it is one
/// changeset. Origins and whoever leaves signatures out keep to it.
inline constexpr std::size_t seal_stretch_bytes = 64 * 1024;
inline constexpr std::size_t seal_stretch_names = 4'096;
/// What is accepted: pieces of two stretches may have become one where a part was lost and sent again.
inline constexpr std::size_t seal_stretch_bytes_max = 4 * seal_stretch_bytes;
inline constexpr std::size_t seal_stretch_names_max = 2 * seal_stretch_names;
/// Signatures of one run: of a frame of changesets of the least size, each with its own, and no more.
inline constexpr std::size_t seal_lines_max = 8'192;

/// How much lies between two signatures.
struct StretchSize {
    std::size_t bytes = 0, names = 0, changesets = 0;
    void add(const crdt::Changeset& changeset);
    StretchSize with(const StretchSize& other) const {
        return {bytes + other.bytes, names + other.names, changesets + other.changesets};
    }
    bool within(std::size_t bytes_max, std::size_t names_max) const {
        return changesets <= 1 || (bytes <= bytes_max && names <= names_max);
    }
};

/// Of the changesets of a run (by their places in it) after which something is signed, those whose signatures suffice:
/// the last, and before it one for each seal_stretch_bytes. O(changesets).
std::vector<std::size_t> thinned(std::span<const crdt::Changeset* const> changesets,
                                 std::span<const std::size_t> sealed);

/// A sealer, and what its signatures are for.
class Sealing {
  public:
    Sealing(std::shared_ptr<const Sealer> sealer, const MeshId& mesh, crdt::SpaceId space)
        : sealer_(std::move(sealer)), mesh_(mesh), space_(space) {}

    /// The head after a changeset. O(bytes).
    ChainHead next(const ChainHead& before, const crdt::Changeset& changeset) const;
    /// What a seal's signature is over. O(1).
    crdt::Bytes text_of(const Seal& seal) const;
    /// Fills in the signature of the node that runs, whose replica it must be.
    void sign(Seal& seal) const { seal.signature = sealer_->sign(text_of(seal)); }
    bool verify(const Seal& seal) const { return sealer_->verify(seal.replica.node, text_of(seal), seal.signature); }

    /// The heads of changesets of one origin that follow each other. O(bytes).
    std::vector<Proof> chain(ChainHead before, std::span<const crdt::Changeset* const> changesets) const;
    /// Are they their origin's? Fills in by which signature, or is false, and then nothing may be concluded about any
    /// of them. `proofs` are their heads as `chain` returns them. Checks the last signature, and before it one for each
    /// seal_stretch_bytes; others count for nothing.
    bool prove(const SealedRun& run, std::span<const crdt::Changeset* const> changesets,
               std::vector<Proof>& proofs) const;

  private:
    std::shared_ptr<const Sealer> sealer_;
    MeshId mesh_;
    crdt::SpaceId space_;
};

/// Do two seals, both with a right signature of their replica, show that it told two stories? Of one chain no two seals
/// overlap unless they are the same, and where one ends with a head the next begins with it.
bool contradict(const Seal& a, const Seal& b);

/// Two histories of one replica, and what was signed of each.
struct Fork {
    Seal here, there;
    /// By the signed words alone, without the changesets.
    bool conclusive() const { return contradict(here, there); }
};

/// A seal in full, as stores keep it and state diffs carry it: [replica, first, last, before, after, signature].
void write_seal(crdt::Writer& out, const Seal& seal);
Seal read_seal(crdt::Reader& in);
crdt::Bytes encode_seal(const Seal& seal);
std::optional<Seal> decode_seal(crdt::BytesView bytes);

template <std::size_t Size>
crdt::BytesView view_of(const std::array<std::uint8_t, Size>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), Size};
}
/// Exactly so many; a failed reader and zeros otherwise.
template <std::size_t Size>
std::array<std::uint8_t, Size> read_array(crdt::Reader& in) {
    std::array<std::uint8_t, Size> bytes{};
    const auto read = in.bin(Size);
    if (read.size() != Size) return in.fail(), bytes;
    std::copy(read.begin(), read.end(), bytes.begin());
    return bytes;
}

}  // namespace starling::gossip
