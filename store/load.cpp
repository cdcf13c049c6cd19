// Reading a store back: the tables as the last fold left them, then the log from there on.
#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/state_builder.hpp"
#include "store/statements.hpp"

namespace starling::store {

using namespace crdt;

namespace {

constexpr std::uint64_t progress_every = 10'000;

StoreFault damaged(const std::string& what) {
    return {StoreFaultCode::corrupt, "the store is damaged: " + what};
}

class Loading {
  public:
    Loading(Replica& replica, const Progress& progress) : replica_(replica), builder_(replica), progress_(progress) {}

    Outcome<bool> begin(const std::map<Bytes, Bytes>& items, std::uint64_t log_rows);
    Outcome<bool> chunk(const Statement& row);
    Outcome<bool> heads();
    Outcome<bool> entry(const Statement& row);
    Outcome<bool> log_row(const Statement& row);
    Outcome<Loaded> end();

  private:
    struct Chunk {
        NodeKey node{};
        std::uint32_t lives = 0;
    };
    std::optional<ReplicaId> named(OriginNumber number) const;
    Outcome<bool> replay(const Changeset& changeset);
    void drop_gaps();
    void advance() {
        if (++done_ % progress_every == 0 && progress_) progress_(std::min(done_, of_), of_);
    }

    Replica& replica_;
    StateBuilder builder_;
    const Progress& progress_;
    std::uint64_t done_ = 0, of_ = 0;
    Fold fold_;
    std::optional<Mark> mark_;  ///< what the state must come to
    Loaded loaded_;
    // While loading only: who has which number. Two arrays, so that their memory leaves no holes.
    std::vector<Chunk> chunks_{1};
    std::vector<Life> lives_;  ///< by number
    OriginNumber number_ = 0;  ///< of the entry before
    std::optional<ReplicaId> id_;
    Seq seen_ = 0;
    Origin* origin_ = nullptr;
};

Outcome<bool> Loading::begin(const std::map<Bytes, Bytes>& items, std::uint64_t log_rows) {
    if (const auto at = items.find(fold_key); at != items.end()) {
        const auto bytes = without_sum(at->second);
        auto fold = bytes ? decode_fold(*bytes) : std::nullopt;
        if (!fold) return damaged("what the last fold said cannot be read");
        fold_ = std::move(*fold);
        mark_ = fold_.mark;
    }
    loaded_.place = loaded_.folded = fold_.place;
    of_ = fold_.live + log_rows;
    if (!builder_.depth(fold_.depth)) return damaged("a depth is out of range");
    builder_.reserve(std::min<std::uint64_t>(fold_.live, 1 << 26));
    return true;
}

Outcome<bool> Loading::chunk(const Statement& row) {
    const auto number = row.integer(0);
    const auto node_bytes = row.bytes(1);
    const auto bytes = without_sum(row.bytes(2));
    const auto lines = bytes ? decode_lives(*bytes) : std::nullopt;
    NodeKey node{};
    // Numbers have no gaps, or one that was damaged would say how much memory to take.
    if (!lines || node_bytes.size() != node.size() || number != std::int64_t(loaded_.lives.next_chunk()))
        return damaged("lives cannot be read");
    std::copy(node_bytes.begin(), node_bytes.end(), node.begin());
    auto origin = loaded_.lives.add_chunk(node, lines->size());
    STARLING_ASSERT(origin == chunks_.size() * chunk_lives_max, "chunks come in order");
    chunks_.push_back({node, std::uint32_t(lines->size())});
    lives_.resize(origin);
    for (const auto& line : *lines) {
        lives_.push_back(line.life);
        const auto built = builder_.line({node, line.life}, line.seen, line.last_stamp, origin++);
        if (!built) return damaged(built.fault().what);
    }
    return true;
}

Outcome<bool> Loading::heads() {
    for (const auto& [number, head] : fold_.heads) {
        const auto id = named(number);
        if (!id || !builder_.head(*id, head)) return damaged("a head is not covered");
    }
    return true;
}

Outcome<bool> Loading::entry(const Statement& row) {
    const auto number = OriginNumber(row.integer(0));
    const auto seq = Seq(row.integer(1));
    if (number != number_) {
        number_ = number;
        id_ = named(number);
        seen_ = id_ ? replica_.state().seen(*id_) : 0;
        origin_ = nullptr;
    }
    if (!id_ || seq > seen_) {  // of a fold that did not end: the log says it again
        loaded_.leftover.push_back({number, seq});
        return true;
    }
    if (origin_ == nullptr) origin_ = &builder_.origin(*id_);
    const SlotView slot{Type(row.integer(2)), row.bytes(5), row.bytes(6)};
    const auto built = builder_.entry(*origin_, seq, slot, Stamp(row.integer(3)), Depth(row.integer(4)), row.bytes(7));
    if (!built) return damaged(built.fault().what);
    advance();
    return true;
}

Outcome<bool> Loading::replay(const Changeset& changeset) {
    if (auto header = valid_header(changeset); !header) return damaged(header.fault().what);
    if (changeset.space != replica_.space()) return damaged("a changeset is of another space");
    const auto body = decode_body(changeset);
    if (!body && body.fault().code == FaultCode::unknown_kind) return damaged("a changeset is of a newer format");
    if (replica_.state().seen(changeset.origin) + 1 != changeset.first || replica_.missing(changeset, body))
        return damaged("the log has a gap");
    static_cast<void>(replica_.apply(changeset, body));
    loaded_.raised.push_back(changeset.origin);
    return true;
}

Outcome<bool> Loading::log_row(const Statement& row) {
    const auto place = Place(row.integer(0));
    const auto at_us = std::uint64_t(row.integer(1));
    const auto bytes = without_sum(row.bytes(2));
    auto changeset = bytes ? decode_changeset(*bytes) : Result<Changeset>(Fault{FaultCode::malformed, {}});
    if (!changeset) return damaged("a changeset of the log cannot be read");
    const auto seal = row.nothing(4) ? std::optional(BytesView()) : without_sum(row.bytes(4));
    if (!seal) return damaged("a seal cannot be read");
    if (place > fold_.place) {
        if (auto replayed = replay(*changeset); !replayed) return replayed;
        mark_.reset();
        if (!row.nothing(3)) {
            mark_ = decode_mark(row.bytes(3));
            if (!mark_) return damaged("a mark cannot be read");
        }
    }
    loaded_.place = std::max(loaded_.place, place);
    loaded_.kept.push_back({place, at_us, row_bytes(*changeset, seal->size())});
    loaded_.log.push_back({place, at_us, std::make_shared<const Changeset>(std::move(*changeset)), Bytes(*seal)});
    advance();
    return true;
}

std::optional<ReplicaId> Loading::named(OriginNumber number) const {
    const auto chunk = Lives::chunk_of(number);
    if (chunk >= chunks_.size() || number % chunk_lives_max >= chunks_[chunk].lives) return std::nullopt;
    return ReplicaId{chunks_[chunk].node, lives_[number]};
}

/// A state diff leaves gaps in the log: what is before one serves nobody.
void Loading::drop_gaps() {
    std::map<ReplicaId, Seq> next;  // the first seq of the changeset after this one, walking back
    const auto useless = [&](const LogRow& row) {
        const auto& changeset = *row.changeset;
        const auto [at, is_first] = next.try_emplace(changeset.origin, replica_.state().seen(changeset.origin) + 1);
        if (changeset.last() + 1 != at->second) return true;
        at->second = changeset.first;
        return false;
    };
    std::vector<LogRow> serving;
    for (auto row = loaded_.log.rbegin(); row != loaded_.log.rend(); ++row) {
        if (!useless(*row)) serving.push_back(std::move(*row));
    }
    loaded_.log.assign(std::make_move_iterator(serving.rbegin()), std::make_move_iterator(serving.rend()));
}

Outcome<Loaded> Loading::end() {
    const auto& state = replica_.state();
    if (mark_ && (mark_->version_hash != state.version_hash() || mark_->fingerprint != state.fingerprint()))
        return damaged("the state is not what was written");
    drop_gaps();
    if (progress_) progress_(of_, of_);
    return std::move(loaded_);
}

/// Calls `take` for each row.
template <class Take>
Outcome<bool> each(Statement& statement, Take take) {
    while (true) {
        auto row = statement.step();
        if (!row || !*row) return row;
        if (auto taken = take(statement); !taken) return statement.reset(), taken;
    }
}

}  // namespace

Outcome<Loaded> Store::load(Replica& replica, const Progress& progress) {
    STARLING_ASSERT(replica.space() == space_, "a replica is of the store's space");
    Loading loading(replica, progress);
    auto& on = *statements_;
    const auto run = [&]() -> Outcome<bool> {
        auto known = items(Room::store);
        if (!known) return known.fault();
        const auto log_rows = database_.integer("SELECT ifnull(max(place) - min(place) + 1, 0) FROM log");
        if (!log_rows) return log_rows.fault();
        if (auto done = loading.begin(*known, std::uint64_t(*log_rows)); !done) return done;
        if (auto done = each(on.chunks, [&](auto& row) { return loading.chunk(row); }); !done) return done;
        if (auto done = loading.heads(); !done) return done;
        if (auto done = each(on.entries, [&](auto& row) { return loading.entry(row); }); !done) return done;
        // What the log touches is to be folded again.
        replica.bookkeeping().track(true);
        return each(on.log, [&](auto& row) { return loading.log_row(row); });
    };
    auto done = run();
    auto loaded = done ? loading.end() : Outcome<Loaded>(done.fault());
    if (loaded) return loaded;
    auto fault = loaded.fault();
    fault.what = path_ + ": " + fault.what;
    return fault;
}

}  // namespace starling::store
