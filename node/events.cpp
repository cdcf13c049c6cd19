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

/// A reader that goes on from its cursor each time it is told to. Used on the watcher thread alone once it is there.
struct Tail {
    Version at;
    std::mutex mutex;  // guards what follows: the first turn may come before it is known
    std::weak_ptr<detail::Watcher> watcher;

    explicit Tail(Version from) : at(std::move(from)) {}
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

// -- reading
// -------------------------------------------------------------------------------------------------------------

detail::CorePtr Node::open_core() const {
    if (!core_) throw Error(Errc::closed);
    return core_;
}

EventSource::EventSource(detail::CorePtr core, std::string prefix, bool exact)
    : core_(std::move(core)), prefix_(std::move(prefix)), exact_(exact) {}

detail::RawPage EventSource::read(const Version& from, std::size_t limit, detail::Copies copies) const {
    const crdt::FeedQuery query{prefix_, !exact_, detail::to_inner(from), limit, copies == detail::Copies::unseen};
    return core_->read_settled([&](const peer::Peer& peer) {
        const auto page = crdt::read_feed(peer.state(), query);
        detail::RawPage raw;
        raw.events.reserve(page.entries.size());
        for (const auto* entry : page.entries) raw.events.push_back(raw_event(*entry));
        raw.next = detail::to_public(page.next);
        raw.more = page.more;
        raw.held = detail::to_public(peer.state().version());
        return raw;
    });
}

Subscription EventSource::on_append(std::function<void()> changed) const {
    core_->require_open();
    return Subscription(
        core_->watchers().add_reader(prefix_, exact_, [changed = std::move(changed)](const Changes&) { changed(); }));
}

Subscription EventSource::tail(Version from, std::function<void(const detail::RawPage&)> read) const {
    core_->require_open();
    const auto tail = std::make_shared<Tail>(std::move(from));
    // One page a turn, so that other watchers have theirs, and so that the end of the subscription is noticed.
    auto turn = [tail, source = *this, read = std::move(read)](const Changes&) {
        const auto page = source.read(tail->at, tail_page_events, detail::Copies::unseen);
        if (!page.events.empty()) read(page);
        tail->at = page.next;
        if (page.more) tail->read_again(*source.core_);
    };
    const std::lock_guard lock(tail->mutex);
    auto watcher = core_->watchers().add_reader(prefix_, exact_, std::move(turn));
    tail->watcher = watcher;
    return Subscription(std::move(watcher));
}

}  // namespace starling
