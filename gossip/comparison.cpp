#include "gossip/comparison.hpp"

#include <algorithm>

#include "crdt/mutant.hpp"
#include "gossip/range_coder.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr unsigned set_width = 64;      // of the estimators: bits a level
constexpr unsigned changes_width = 16;  // it need only tell whether a run costs less than its elements

constexpr std::size_t contents_bytes_max = std::size_t{256} * 1024;  // of a message with cells

std::uint64_t joined(std::uint64_t askers_nonce, std::uint64_t answerers_nonce) {
    return askers_nonce << 32 ^ answerers_nonce;
}

Fault wrong(const char* what) {
    return Fault{FaultCode::malformed, what};
}

DifferenceEstimator estimator_of(const PositionSet& set, bool of_rest, std::uint64_t axis_size, unsigned width,
                                 std::uint64_t nonce) {
    DifferenceEstimator estimator(width, DifferenceEstimator::levels_of(axis_size));
    const auto flip = [&](Position position) { estimator.flip(position, nonce); };
    if (of_rest) {
        set.each_gap(axis_size, flip);
    } else {
        set.each(flip);
    }
    return estimator;
}

/// Of an axis of which so much lives, the dead are fewer; nobody walks a long axis for a few live.
bool may_take_rest(std::uint64_t axis_size, std::uint64_t live) {
    return axis_size <= 4 * live + whole_bitmap_bits_max / 1024;
}

std::vector<std::uint64_t> all_blocks(std::uint64_t many) {
    std::vector<std::uint64_t> blocks(many);
    for (std::uint64_t block = 0; block < many; ++block) blocks[block] = block;
    return blocks;
}

bool affordable(const DiffSketch& sketch, std::uint64_t axis_size) {
    if (sketch.by == CompareBy::folded) return valid_fold(sketch.shape, block_sums_max, axis_size);
    return sketch.by != CompareBy::transitions || axis_size <= whole_bitmap_bits_max;
}

bool fits_a_message(std::uint64_t blocks, std::uint64_t sums, unsigned bits) {
    return blocks * sums * bits <= 8 * sums_bytes_max;
}

/// Calls `visit(position)` for the positions of a cell.
template <class Visit>
void each_of(const Placement& placement, const Cell& cell, Visit visit) {
    for (std::uint64_t turn = 0; turn < placement.turns(); ++turn) {
        if (const auto position = placement.position(cell, turn)) visit(*position);
    }
}

bool holds(const PositionSet& set, Position position) {
    const auto at = std::lower_bound(set.words().begin(), set.words().end(), position / 64,
                                     [](const auto& word, std::uint64_t place) { return word.place < place; });
    return at != set.words().end() && at->place == position / 64 && (at->bits >> position % 64 & 1) != 0;
}

PositionSet set_of(std::vector<Position> positions) {
    std::sort(positions.begin(), positions.end());
    PositionSet set;
    for (const auto position : positions) set.append(position, 1);
    return set;
}

}  // namespace

// -- the asker
// ----------------------------------------------------------------------------------------------------------------

DiffSketch AskerComparison::live_dots_wanted() const {
    DiffSketch sketch;
    sketch.by = CompareBy::live_dots;
    return sketch;
}

Result<std::optional<DiffSketch>> AskerComparison::begin(const Comparison& theirs) {
    nonce_ = joined(nonce_, theirs.nonce);
    their_digest_ = theirs.digest;
    of_rest_ = theirs.of_rest;
    const auto size = axis_.size();
    if (digest(axis_, mine_, nonce_) == their_digest_) {
        theirs_ = mine_;
        return std::optional<DiffSketch>{};
    }
    const auto live = mine_.count();
    if (of_rest_ && !may_take_rest(size, live)) return std::optional(live_dots_wanted());
    const auto levels = DifferenceEstimator::levels_of(size);
    const auto of_set = DifferenceEstimator::read(theirs.of_set, set_width, levels);
    const auto of_changes = DifferenceEstimator::read(theirs.of_changes, changes_width, levels);
    if (!of_set || !of_changes) return wrong("an estimate has another size");
    changes_ = transitions(mine_, size);
    Surroundings here{size, live, changes_.count(), 0, 0};
    here.differences = DifferenceEstimator::difference(*of_set, estimator_of(mine_, of_rest_, size, set_width, nonce_));
    here.changed_transitions =
        DifferenceEstimator::difference(*of_changes, estimator_of(changes_, false, size, changes_width, nonce_));
    for (auto* many : {&here.differences, &here.changed_transitions}) *many += *many == UINT64_MAX ? 0 : 1;
    if (size > whole_bitmap_bits_max) here.changed_transitions = UINT64_MAX;
    const auto plan = cheapest(here);
    if (plan.by == CompareBy::live_dots) return std::optional(live_dots_wanted());
    by_ = plan.by;
    placement_.emplace(plan.shape, size, nonce_);
    DiffSketch sketch;
    sketch.by = plan.by;
    sketch.shape = plan.shape;
    sketch.count = plan.sums;
    if (by_ != CompareBy::folded) sketch.digest = digest(axis_, mine_, nonce_);
    sketch.sums =
        pack(power_sums(*placement_, sketched(), of_rest(), size, all_blocks(plan.shape.blocks), {0, plan.sums}),
             plan.shape.bits);
    return std::optional(std::move(sketch));
}

Result<DiffSums> AskerComparison::more(const DiffMore& more) {
    if (!placement_ || settled() || ++rounds_ > compare_rounds_max) return wrong("more of what was not sent");
    if (more.count == 0 || more.count > block_sums_max || more.first > block_sums_max - more.count)
        return wrong("too many sums");
    if (!more.blocks.empty() && more.blocks.back().last() > placement_->shape().blocks)
        return wrong("a block that is none");
    if (!fits_a_message(count(more.blocks), more.count, placement_->shape().bits)) return wrong("too many sums");
    std::vector<std::uint64_t> blocks;
    for (const auto& run : more.blocks) {
        for (auto block = run.first; block <= run.last(); ++block) blocks.push_back(block - 1);
    }
    DiffSums sums;
    sums.sums = pack(power_sums(*placement_, sketched(), of_rest(), axis_.size(), blocks, {more.first, more.count}),
                     placement_->shape().bits);
    return sums;
}

Result<std::optional<DiffSketch>> AskerComparison::take(const DiffCells& message) {
    if (by_ != CompareBy::folded || settled()) return wrong("cells that were not asked for");
    const auto order = Field::of(placement_->shape().bits).order();
    const auto many = count(message.cells);
    if (!message.cells.empty() && message.cells.back().last() > placement_->shape().blocks * order)
        return wrong("a cell that is none");
    if (many > cell_positions_max / placement_->turns()) return wrong("too many cells");
    RangeDecoder in(message.contents);
    AdaptiveBit lives;
    std::vector<Position> flipped;
    for (const auto& run : message.cells) {
        for (auto number = run.first - 1; number < run.last(); ++number) {
            each_of(*placement_, {number / order, unsigned(number % order)}, [&](Position position) {
                if (in.bit(lives) != holds(mine_, position)) flipped.push_back(position);
            });
        }
    }
    auto theirs = mine_ ^ set_of(std::move(flipped));
    if (digest(axis_, theirs, nonce_) == their_digest_ || mutant(Mutant::compare_trusts_cells)) {
        theirs_ = std::move(theirs);
        return std::optional<DiffSketch>{};
    }
    by_ = CompareBy::live_dots;
    return std::optional(live_dots_wanted());
}

Result<bool> AskerComparison::take(const Verdict& verdict) {
    if (by_ == CompareBy::live_dots || by_ == CompareBy::folded || settled()) return wrong("a verdict out of turn");
    const auto died = at_ranks(mine_, verdict.died);
    if (!died) return wrong("a rank beyond what lives");
    auto stays = mine_ - *died;
    if (digest(axis_, stays, nonce_) != verdict.stays && !mutant(Mutant::verdict_digest_unchecked))
        return wrong("what stays has another digest");
    theirs_ = std::move(stays);
    return true;
}

Result<bool> AskerComparison::take(const LiveDots& live) {
    std::uint64_t many = 0;
    for (const auto& [id, runs] : live) many += std::min(count(runs), whole_bitmap_bits_max);
    if (many > whole_bitmap_bits_max) return wrong("more live dots than are compared");
    auto theirs = axis_.positions(live);
    if (their_digest_ != Fingerprint{} && digest(axis_, theirs, nonce_) != their_digest_)
        return wrong("live dots with another digest");
    theirs_ = std::move(theirs);
    return true;
}

// -- the answerer
// -------------------------------------------------------------------------------------------------------------

AnswererComparison::AnswererComparison(Axis axis, PositionSet mine, std::uint64_t askers_nonce, std::uint64_t nonce)
    : axis_(std::move(axis)), mine_(std::move(mine)), nonce_(joined(askers_nonce, nonce)) {
    opening_.nonce = nonce;
    if (!worthwhile()) return;
    const auto size = axis_.size();
    const auto live = mine_.count();
    changes_ = transitions(mine_, size);
    opening_.of_rest = 2 * live > size && may_take_rest(size, live);
    opening_.digest = digest(axis_, mine_, nonce_);
    opening_.of_set = estimator_of(mine_, opening_.of_rest, size, set_width, nonce_).bytes();
    opening_.of_changes = estimator_of(changes_, false, size, changes_width, nonce_).bytes();
}

bool AnswererComparison::worthwhile() const {
    if (axis_.size() < compare_bits_min) return false;
    const auto live = mine_.count();
    const auto runs = std::min(live, axis_.size() - live) + 1;
    return choice_bits(live, runs) + choice_bits(axis_.size() - live, runs) >= compare_bits_min;
}

Result<AnswererComparison::Reply> AnswererComparison::take(const DiffSketch& sketch) {
    if (sketch.by == CompareBy::live_dots) return Reply(LiveDotsWanted{});
    const auto size = axis_.size();
    if (begun_ || size == 0 || !valid_shape(sketch.shape, sketch.count, size)) return wrong("no such sketch");
    const auto theirs = unpack(sketch.sums, sketch.shape.bits, sketch.shape.blocks * sketch.count);
    if (!theirs) return wrong("a sketch has another size");
    begun_ = true;
    if (!affordable(sketch, size)) return Reply(LiveDotsWanted{});
    by_ = sketch.by;
    their_digest_ = sketch.digest;
    placement_.emplace(sketch.shape, size, nonce_);
    open_ = all_blocks(sketch.shape.blocks);
    sums_.assign(open_.size(), {});
    asked_ = {0, sketch.count};
    DiffSums sums;
    sums.sums = sketch.sums;
    return take(sums);
}

Result<AnswererComparison::Reply> AnswererComparison::take(const DiffSums& message) {
    if (!placement_ || asked_.count == 0) return wrong("sums that were not asked for");
    const auto bits = placement_->shape().bits;
    const auto theirs = unpack(message.sums, bits, open_.size() * asked_.count);
    if (!theirs) return wrong("sums have another size");
    const auto mine = power_sums(*placement_, sketched(), of_rest(), axis_.size(), open_, asked_);
    for (std::size_t i = 0; i < theirs->size(); ++i)
        sums_[i / asked_.count].push_back(Field::Element((*theirs)[i] ^ mine[i]));
    return decode_blocks();
}

Result<AnswererComparison::Reply> AnswererComparison::decode_blocks() {
    const auto& field = Field::of(placement_->shape().bits);
    const auto have = asked_.first + asked_.count;
    std::vector<std::uint64_t> failed;
    std::vector<Sums> failed_sums;
    for (std::size_t i = 0; i < open_.size(); ++i) {
        const auto found = decode(field, sums_[i]);
        if (found && found->size() <= trusted(placement_->shape(), have)) {
            for (const auto index : *found) cells_.emplace_back(open_[i], index);
        } else {
            failed.push_back(open_[i]);
            failed_sums.push_back(std::move(sums_[i]));
        }
    }
    open_ = std::move(failed);
    sums_ = std::move(failed_sums);
    if (open_.empty()) return all_decoded();
    // Where many failed the estimate was too low.
    const bool many = 4 * open_.size() > placement_->shape().blocks;
    asked_ = {have, std::min(more_sums(have) + (many ? have / 2 : 0), block_sums_max - have)};
    if (asked_.count == 0 || ++rounds_ == compare_rounds_max ||
        !fits_a_message(open_.size(), asked_.count, placement_->shape().bits))
        return Reply(LiveDotsWanted{});
    DiffMore more;
    more.first = asked_.first;
    more.count = asked_.count;
    for (const auto block : open_) extend(more.blocks, block + 1);
    return Reply(std::move(more));
}

AnswererComparison::Reply AnswererComparison::all_decoded() {
    asked_ = {};
    if (by_ == CompareBy::folded) {
        if (cells_.empty()) return LiveDotsWanted{};  // all that differs shares its cells
        auto message = cells();
        if (message.contents.size() > contents_bytes_max) return LiveDotsWanted{};
        return message;
    }
    std::vector<Position> positions;
    for (const auto& [block, index] : cells_) {
        // A stranger's sums may decode to a cell where the axis has ended: then the digest cannot agree.
        if (const auto position = placement_->position({block, index}, 0)) positions.push_back(*position);
    }
    auto differing = set_of(std::move(positions));
    theirs_ = by_ == CompareBy::transitions ? from_transitions(changes_ ^ differing, axis_.size()) : mine_ ^ differing;
    if (digest(axis_, theirs_, nonce_) != their_digest_ && !mutant(Mutant::sketch_digest_unchecked))
        return LiveDotsWanted{};
    verdict_given_ = true;
    Verdict verdict;
    verdict.died = ranks(theirs_, theirs_ - mine_);
    verdict.stays = digest(axis_, mine_ & theirs_, nonce_);
    return verdict;
}

DiffCells AnswererComparison::cells() const {
    const auto order = Field::of(placement_->shape().bits).order();
    auto cells = cells_;
    std::sort(cells.begin(), cells.end());
    DiffCells message;
    RangeEncoder out;
    AdaptiveBit lives;
    for (const auto& [block, index] : cells) {
        extend(message.cells, block * order + index + 1);
        each_of(*placement_, {block, index}, [&](Position position) { out.bit(holds(mine_, position), lives); });
    }
    message.contents = out.take();
    return message;
}

}  // namespace starling::gossip
