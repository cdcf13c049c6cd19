#include "store/recorder.hpp"

#include <algorithm>
#include <tuple>

#include "crdt/assert.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"

namespace starling::store {

using namespace crdt;

std::size_t row_bytes(const Changeset& changeset, std::size_t seal_bytes) {
    constexpr std::size_t row_overhead_bytes = 80;  // place, time, origin, numbers
    constexpr std::size_t dep_bytes = 46, ref_bytes = 42;
    return row_overhead_bytes + seal_bytes + changeset.body.size() + dep_bytes * changeset.deps.size() +
           ref_bytes * changeset.refs.size();
}

Recorder::Recorder(Replica& replica, Loaded loaded, const RecorderLimits& limits)
    : replica_(replica),
      limits_(limits),
      lives_(std::move(loaded.lives)),
      place_(loaded.place),
      folded_(loaded.folded),
      leftover_(std::move(loaded.leftover)),
      kept_(loaded.kept.begin(), loaded.kept.end()) {
    for (const auto& kept : kept_) {
        kept_bytes_ += kept.bytes;
        if (kept.place > folded_) unfolded_bytes_ += kept.bytes;
    }
    for (const auto& id : loaded.raised) raised(id);
    replica_.bookkeeping().track(true);
}

void Recorder::raised(const ReplicaId& id) {
    auto number = replica_.state().line(id).stored;
    if (number == 0) replica_.bookkeeping().set_stored(id, number = lives_.add(id.node));
    if (const auto chunk = Lives::chunk_of(number); raised_.empty() || raised_.back() != chunk)
        raised_.push_back(chunk);
}

void Recorder::applied(ChangesetPtr changeset, std::uint64_t wall_us) {
    raised(changeset->origin);
    const auto bytes = row_bytes(*changeset);
    kept_.push_back({++place_, wall_us, bytes});
    kept_bytes_ += bytes;
    unfolded_bytes_ += bytes;
    log_.push_back({place_, wall_us, std::move(changeset)});
}

bool Recorder::sealed(const ReplicaId& origin, Seq last, Bytes seal) {
    for (auto row = log_.rbegin(); row != log_.rend(); ++row) {
        if (row->changeset->origin != origin || row->changeset->last() != last) continue;
        const auto kept = std::lower_bound(kept_.begin(), kept_.end(), row->place,
                                           [](const Loaded::Kept& k, Place place) { return k.place < place; });
        const auto more = seal.size() - row->seal.size();
        kept->bytes += more;
        kept_bytes_ += more;
        unfolded_bytes_ += more;
        row->seal = std::move(seal);
        return true;
    }
    return false;
}

void Recorder::replaced() {
    ++place_;
    replaced_ = true;
    // Those that the store knows are among what was touched.
    const auto& table = replica_.state().life_table();
    std::vector<ReplicaId> unknown;
    for (const auto& [key, node] : table.nodes()) {
        unknown.clear();
        table.each_of(key, [&](const crdt::LifeLine& line) {
            if (line.seen > 0 && line.stored == 0) unknown.push_back(line.id);
        });
        for (const auto& id : unknown) raised(id);
    }
}

// -- batches
// -------------------------------------------------------------------------------------------------------------

std::optional<Batch> Recorder::take(std::uint64_t wall_us) {
    const bool settled = !replica_.window_open();
    if (replaced_ && !settled) return {};
    if (log_.empty() && items_.empty() && !replaced_) return {};
    if (replaced_) return take_all(wall_us);
    Batch batch;
    batch.place = place_;
    batch.log = std::exchange(log_, {});
    batch.items = std::exchange(items_, {});
    batch.erased = std::exchange(leftover_, {});
    if (mutant(Mutant::leftover_rows_stay)) batch.erased.clear();
    const auto touched = replica_.state().touched_count();
    const auto rows = std::max(limits_.fold_rows_min, 2 * (touched - std::min(touched, touched_before_)));
    // While a window is open the state is ahead of the log.
    if (settled) {
        batch.mark = Mark{replica_.state().version_hash(), replica_.state().fingerprint()};
        if (!folding_ && unfolded_bytes_ >= limits_.fold_log_bytes) begin_fold();
        if (folding_) fold_some(batch, rows);
    }
    touched_before_ = replica_.state().touched_count();
    trim(batch, wall_us, rows);
    return batch;
}

Batch Recorder::take_all(std::uint64_t wall_us) {
    STARLING_ASSERT(!replica_.window_open(), "a fold is of what the log says");
    Batch batch;
    batch.place = place_;
    batch.log = std::exchange(log_, {});
    batch.items = std::exchange(items_, {});
    batch.erased = std::exchange(leftover_, {});
    batch.mark = Mark{replica_.state().version_hash(), replica_.state().fingerprint()};
    if (folding_) fold_all(batch);
    begin_fold();
    fold_all(batch);
    replaced_ = false;
    touched_before_ = 0;
    trim(batch, wall_us, limits_.fold_rows_min);
    return batch;
}

// -- folds
// ---------------------------------------------------------------------------------------------------------------

void Recorder::begin_fold() {
    Folding folding;
    const auto& state = replica_.state();
    folding.fold = {place_, state.live_count(), replica_.depth(), {}, {state.version_hash(), state.fingerprint()}};
    for (const auto& [id, head] : replica_.heads()) folding.fold.heads.emplace_back(state.line(id).stored, head);
    auto& bookkeeping = replica_.bookkeeping();
    auto touched = bookkeeping.take_touched();
    std::sort(touched.begin(), touched.end(), [](const Touched& a, const Touched& b) {
        return std::tie(a.origin->stored, a.seq) < std::tie(b.origin->stored, b.seq);
    });
    for (const auto& [origin, seq] : touched) {
        // A transaction that was rolled back touched dots that nothing has taken yet. Whatever takes them touches them
        // again.
        const bool covered = seq <= origin->seen || (mutant(Mutant::folds_take_uncovered) && origin->stored != 0);
        const bool again =
            !folding.touches.empty() && folding.touches.back().origin == origin && folding.touches.back().seq == seq;
        if (covered && !again && seq > 0) {
            folding.touches.push_back({origin, seq, seq <= origin->stored_seen});  // with its pin
            continue;
        }
        // One without a number gets it with the rest of its diff.
        if (seq == 0 && origin->stored != 0) raised_.push_back(Lives::chunk_of(origin->stored));
        bookkeeping.unpin(*origin);
    }
    auto chunks = std::exchange(raised_, {});
    std::sort(chunks.begin(), chunks.end());
    chunks.erase(std::unique(chunks.begin(), chunks.end()), chunks.end());
    folding.chunks = lives_.rows(bookkeeping, chunks);
    unfolded_bytes_ = 0;
    folding_ = std::move(folding);
}

void Recorder::fold_some(Batch& batch, std::size_t rows) {
    const auto& state = replica_.state();
    auto& [fold, touches, next, chunks] = *folding_;
    std::size_t bytes = 0;
    for (; next < touches.size() && rows > 0 && bytes < limits_.fold_batch_bytes_max; ++next, --rows) {
        const auto& [origin, seq, may_be_there] = touches[next];
        if (const auto handle = origin->live.find(seq); handle != 0) {
            batch.entries.push_back({origin->stored, seq, loose(state.at(handle))});
            bytes += state.at(handle).text_bytes();
        } else if (may_be_there && !mutant(Mutant::folds_leave_the_dead)) {
            batch.erased.push_back({origin->stored, seq});
        }
        replica_.bookkeeping().unpin(*origin);
    }
    if (next < touches.size()) return;
    batch.chunks.insert(batch.chunks.end(), std::make_move_iterator(chunks.begin()),
                        std::make_move_iterator(chunks.end()));
    if (mutant(Mutant::folds_end_late)) fold.place = place_;
    folded_ = fold.place;
    batch.fold = std::move(fold);
    folding_.reset();
    if (!replica_.window_open()) replica_.bookkeeping().rest();
}

void Recorder::fold_all(Batch& batch) {
    while (folding_) fold_some(batch, SIZE_MAX);
}

/// The oldest that are not needed to open the store, a few at a time.
void Recorder::trim(Batch& batch, std::uint64_t wall_us, std::size_t rows) {
    const auto too_much = [&] {
        return kept_bytes_ > limits_.log_bytes_max || kept_.front().at_us + limits_.log_age_us_max < wall_us;
    };
    for (; rows > 0 && !kept_.empty() && (kept_.front().place <= folded_ || mutant(Mutant::log_is_trimmed_early)) &&
           too_much();
         --rows) {
        batch.trim_through = kept_.front().place;
        kept_bytes_ -= kept_.front().bytes;
        kept_.pop_front();
    }
}

void Recorder::check() const {
    lives_.check(replica_.state());
    std::size_t bytes = 0;
    Place before = 0;
    for (const auto& kept : kept_) {
        STARLING_ASSERT(kept.place > before && kept.place <= place_, "places ascend");
        before = kept.place;
        bytes += kept.bytes;
    }
    STARLING_ASSERT(bytes == kept_bytes_, "what is kept is counted");
    STARLING_ASSERT(folded_ <= place_, "a fold is of what was applied");
    for (const auto& row : log_) STARLING_ASSERT(row.place <= place_, "what is to be written has its place");
}

}  // namespace starling::store
