// The lives of nodes as the store keeps them. A node that restarts daily has a thousand in three years, so they lie in
// chunks of one node each: a life takes its 8 bytes, its last seq and how much later its last stamp is.
#pragma once

#include <map>
#include <vector>

#include "crdt/state.hpp"
#include "store/batch.hpp"

namespace starling::store {

inline constexpr std::uint32_t chunk_lives_max = 32;

struct LifeLine {
    crdt::Life life = 0;
    crdt::Seq seen = 0;
    crdt::Stamp last_stamp = 0;
    bool operator==(const LifeLine&) const = default;
};

/// 8 bytes of a life, then its seq and the difference of its stamp from the one before, as LEB128 (the latter zigzag).
crdt::Bytes encode_lives(const std::vector<LifeLine>& lives);
/// Nothing where the bytes are not such.
std::optional<std::vector<LifeLine>> decode_lives(crdt::BytesView bytes);

/// Which numbers are given to the lives of which node. What number a life has, its line in the state says. Invariants:
/// a chunk holds lives of one node; numbers have no gaps within a chunk and begin at `chunk_lives_max`, so that 0 is
/// none. Thread rule: that of the replica.
class Lives {
  public:
    /// The next number for a life of this node. O(log nodes).
    OriginNumber add(const crdt::NodeKey& node);
    /// The next chunk, as it was stored. The number of its first life.
    OriginNumber add_chunk(const crdt::NodeKey& node, std::size_t lives);
    std::uint32_t next_chunk() const { return std::uint32_t(chunks_.size()); }
    static std::uint32_t chunk_of(OriginNumber number) { return number / chunk_lives_max; }
    /// These chunks, which ascend, with the seqs and stamps of now. From here on the store holds entries up to what is
    /// seen now. O(lives of their nodes).
    std::vector<ChunkRow> rows(crdt::State& state, const std::vector<std::uint32_t>& chunks) const;
    /// Compares the numbers with the lines of the state. O(lives).
    void check(const crdt::State& state) const;

  private:
    struct Newest {
        std::uint32_t chunk = 0;
        std::uint32_t lives = 0;  ///< in it
    };
    using Nodes = std::map<crdt::NodeKey, Newest>;
    Nodes::value_type& begin_chunk(const crdt::NodeKey& node);

    Nodes nodes_;
    std::vector<const Nodes::value_type*> chunks_{nullptr};  ///< whose they are; the first has no lives
};

}  // namespace starling::store
