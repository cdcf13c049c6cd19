// Which dots of one replica are live, and where their entries are. Seqs come in ascending order and die in any, so they
// are kept in blocks of 32: a word of live bits and a handle for each. The blocks stand in an array by number; while
// none is missing a block's place is known by arithmetic. Most lives of a node that restarts often leave one live entry
// or none, so a single seq needs no block.
#pragma once

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

#include "crdt/entry.hpp"
#include "crdt/prefetch.hpp"

namespace starling::crdt {

/// Invariants: while there are no blocks at most one seq is live, the single one; block numbers ascend; a block that is
/// there has a live seq; `size()` is the number of live seqs. Thread rule: one thread at a time.
class SeqIndex {
  public:
    std::size_t size() const { return size_; }
    /// 0 where the seq is not live. O(1) while no block is missing, else O(log blocks).
    Handle find(Seq seq) const;
    /// Makes a seq live that was not. Amortised O(1) past the newest, O(blocks) before it.
    void set(Seq seq, Handle handle);
    /// The seq is live and dies. As `find`.
    void clear(Seq seq);
    /// A hint: this seq will be found or cleared soon.
    void prefetch_seq(Seq seq) const {
        if (spans_.empty()) return;
        if (const auto* block = block_of(seq)) {
            prefetch(block);
            prefetch(&block->at[seq % block_seqs]);
        }
    }
    /// The greatest live seq; 0 where there is none. O(empty blocks at the end).
    Seq top() const;

    /// Calls `visit(seq, handle)` for the live seqs of first…last in ascending order; the visit may clear the seq that
    /// it is at. O(log blocks + blocks touched).
    template <class Visit>
    void each(Seq first, Seq last, Visit visit) const {
        if (spans_.empty()) {
            if (size_ > 0 && first <= single_ && single_ <= last) visit(Seq(single_), Handle(single_at_));
            return;
        }
        for (auto place = lower_bound(first / block_seqs); place < spans_.size(); ++place) {
            const auto base = spans_[place].number * block_seqs;
            if (base > last) return;
            if (spans_[place].block == nullptr) continue;
            auto live = spans_[place].block->live;
            if (base < first) live &= ~std::uint32_t{0} << (first - base);
            for (; live != 0; live &= live - 1) {
                const auto bit = unsigned(std::countr_zero(live));
                if (base + bit > last) return;
                visit(base + bit, spans_[place].block->at[bit]);
            }
        }
    }
    template <class Visit>
    void each(Visit visit) const {
        each(0, UINT64_MAX, visit);
    }

    /// Calls `visit(first, bits)` for the words of live bits that are not zero: bit 0 is seq `first`, a multiple of 32.
    /// O(blocks).
    template <class Visit>
    void each_word(Visit visit) const {
        if (spans_.empty() && size_ > 0)
            visit(single_ / block_seqs * block_seqs, std::uint32_t{1} << single_ % block_seqs);
        for (const auto& span : spans_) {
            if (span.block != nullptr && span.block->live != 0) visit(span.number * block_seqs, span.block->live);
        }
    }

    /// Recomputes the invariants; O(n).
    void check() const;

  private:
    static constexpr unsigned block_seqs = 32;
    struct Block {
        std::uint32_t live = 0;
        Handle at[block_seqs];
    };
    struct Span {
        std::uint64_t number;
        std::unique_ptr<Block> block;  ///< nothing once all its seqs are dead
    };
    /// The first place whose number is not below `number`.
    std::size_t lower_bound(std::uint64_t number) const;
    Block* block_of(Seq seq) const;
    void set_in_block(Seq seq, Handle handle);
    Block& make_block(std::uint64_t number);
    void close_gaps();

    std::vector<Span> spans_;
    std::uint32_t empty_ = 0;  ///< spans without a block
    std::uint32_t size_ = 0;   ///< no more than there are handles
    Seq single_ = 0;           ///< where there are no spans
    Handle single_at_ = 0;
};

}  // namespace starling::crdt
