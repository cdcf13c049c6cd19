// Turns what a replica applies into batches for the store.
//
// The log is the truth of the newest, the tables are the truth of all before: a commit adds the changesets alone, which
// is one page as a rule, and the entries that they put or took follow later, a few with each commit. That is a fold. It
// begins at a place, writes every entry that was touched up to there as it is by the time it is written, and ends with
// the lines of the version as they were at that place. Whoever opens the store reads the tables and applies the log
// from the place of the last fold on. What died after that place may be gone from the tables already, which changes
// nothing: the log says again that it dies. What was born after it is left out.
//
// So an entry that lives shorter than a fold takes is never written to a table: a counter costs one row, however often
// it is added to.
#pragma once

#include <deque>

#include "store/lives.hpp"

namespace starling::store {

struct RecorderLimits {
    std::size_t log_bytes_max = 64 * 1024 * 1024;
    std::uint64_t log_age_us_max = 24ULL * 3600 * 1'000'000;
    std::size_t fold_log_bytes = 1024 * 1024;  ///< a fold begins when so much of the log is past the last one
    std::size_t fold_rows_min = 256;           ///< go with a batch while a fold is under way, and twice as many as
                                               ///< dots were touched since the batch before
    std::size_t fold_batch_bytes_max = 1024 * 1024;  ///< of their texts
};

/// What a store held, besides the state.
struct Loaded {
    Place place = 0;          ///< of the last that was committed
    Place folded = 0;         ///< of the last fold
    std::vector<LogRow> log;  ///< what serves: without gaps, each origin's up to its seen; ascending by place
    struct Kept {
        Place place;
        std::uint64_t at_us;
        std::size_t bytes;
    };
    std::vector<Kept> kept;  ///< all rows of the log
    Lives lives;
    std::vector<RowName> leftover;        ///< rows of a fold that did not end
    std::vector<crdt::ReplicaId> raised;  ///< by the log past the last fold; with repetitions
};

/// What a changeset takes as a row of the log, roughly; and its seal with it.
std::size_t row_bytes(const crdt::Changeset& changeset, std::size_t seal_bytes = 0);

/// Invariants: batches are committed in the order they were taken, each once, or again after a fault that may pass;
/// nothing is in a table that the log does not say by then. Thread rule: that of the replica, which outlives it.
class Recorder {
  public:
    /// The replica has been filled by Store::load, which has left the rest in `loaded`.
    Recorder(crdt::Replica& replica, Loaded loaded, const RecorderLimits& limits = {});

    /// It was applied, or cut. In this order. O(log nodes).
    void applied(ChangesetPtr changeset, std::uint64_t wall_us);
    /// A seal that ends with a changeset that was applied and is not in a batch yet; false where none is. O(those).
    bool sealed(const crdt::ReplicaId& origin, crdt::Seq last, crdt::Bytes seal);
    /// A state diff was applied: no changeset tells of it, so everything that it touched goes with the next batch.
    void replaced();
    void put(Item item) { items_.push_back(std::move(item)); }

    /// Of the last that was applied.
    Place place() const { return place_; }
    /// What is to be committed next; nothing where nothing is, or while it has to wait for the window to be cut.
    std::optional<Batch> take(std::uint64_t wall_us);
    /// The same, with all that a fold has to do: what is opened next has no log to replay. The window must be closed.
    Batch take_all(std::uint64_t wall_us);

    std::size_t log_bytes() const { return kept_bytes_; }
    void check() const;

  private:
    struct Touch {
        crdt::Origin* origin;  ///< has a pin
        crdt::Seq seq;
        bool may_be_there;
    };
    struct Folding {
        Fold fold;
        std::vector<Touch> touches;
        std::size_t next = 0;
        std::vector<ChunkRow> chunks;
    };
    void raised(const crdt::ReplicaId& id);
    void begin_fold();
    void fold_some(Batch& batch, std::size_t rows);
    void fold_all(Batch& batch);
    void trim(Batch& batch, std::uint64_t wall_us, std::size_t rows);

    crdt::Replica& replica_;
    RecorderLimits limits_;
    Lives lives_;
    Place place_;
    Place folded_;
    std::vector<LogRow> log_;
    std::vector<std::uint32_t> raised_;  ///< chunks with lives that rose since the last fold began; with repetitions
    std::vector<RowName> leftover_;
    std::vector<Item> items_;
    std::optional<Folding> folding_;
    bool replaced_ = false;
    std::size_t unfolded_bytes_ = 0;  ///< of the log since the last fold began
    std::size_t touched_before_ = 0;  ///< at the last batch
    std::deque<Loaded::Kept> kept_;
    std::size_t kept_bytes_ = 0;
};

}  // namespace starling::store
