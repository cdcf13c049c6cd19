// Journals as streams of events: one journal, or all under a prefix as one. Every event has a place in one total order
// that respects causality, by (depth, replica, seq), the same on every node. What two nodes write without knowing of
// each other gets its order when they meet, so an event may turn up before some that were read already: nobody could
// have known of it without waiting for everybody.
//
//     auto orders = node.events<Order>("orders/");
//     auto page = orders.since(cursor);                        // what came since, in order
//     keep(page.next.to_string());                             // and go on from there, here or on another node
//     auto tail = orders.watch(cursor, [](const auto& page) { … });
//
// A cursor says what was read, not how far: late events are not missed, and none comes twice. Who needs the state that
// follows from the order of all events has a Projection (projection.hpp), which puts late ones where they belong.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <starling/codec.hpp>
#include <starling/export.hpp>
#include <starling/handles.hpp>
#include <starling/types.hpp>
#include <starling/watch.hpp>

namespace starling {

/// How many events a page holds unless told otherwise.
inline constexpr std::size_t event_page_events = 1024;

/// What a reader has read, as a version: any `Node::version()` will do, and it means the same on every node. A value.
/// On a node that has not seen all of it, first `Node::wait_until(cursor.version(), …)`: what was read elsewhere with
/// one idempotency key might else come again with another copy of it.
class STARLING_API Cursor {
  public:
    /// The beginning.
    Cursor() = default;
    Cursor(Version version) : version_(std::move(version)) {}  // NOLINT(google-explicit-constructor): it is one

    const Version& version() const { return version_; }
    /// What else the reader knows to be gone: events that were trimmed before it came (Journal::trim). It will not read
    /// them, and is not told of them again.
    const Version& gone() const { return gone_; }
    Cursor(Version version, Version gone) : version_(std::move(version)), gone_(std::move(gone)) {}
    /// True at the beginning: nothing was read.
    bool empty() const { return version_.lines().empty() && gone_.lines().empty(); }
    /// Has the reader read these, or knows that they are gone?
    bool knows(const Version& dots) const;
    /// Letters, digits, "-" and "_" without spaces; some 60 of them and 15 for each life, for each node that wrote.
    std::string to_string() const;
    /// Reads what `to_string` wrote; nothing where it is anything else, a part of it for instance.
    static std::optional<Cursor> parse(std::string_view text);
    bool operator==(const Cursor&) const = default;

  private:
    Version version_;
    Version gone_;
};

/// The place of an event in the order of all.
struct EventPosition {
    std::uint64_t depth = 0;
    Dot dot{};
    auto operator<=>(const EventPosition&) const = default;
};

template <Storable T>
struct Event {
    std::string journal;          ///< the key
    EventPosition position;       ///< `position.dot` is the event's name
    Stamp stamp;                  ///< as the writer's clock told it
    std::string idempotency_key;  ///< empty where it was appended without one
    T value;
};

/// Some events in their order.
template <Storable T>
struct EventPage {
    std::vector<Event<T>> events;
    Cursor next;          ///< where to go on; covers the events of this page and all before it
    bool more = false;    ///< there are more already
    bool missed = false;  ///< in a tail: events were trimmed before this reader came to them
};

namespace detail {

struct RawEvent {
    std::string journal;
    EventPosition position;
    Stamp stamp;
    std::string idempotency_key;
    std::string value;
};
struct RawPage {
    std::vector<RawEvent> events;
    Cursor next;
    bool more = false;
    Version held;         ///< all that the node holds
    Version trimmed;      ///< of the journals that were asked for
    bool missed = false;  ///< of that, something that the cursor does not know of
};
/// What of concurrent appends with one key is shown.
enum class Copies {
    first,   ///< the first in the order, whatever the reader has seen
    unseen,  ///< the first in the order, unless the reader's cursor covers another one
};

}  // namespace detail

/// What the feeds of all types share. Cheap to copy, thread-safe.
class STARLING_API EventSource {
  public:
    /// A journal's key where `exact`, else the beginning of keys.
    const std::string& prefix() const { return prefix_; }
    bool exact() const { return exact_; }

  protected:
    EventSource(detail::CorePtr core, std::string prefix, bool exact);
    ~EventSource() = default;
    EventSource(const EventSource&) = default;
    EventSource(EventSource&&) = default;
    EventSource& operator=(const EventSource&) = default;
    EventSource& operator=(EventSource&&) = default;

    detail::RawPage read(const Cursor& from, std::size_t limit, detail::Copies copies) const;
    /// Throws Errc::trimmed where the reader at `from` has missed something.
    static void refuse_gap(const Cursor& from, const detail::RawPage& page);
    /// Calls `changed` at once and then each time something was appended; several appends may be one call.
    Subscription on_append(std::function<void()> changed) const;
    Subscription tail(Cursor from, std::function<void(const detail::RawPage&)> read) const;

  private:
    template <class S, Storable T>
    friend class Projection;
    detail::CorePtr core_;
    std::string prefix_;
    bool exact_;
};

/// The events of one journal, or of all journals under a prefix. Values that T cannot take are left out; a feed of
/// Value shows them all. Of batches that were appended concurrently with one idempotency key, only the first in the
/// order is shown; to a reader whose cursor covers another copy already, none.
template <Storable T>
class Events : public EventSource {
  public:
    Events(detail::CorePtr core, std::string prefix, bool exact)
        : EventSource(std::move(core), std::move(prefix), exact) {}

    /// The events that the cursor does not cover, oldest first. After `limit` of them the page ends with the
    /// transaction (what one node wrote within a flush window), so it may hold some more. Ends the flush window of own
    /// writes. O(replicas + dots since the cursor, of other keys too), or where that is much less O(size of the
    /// journals). Throws Errc::nested_transaction inside `transact`, Errc::trimmed where events that the cursor has not
    /// read were trimmed away, unless it is empty: then it begins with what there is.
    EventPage<T> since(const Cursor& cursor, std::size_t limit = event_page_events) const {
        const auto raw = read(cursor, limit, detail::Copies::unseen);
        refuse_gap(cursor, raw);
        return page_of(raw);
    }
    /// For a reader that came too late: its cursor, and it knows now what is gone.
    Cursor past_the_gap(const Cursor& cursor) const {
        return {cursor.version(), read(cursor, 0, detail::Copies::unseen).trimmed};
    }

    /// Calls `visit(event)` for all events from the beginning in their order; what arrives meanwhile is among them or
    /// not. Returns the cursor to go on from.
    template <std::invocable<const Event<T>&> F>
    Cursor replay(F visit) const {
        EventPage<T> page;
        do {
            page = since(page.next, replay_page_events);
            for (const auto& event : page.events) visit(event);
        } while (page.more);
        return page.next;
    }

    /// Calls `read(page)` on the watcher thread with what the cursor does not cover, and from then on with all that
    /// comes: no event is left out and none comes twice, however slow the reader is. Keep `page.next` with what you
    /// make of the page to go on after a restart. A page out of which an exception comes is given again after the next
    /// append. Throws Errc::trimmed as `since`; where events are trimmed later that a slow reader has not come to, the
    /// next page says so.
    template <std::invocable<const EventPage<T>&> F>
    [[nodiscard]] Subscription watch(const Cursor& from, F read) const {
        refuse_gap(from, this->read(from, 0, detail::Copies::unseen));
        return tail(from, [read = std::move(read)](const detail::RawPage& raw) mutable {
            const auto page = page_of(raw);
            if (!page.events.empty() || page.missed) read(page);
        });
    }

  private:
    template <class S, Storable U>
    friend class Projection;
    static constexpr std::size_t replay_page_events = 4096;

    static std::optional<Event<T>> event_of(const detail::RawEvent& raw) {
        auto value = decode<T>(raw.value);
        if (!value) return std::nullopt;
        return Event<T>{raw.journal, raw.position, raw.stamp, raw.idempotency_key, std::move(*value)};
    }
    static EventPage<T> page_of(const detail::RawPage& raw) {
        EventPage<T> page{{}, raw.next, raw.more, raw.missed};
        page.events.reserve(raw.events.size());
        for (const auto& one : raw.events) {
            if (auto event = event_of(one)) page.events.push_back(std::move(*event));
        }
        return page;
    }
};

template <Storable T>
Events<T> Journal<T>::events() const {
    return {core_pointer(), key(), true};
}

}  // namespace starling
