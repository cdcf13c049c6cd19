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

/// Which origin has which number. Invariants: a chunk holds lives of one node; numbers have no gaps and begin at
/// `chunk_lives_max`, so that 0 is none; an origin knows its number. Thread rule: that of the replica.
class Lives {
  public:
    /// The next number for an origin that has none. O(log nodes).
    void add(crdt::Origin& origin);
    /// The next chunk, as it was stored.
    void add_chunk(const crdt::NodeKey& node, std::vector<crdt::Origin*> lives);
    std::uint32_t next_chunk() const { return std::uint32_t(chunks_.size()); }
    /// nullptr where nobody has it. O(1).
    crdt::Origin* find(OriginNumber number) const;
    static std::uint32_t chunk_of(OriginNumber number) { return number / chunk_lives_max; }
    /// With the seqs and stamps of now.
    ChunkRow row(std::uint32_t chunk) const;
    void check() const;

  private:
    struct Chunk {
        crdt::NodeKey node{};
        std::vector<crdt::Origin*> lives;
    };
    std::vector<Chunk> chunks_{1};  ///< the first has no lives
    std::map<crdt::NodeKey, std::uint32_t> newest_;
};

}  // namespace starling::store
