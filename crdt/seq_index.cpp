#include "crdt/seq_index.hpp"

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

std::size_t SeqIndex::lower_bound(std::uint64_t number) const {
    if (spans_.empty() || number <= spans_.front().number) return 0;
    // Numbers ascend by at least one, so the place is at most this, and exactly this where none is missing before it.
    const auto most = std::min<std::uint64_t>(number - spans_.front().number, spans_.size());
    if (mutant(Mutant::blocks_by_arithmetic)) return most;
    if (most < spans_.size() && spans_[most].number == number) return most;
    const auto end = spans_.begin() + std::ptrdiff_t(most);
    const auto at = std::lower_bound(spans_.begin(), end, number, [](const Span& s, auto n) { return s.number < n; });
    return std::size_t(at - spans_.begin());
}

SeqIndex::Block* SeqIndex::block_of(Seq seq) const {
    const auto place = lower_bound(seq / block_seqs);
    const bool here = place < spans_.size() && spans_[place].number == seq / block_seqs;
    return here ? spans_[place].block.get() : nullptr;
}

Handle SeqIndex::find(Seq seq) const {
    if (spans_.empty()) return size_ > 0 && seq == single_ ? single_at_ : 0;
    const auto* block = block_of(seq);
    const auto bit = seq % block_seqs;
    return block != nullptr && (block->live >> bit & 1) != 0 ? block->at[bit] : 0;
}

void SeqIndex::close_gaps() {
    std::erase_if(spans_, [](const Span& span) { return span.block == nullptr; });
    empty_ = 0;
}

SeqIndex::Block& SeqIndex::make_block(std::uint64_t number) {
    if (empty_ > 16 && empty_ > spans_.size() / 2) close_gaps();
    auto place = spans_.size();
    if (!spans_.empty() && number <= spans_.back().number) place = lower_bound(number);
    if (place == spans_.size() || spans_[place].number != number) {
        spans_.insert(spans_.begin() + std::ptrdiff_t(place), Span{number, std::make_unique<Block>()});
    } else if (spans_[place].block == nullptr) {
        spans_[place].block = std::make_unique<Block>();
        --empty_;
    }
    return *spans_[place].block;
}

void SeqIndex::set(Seq seq, Handle handle) {
    if (spans_.empty()) {
        if (size_++ == 0) {
            single_ = seq;
            single_at_ = handle;
            return;
        }
        STARLING_ASSERT(seq != single_, "a dot names one entry");
        size_ = 0;
        set_in_block(single_, single_at_);
    }
    set_in_block(seq, handle);
}

void SeqIndex::set_in_block(Seq seq, Handle handle) {
    const auto number = seq / block_seqs;
    const bool newest = !spans_.empty() && spans_.back().number == number && spans_.back().block != nullptr;
    auto& block = newest ? *spans_.back().block : make_block(number);
    const auto bit = seq % block_seqs;
    STARLING_ASSERT((block.live >> bit & 1) == 0, "a dot names one entry");
    block.live |= std::uint32_t{1} << bit;
    block.at[bit] = handle;
    ++size_;
}

void SeqIndex::clear(Seq seq) {
    if (spans_.empty()) {
        STARLING_ASSERT(size_ > 0 && seq == single_, "only a live dot dies");
        size_ = 0;
        return;
    }
    const auto place = lower_bound(seq / block_seqs);
    auto& span = spans_[place];
    const auto bit = std::uint32_t{1} << seq % block_seqs;
    STARLING_ASSERT(span.block != nullptr && (span.block->live & bit) != 0, "only a live dot dies");
    span.block->live &= ~bit;
    --size_;
    if (span.block->live != 0) return;
    span.block.reset();
    ++empty_;
}

Seq SeqIndex::top() const {
    if (spans_.empty()) return size_ > 0 ? single_ : 0;
    for (auto at = spans_.rbegin(); at != spans_.rend(); ++at) {
        if (at->block != nullptr) return at->number * block_seqs + unsigned(std::bit_width(at->block->live)) - 1;
    }
    return 0;
}

void SeqIndex::check() const {
    if (spans_.empty()) {
        STARLING_ASSERT(size_ <= 1 && empty_ == 0, "more than one live seq is in blocks");
        return;
    }
    std::size_t live = 0, empty = 0;
    for (std::size_t i = 0; i < spans_.size(); ++i) {
        STARLING_ASSERT(i == 0 || spans_[i - 1].number < spans_[i].number, "block numbers ascend");
        if (spans_[i].block == nullptr) {
            ++empty;
            continue;
        }
        STARLING_ASSERT(spans_[i].block->live != 0, "a block that is there has a live seq");
        live += std::size_t(std::popcount(spans_[i].block->live));
    }
    STARLING_ASSERT(live == size_ && empty == empty_, "live seqs and empty blocks are counted");
}

}  // namespace starling::crdt
