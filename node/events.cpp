// Feeds of a node: pages out of the peer's state, tails, and appends that are recognised.
#include <memory>
#include <mutex>

#include <starling/events.hpp>
#include <starling/node.hpp>

#include "crdt/codec.hpp"
#include "crdt/feed.hpp"
#include "crdt/limits.hpp"
#include "crdt/views.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling {

namespace {

constexpr std::size_t tail_page_events = 4096;  // given to a tail at once
constexpr std::size_t trim_entries_max = 1024;  // of one transaction, which has room for the largest mark beside

/// The key that a field holds; empty for nil, and for what no node of ours writes.
std::string key_in(crdt::BytesView field) {
    return std::string(crdt::Reader(field).str(crdt::field_bytes_max));
}

detail::RawEvent raw_event(const crdt::Entry& entry) {
    return {std::string(entry.key()),
            {entry.depth, detail::to_public(entry.dot())},
            detail::to_public_stamp(entry.stamp),
            entry.field() == crdt::packed_nil() ? std::string() : key_in(entry.field()),
            std::string(entry.value())};
}

/// What was trimmed of the journals that are asked for.
crdt::Version trimmed_of(const crdt::State& state, const crdt::FeedQuery& query) {
    if (!query.prefix) return crdt::Journal::trimmed(state, query.key);
    crdt::Version all;
    for (const auto& key : state.keys(crdt::trim_mark, query.key)) {
        for (const auto& [replica, seq] : crdt::Journal::trimmed(state, key))
            all[replica] = std::max(all[replica], seq);
    }
    return all;
}

/// The lines that `known` does not cover.
Version rest_of(const Version& version, const Version& known) {
    Version::Lines lines;
    for (const auto& [replica, seq] : version.lines()) {
        if (!known.covers(Dot{replica, seq})) lines.emplace_hint(lines.end(), replica, seq);
    }
    return Version(std::move(lines));
}

/// A reader that goes on from its cursor each time it is told to. Used on the watcher thread alone once it is there.
struct Tail {
    Cursor at;
    std::mutex mutex;  // guards what follows: the first turn may come before it is known
    std::weak_ptr<detail::Watcher> watcher;

    explicit Tail(Cursor from) : at(std::move(from)) {}
    void read_again(const detail::Core& core) {
        const std::lock_guard lock(mutex);
        if (const auto alive = watcher.lock()) core.watchers().read_again(alive);
    }
};

}  // namespace

// -- appending
// -----------------------------------------------------------------------------------------------------------

bool Tx::append_events(const Handle& journal, std::optional<std::string_view> once,
                       const std::vector<std::string>& values) {
    if (journal.core_.get() != &inner_.core) inner_.fail(Error(Errc::wrong_node));
    inner_.fail_if_faulty();
    auto& tx = inner_.transaction;
    bool appended = true;
    if (once) {
        if (once->empty()) inner_.fail(Error(Errc::invalid_argument, "an idempotency key is not empty"));
        if (values.empty()) inner_.fail(Error(Errc::invalid_argument, "a key is remembered by what it appends"));
        if (once->size() > idempotency_key_bytes_max)
            inner_.fail(Error(Errc::too_large, "an idempotency key has at most 256 bytes"));
        appended = crdt::Journal::append_once(tx, journal.key_, encode(std::string(*once)), values);
    } else {
        for (const auto& value : values) crdt::Journal::append(tx, journal.key_, value);
    }
    inner_.fail_if_faulty();
    return appended;
}

Commit Handle::write_events(std::optional<std::string_view> once, const std::vector<std::string>& values) const {
    return core_->transact([&](Tx& tx) { tx.append_events(*this, once, values); });
}

bool Tx::trim_some(const Handle& journal, std::size_t keep, std::chrono::microseconds age) {
    const auto& state = inner_.transaction.state();
    const auto& entries = state.journal(journal.key_);
    const auto now_us = detail::present().wall_us;
    const auto oldest_us =
        now_us - std::min<std::uint64_t>(now_us, std::uint64_t(std::max<std::int64_t>(0, age.count())));
    const crdt::Entry* last = nullptr;
    std::size_t count = 0;
    for (const auto* entry : entries) {
        if (count == trim_entries_max || (entries.size() - count <= keep && entry->stamp >= oldest_us)) break;
        last = entry;
        ++count;
    }
    if (last == nullptr) return false;
    crdt::Journal::trim(inner_.transaction, journal.key_, last->dot());
    inner_.fail_if_faulty();
    return count == trim_entries_max;
}

Commit Handle::trim_events(std::size_t keep, std::chrono::microseconds age) const {
    Commit done;
    for (bool more = true; more;) {
        auto commit = core_->transact([&](Tx& tx) { more = tx.trim_some(*this, keep, age); });
        if (commit.wrote() || !done.wrote()) done = std::move(commit);
    }
    return done;
}

// -- reading
// -------------------------------------------------------------------------------------------------------------

detail::CorePtr Node::open_core() const {
    if (!core_) throw Error(Errc::closed);
    return core_;
}

EventSource::EventSource(detail::CorePtr core, std::string prefix, bool exact)
    : core_(std::move(core)), prefix_(std::move(prefix)), exact_(exact) {}

detail::RawPage EventSource::read(const Cursor& from, std::size_t limit, detail::Copies copies) const {
    const crdt::FeedQuery query{prefix_, !exact_, detail::to_inner(from.version()), limit,
                                copies == detail::Copies::unseen};
    return core_->read_settled([&](const peer::Peer& peer) {
        const auto page = crdt::read_feed(peer.state(), query);
        detail::RawPage raw;
        raw.events.reserve(page.entries.size());
        for (const auto* entry : page.entries) raw.events.push_back(raw_event(*entry));
        raw.trimmed = detail::to_public(trimmed_of(peer.state(), query));
        raw.missed = !from.empty() && !from.knows(raw.trimmed);
        auto next = detail::to_public(page.next);
        auto gone = rest_of(raw.trimmed, next);
        raw.next = {std::move(next), std::move(gone)};
        raw.more = page.more;
        raw.held = detail::to_public(peer.state().version());
        return raw;
    });
}

void EventSource::refuse_gap(const Cursor& from, const detail::RawPage& page) {
    if (!page.missed) return;
    const Cursor oldest(from.version(), rest_of(page.trimmed, from.version()));
    throw Error(Errc::trimmed, "the oldest cursor that misses nothing is " + oldest.to_string());
}

Subscription EventSource::on_append(std::function<void()> changed) const {
    core_->require_open();
    return Subscription(
        core_->watchers().add_reader(prefix_, exact_, [changed = std::move(changed)](const Changes&) { changed(); }));
}

Subscription EventSource::tail(Cursor from, std::function<void(const detail::RawPage&)> read) const {
    core_->require_open();
    const auto tail = std::make_shared<Tail>(std::move(from));
    // One page a turn, so that other watchers have theirs, and so that the end of the subscription is noticed.
    auto turn = [tail, source = *this, read = std::move(read)](const Changes&) {
        const auto page = source.read(tail->at, tail_page_events, detail::Copies::unseen);
        if (!page.events.empty() || page.missed) read(page);
        tail->at = page.next;
        if (page.more) tail->read_again(*source.core_);
    };
    const std::lock_guard lock(tail->mutex);
    auto watcher = core_->watchers().add_reader(prefix_, exact_, std::move(turn));
    tail->watcher = watcher;
    return Subscription(std::move(watcher));
}

}  // namespace starling
