// Projections: application state that follows from events, a read model for instance. A projection folds the events of
// a feed in their order and knows its cursor; state and cursor only ever change together.
//
// An event that another node wrote meanwhile may belong before events that are folded already. The projection then goes
// back to the newest of its checkpoints that lies before it and folds from there, so that its state is always that of
// folding from the beginning. A fold that does not care for the order says so, and never goes back.
//
//     starling::Projection<Totals, Order> totals(node.events<Order>("orders/"), {},
//                                                [](Totals& totals, const auto& event) { totals.add(event.value); });
//     auto following = totals.follow();
//     totals.read([](const Totals& now) { … });
#pragma once

#include <any>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <starling/events.hpp>
#include <starling/export.hpp>

namespace starling {

inline constexpr std::size_t snapshot_bytes_max = 64 * 1024 * 1024;  ///< of one that a node keeps

/// Where projections keep snapshots, one under each name. Must be thread-safe. What it throws passes through.
class STARLING_API SnapshotStore {
  public:
    virtual ~SnapshotStore();
    /// Replaces the one before as a whole: whatever happens, `load` gives the old bytes or the new ones.
    virtual void save(std::string_view name, std::string bytes) = 0;
    /// What was saved last; nothing where nothing was.
    virtual std::optional<std::string> load(std::string_view name) = 0;
};

/// In memory: they outlive a projection and a node, not the process.
class STARLING_API MemorySnapshots final : public SnapshotStore {
  public:
    void save(std::string_view name, std::string bytes) override;
    std::optional<std::string> load(std::string_view name) override;

  private:
    std::mutex mutex_;
    std::map<std::string, std::string, std::less<>> saved_;
};

struct ProjectionOptions {
    /// The state is the same in whatever order events are folded (sums, sets): late ones are folded when they come. Of
    /// concurrent appends with one idempotency key the one that came first is then folded, whichever is the first in
    /// the order.
    bool any_order = false;
    /// How many earlier states are kept in memory to go back to, besides the one at the beginning; newer ones lie
    /// closer together.
    std::size_t checkpoints_max = 16;
    /// Events between checkpoints. At least 1.
    std::size_t checkpoint_events = 1024;

    /// Where snapshots are kept; nullptr: nowhere. Must outlive the projection.
    SnapshotStore* snapshots = nullptr;
    /// Of the snapshot.
    std::string name{};
    /// Raise it with a change of the fold or of what the state holds: snapshots of another number are not taken.
    std::uint64_t fold_number = 0;
};

struct ProjectionCounters {
    std::uint64_t folded = 0;        ///< events, again after going back too
    std::uint64_t went_back = 0;     ///< for late events
    std::uint64_t out_of_order = 0;  ///< could not, since what lies after them is trimmed away: folded as they came
    std::uint64_t from_start = 0;    ///< of these, to the very beginning
    bool from_snapshot = false;      ///< it began with a snapshot
};

namespace detail {

/// A projection whose types are not known. All functions are called by one thread at a time.
struct FoldParts {
    std::function<RawPage(const Cursor& from, std::size_t limit)> read;
    std::any initial;
    std::function<void(std::any& state, const RawEvent& event)> fold;
    std::function<std::string(const std::any& state)> encode;  ///< empty: no snapshots
    std::function<std::optional<std::any>(std::string_view bytes)> decode;
};

class Fold;
STARLING_API std::shared_ptr<Fold> make_fold(FoldParts parts, ProjectionOptions options);
/// Folds what is there and was not folded. How many events that were.
STARLING_API std::size_t update(Fold& fold);
STARLING_API void rebuild(Fold& fold);
STARLING_API void snapshot(Fold& fold);
STARLING_API void look(const Fold& fold, const std::function<void(const std::any& state, const Version& cursor)>& look);
STARLING_API ProjectionCounters counters_of(const Fold& fold);

}  // namespace detail

/// Cheap to copy: copies are the same projection. Thread-safe; `fold` runs under the projection's lock and must not
/// call it. S is copied for each checkpoint. An exception out of `fold` passes through and leaves the state of the
/// newest checkpoint, from which the next `update` goes on.
template <class S, Storable T>
class Projection {
  public:
    /// Reads a snapshot where there is one, and no event yet. `fold(S& state, const Event<T>& event)` must depend on
    /// nothing else.
    template <std::invocable<S&, const Event<T>&> F>
    Projection(const Events<T>& events, S initial, F fold, ProjectionOptions options = {}) : events_(events) {
        detail::FoldParts parts;
        const auto copies = options.any_order ? detail::Copies::unseen : detail::Copies::first;
        parts.read = [events, copies](const Cursor& from, std::size_t limit) {
            return events.read(from, limit, copies);
        };
        parts.initial = std::move(initial);
        parts.fold = [fold = std::move(fold)](std::any& state, const detail::RawEvent& raw) mutable {
            if (const auto event = Events<T>::event_of(raw)) fold(*std::any_cast<S>(&state), *event);
        };
        if constexpr (Storable<S>) {
            parts.encode = [](const std::any& state) { return starling::encode(*std::any_cast<S>(&state)); };
            parts.decode = [](std::string_view bytes) -> std::optional<std::any> {
                auto state = starling::decode<S>(bytes);
                return state ? std::optional<std::any>(std::move(*state)) : std::nullopt;
            };
        }
        fold_ = detail::make_fold(std::move(parts), std::move(options));
    }

    /// Folds what has come since. Returns the number of events folded, again after going back too. O(new events), or
    /// from the checkpoint before the earliest of them. Throws what Events::since throws.
    std::size_t update() const { return detail::update(*fold_); }
    /// Keeps up by itself, on the watcher thread, while the subscription lives.
    [[nodiscard]] Subscription follow() const {
        return events_.on_append([fold = fold_] { detail::update(*fold); });
    }
    /// Forgets all and folds from the first event. Throws Errc::trimmed where that is gone.
    void rebuild() const { detail::rebuild(*fold_); }
    /// Keeps state and cursor in the snapshot store, in one write. Throws Errc::invalid_argument where there is no
    /// store or S has no Codec, and what the store throws. Kept elsewhere than in `Node::snapshots`, a snapshot may
    /// have folded events that a crash then loses.
    void snapshot() const { detail::snapshot(*fold_); }

    S state() const {
        return read([](const S& now) { return now; });
    }
    /// What has been folded: it covers a Commit's version once that is folded.
    Cursor cursor() const {
        Cursor cursor;
        detail::look(*fold_, [&](const std::any&, const Version& version) { cursor = version; });
        return cursor;
    }
    /// Runs `look(const S&)` on the state without a copy; others wait meanwhile.
    template <std::invocable<const S&> F>
    auto read(F look) const {
        using Result = std::invoke_result_t<F, const S&>;
        if constexpr (std::is_void_v<Result>) {
            detail::look(*fold_, [&](const std::any& state, const Version&) { look(*std::any_cast<S>(&state)); });
        } else {
            std::optional<Result> result;
            detail::look(*fold_, [&](const std::any& state, const Version&) {
                result.emplace(look(*std::any_cast<S>(&state)));
            });
            return std::move(*result);
        }
    }
    ProjectionCounters counters() const { return detail::counters_of(*fold_); }

  private:
    Events<T> events_;
    std::shared_ptr<detail::Fold> fold_;
};

}  // namespace starling
