// The fold behind a Projection. Its points, the present and those to go back to, are each a state with the cursor of
// exactly what it has folded, so going on from any of them by its cursor gives what was not folded there: what is
// newer, and what is late.
#include <algorithm>
#include <vector>

#include <starling/error.hpp>
#include <starling/projection.hpp>

namespace starling::detail {

namespace {

constexpr std::uint64_t snapshot_format = 1;

void write_position(Encoder& out, const EventPosition& position) {
    const auto& [replica, seq] = position.dot;
    out.array(4);
    out.unsigned_integer(position.depth);
    out.bytes(replica.node.bytes.data(), replica.node.bytes.size());
    out.unsigned_integer(replica.life);
    out.unsigned_integer(seq);
}

EventPosition read_position(Decoder& in) {
    EventPosition position;
    auto& [replica, seq] = position.dot;
    in.array(4);
    position.depth = in.unsigned_integer();
    const auto node = in.bytes();
    if (node.size() == replica.node.bytes.size()) {
        std::copy(node.begin(), node.end(), replica.node.bytes.begin());
    } else {
        in.fail();
    }
    replica.life = in.unsigned_integer();
    seq = in.unsigned_integer();
    return position;
}

}  // namespace

/// Invariants: `back_` is never empty, its first is the beginning, and each point of it has folded a part of what the
/// next one has, which comes before all the rest in the order; the present one has folded at least what the last has.
class Fold {
  public:
    Fold(FoldParts parts, ProjectionOptions options) : parts_(std::move(parts)), options_(std::move(options)) {
        options_.checkpoint_events = std::max<std::size_t>(1, options_.checkpoint_events);
        back_.push_back({std::move(parts_.initial), {}, {}, 0});
        if (auto kept = load()) {
            back_.push_back(std::move(*kept));
            counters_.from_snapshot = true;
        }
        now_ = back_.back();
    }

    std::size_t update() {
        const std::lock_guard lock(mutex_);
        return catch_up();
    }

    void rebuild() {
        const std::lock_guard lock(mutex_);
        if (!parts_.read({}, 0).trimmed.lines().empty())
            throw Error(Errc::trimmed, "what they came to is known from a snapshot at best");
        back_.resize(1);
        now_ = back_.front();
        catch_up();
    }

    void snapshot() {
        const std::lock_guard lock(mutex_);
        if (options_.snapshots == nullptr) throw Error(Errc::invalid_argument, "the projection has no snapshot store");
        if (!parts_.encode) throw Error(Errc::invalid_argument, "the projection's state has no codec");
        options_.snapshots->save(options_.name, encoded());
    }

    void look(const std::function<void(const std::any&, const Version&)>& look) const {
        const std::lock_guard lock(mutex_);
        look(now_.state, now_.cursor.version());
    }

    ProjectionCounters counters() const {
        const std::lock_guard lock(mutex_);
        return counters_;
    }

  private:
    /// Some events folded.
    struct Point {
        std::any state;
        Cursor cursor;
        std::optional<EventPosition> last;  ///< the greatest of what was folded
        std::uint64_t folded = 0;
    };

    std::size_t catch_up() {
        const auto before = counters_.folded;
        for (bool more = true; more;) {
            const auto page = parts_.read(now_.cursor, options_.checkpoint_events);
            if (page.missed) throw Error(Errc::trimmed, "the projection has not folded them");
            if (is_late(page)) {
                go_back(page);
                continue;
            }
            fold(page);
            more = page.more;
        }
        return std::size_t(counters_.folded - before);
    }

    /// Does the page begin before the end of what was folded? What the node held when the fold went back last has been
    /// put in order since: where that seems out of place, its writer has claimed falling depths, and its order is that
    /// of its seqs.
    bool is_late(const RawPage& page) const {
        if (options_.any_order || page.events.empty() || !now_.last) return false;
        const auto& first = page.events.front().position;
        return first < *now_.last && !in_order_.covers(first.dot);
    }

    /// Where what would have to be folded again is trimmed away, the fold stays where it is, and folds what is late
    /// when it comes.
    void go_back(const RawPage& page) {
        const auto& first = page.events.front().position;
        auto to = back_.size() - 1;
        while (back_[to].last && first < *back_[to].last) --to;
        in_order_ = page.held;
        if (!back_[to].cursor.knows(page.trimmed)) {
            ++counters_.out_of_order;
            return;
        }
        back_.erase(back_.begin() + std::ptrdiff_t(to) + 1, back_.end());
        now_ = back_.back();
        ++counters_.went_back;
        if (back_.size() == 1) ++counters_.from_start;
    }

    void fold(const RawPage& page) {
        try {
            for (const auto& event : page.events) {
                parts_.fold(now_.state, event);
                now_.last = now_.last ? std::max(*now_.last, event.position) : event.position;
                ++now_.folded;
                ++counters_.folded;
            }
        } catch (...) {
            now_ = back_.back();  // it may have changed the state by half
            throw;
        }
        now_.cursor = page.next;
        if (now_.folded - back_.back().folded >= options_.checkpoint_events) keep_point();
    }

    void keep_point() {
        if (options_.checkpoints_max == 0) return;
        back_.push_back(now_);
        if (back_.size() - 1 > options_.checkpoints_max) drop_point();
    }

    /// Drops the point whose absence costs least where events are late by as much as it is old: the one with the
    /// smallest gap for its age. Neither the beginning nor the newest.
    void drop_point() {
        std::size_t least = 1;
        double least_gap = 0;
        for (std::size_t at = 1; at + 1 < back_.size(); ++at) {
            const auto age = double(now_.folded - back_[at].folded);
            const auto gap = double(back_[at + 1].folded - back_[at - 1].folded) / (age + 1);
            if (at == 1 || gap < least_gap) {
                least = at;
                least_gap = gap;
            }
        }
        back_.erase(back_.begin() + std::ptrdiff_t(least));
    }

    std::string encoded() const {
        Encoder out;
        out.array(7);
        out.unsigned_integer(snapshot_format);
        out.unsigned_integer(options_.fold_number);
        out.boolean(options_.any_order);
        out.text(now_.cursor.to_string());
        out.unsigned_integer(now_.folded);
        now_.last ? write_position(out, *now_.last) : out.nil();
        const auto state = parts_.encode(now_.state);
        out.bytes(state.data(), state.size());
        return out.take();
    }

    /// What was kept, where it is of this fold.
    std::optional<Point> load() const {
        if (options_.snapshots == nullptr || !parts_.decode) return std::nullopt;
        const auto bytes = options_.snapshots->load(options_.name);
        if (!bytes) return std::nullopt;
        Decoder in(*bytes);
        in.array(7);
        const bool of_this_fold = in.unsigned_integer() == snapshot_format &&
                                  in.unsigned_integer() == options_.fold_number && in.boolean() == options_.any_order;
        if (!of_this_fold) return std::nullopt;
        const auto cursor = Cursor::parse(in.text());
        const auto folded = in.unsigned_integer();
        std::optional<EventPosition> last;
        if (in.peek() == Decoder::Kind::nil) {
            in.nil();
        } else {
            last = read_position(in);
        }
        const auto view = in.bytes();
        if (!in.done() || !cursor) return std::nullopt;
        auto state = parts_.decode(view);
        if (!state) return std::nullopt;
        return Point{std::move(*state), *cursor, last, folded};
    }

    mutable std::mutex mutex_;
    FoldParts parts_;
    ProjectionOptions options_;
    std::vector<Point> back_;
    Point now_;
    Version in_order_;  ///< what the node held when the fold went back last
    ProjectionCounters counters_;
};

std::shared_ptr<Fold> make_fold(FoldParts parts, ProjectionOptions options) {
    return std::make_shared<Fold>(std::move(parts), std::move(options));
}

std::size_t update(Fold& fold) {
    return fold.update();
}

void rebuild(Fold& fold) {
    fold.rebuild();
}

void snapshot(Fold& fold) {
    fold.snapshot();
}

void look(const Fold& fold, const std::function<void(const std::any& state, const Version& cursor)>& look) {
    fold.look(look);
}

ProjectionCounters counters_of(const Fold& fold) {
    return fold.counters();
}

}  // namespace starling::detail
